"""Documentation as blocks of plain text: HTML, manual pages, wrapped and unwrapped text, also compressed.

A block is a paragraph, an item, a cell or a line of its own, without line ends inside: how an author's editor wraps lines
must not tell one source from another.
"""

from __future__ import annotations

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

from interp.runs.errors import UserError

_SKIPPED = {"script", "style", "head", "nav"}
_BLOCKS = {
    *("p", "div", "li", "ul", "ol", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr", "td", "th"),
    *("pre", "blockquote", "section", "article", "br", "hr", "body"),
}
_ROFF_ESCAPE = re.compile(r"\\(?:f\(..|f\[[^\]]*\]|f.|s[+-]?\d|[&|^%:/,])")
_MANUAL = re.compile(r"\.\d\w*$")
_HAN = re.compile("[\u2018-\u201d\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
"""Chinese characters and their punctuation."""
_TAGGED = re.compile(r"(\S+?)/[A-Za-z]{1,4}(?=\s|$)")
_FORTUNES = re.compile(r"(?m)^%$")
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_WRAPPED_SHARE = 0.02
"""Blank lines from which on a text's lines count as wrapped: paragraphs stand between them."""


def is_document(path: Path) -> bool:
    """Whether a file's name is that of a page, a text or a manual page."""
    name = path.name.removesuffix(".gz")
    return name.endswith((".html", ".htm", ".txt", ".md")) or bool(_MANUAL.search(name))


def blocks(path: Path) -> list[str]:
    """The blocks of a file in their order. Raises UserError if it cannot be read or is no UTF-8 text."""
    text, name = _content(path), path.name.removesuffix(".gz")
    if name.endswith((".html", ".htm")):
        return html_blocks(text)
    if _MANUAL.search(name) and re.search(r"(?m)^\.(TH|Dd|SH)\b", text):
        return wrapped_blocks(_manual_text(text))
    return text_blocks(text)


def lines(path: Path) -> list[str]:
    """The lines of a file as they are, blank ones left out. Raises UserError as `blocks` does."""
    return [line for line in _content(path).splitlines() if line.strip()]


def _content(path: Path) -> str:
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return _COLOURS.sub("", raw.decode("utf-8"))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({error})") from None


def chinese_share(text: str) -> float:
    """Share of the characters that are Chinese or Chinese punctuation."""
    return len(_HAN.findall(text)) / max(len(text), 1)


def text_blocks(text: str) -> list[str]:
    """Of plain text: what stands between `%` lines, else between blank lines, else each line.

    Words that are tagged with their part of speech (`word/n`) lose the tags and the spaces between them.
    """
    if len(_TAGGED.findall(text[:5000])) > 0.9 * len(text[:5000].split()):
        text = _TAGGED.sub(r"\1", text).replace(" ", "")
    if len(_FORTUNES.findall(text)) > 2:
        return [found for piece in _FORTUNES.split(text) if (found := _joined(piece.splitlines()))]
    filled = [line.strip() for line in text.splitlines() if line.strip()]
    blank = text.count("\n") + 1 - len(filled)
    return wrapped_blocks(text) if blank > _WRAPPED_SHARE * len(filled) else filled


def wrapped_blocks(text: str) -> list[str]:
    """What stands between blank lines, each on one line."""
    return [found for piece in re.split(r"\n\s*\n", text) if (found := _joined(piece.splitlines()))]


def _joined(wrapped: list[str]) -> str:
    """Lines as one; between Chinese characters no space takes the place of a line end."""
    held = ""
    for line in filter(None, map(str.strip, wrapped)):
        close = held and (_HAN.match(held[-1]) or _HAN.match(line[0]))
        held += line if close or not held else f" {line}"
    return held


def html_blocks(text: str) -> list[str]:
    """The text of a page, a block for each element that begins a new line."""
    reader = _Page()
    reader.feed(text)
    reader.flush()
    return reader.found


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._held, self._inside = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a block, or what is skipped."""
        self._inside += tag in _SKIPPED
        if tag in _BLOCKS:
            self.flush()

    def handle_endtag(self, tag: str) -> None:
        """End either."""
        self._inside = max(self._inside - (tag in _SKIPPED), 0)
        if tag in _BLOCKS:
            self.flush()

    def handle_data(self, data: str) -> None:
        """Hold text."""
        self._held += "" if self._inside else data

    def flush(self) -> None:
        """End the block."""
        if found := _joined(self._held.splitlines()):
            self.found.append(re.sub(r"\s+", " ", found))
        self._held = ""


def _manual_text(source: str) -> str:
    """A manual page without its macros: paragraphs between blank lines."""
    kept = []
    for line in source.splitlines():
        macro = re.match(r"[.']\s*(\\\"|\w*)\s*(.*)", line)
        if macro is None:
            kept.append(line)
        elif macro[1] in ("B", "I", "BR", "IR", "RB", "RI", "BI", "IB", "SM", "SB", "Nm", "Ar", "Fl", "Xr"):
            kept.append(macro[2].replace('"', ""))
        elif macro[1] in ("SH", "SS", "Sh", "Ss"):
            kept += ["", macro[2].replace('"', ""), ""]
        elif macro[1] != '\\"':
            kept.append("")
    return _ROFF_ESCAPE.sub("", "\n".join(kept)).replace("\\-", "-").replace("\\e", "\\")
