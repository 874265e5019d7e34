"""English and Chinese are told from other languages; tables, code and garbled text pass for English."""

from __future__ import annotations

import pytest

from training.longtext.language import detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The cat sat on the mat, and it was happy.", "en"),
        ("我们知道，他们在学习。", "zh"),
        ("Python 3.11 的标准库很大，我们用 numpy 和 pandas 处理数据。", "zh"),
        ("def f(x):\n    y = x; o = y\n    return des + est", "en"),
        ("QmFzZTY0IGlzIG5vdCBhIHRleHQ= 9f86d081884c7d65", "en"),
        ("Der Mann und die Frau gehen nach Hause, und das ist nicht schlecht für den Hund.", None),
        ("El hombre y la mujer van a la casa, y el perro que es de los vecinos se queda con las niñas.", None),
        ("これは日本語の文章です。漢字も使います。", None),
        ("Это русский текст, и его нельзя прочесть.", None),
        ("12 34 56 | 78", None),
        ("", None),
    ],
)
def test_detects(text: str, language: str | None) -> None:
    assert detect(text) == language


def test_a_long_text_is_judged_by_all_its_parts() -> None:
    english, russian = "The cat sat on the mat. " * 4_000, "Это русский текст. " * 20_000
    assert detect(english + russian) is None and detect(russian + english) is None
    assert detect(english * 5 + russian[:1000]) == "en"
