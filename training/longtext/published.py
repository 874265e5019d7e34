"""The published corpus by domain: documents of each type, from the tables of arXiv 2402.13583, English and Chinese.

The row that the paper calls the English total is the sum over both languages; ours are summed from the domains. What
thresholds gave these numbers is not published.
"""

from __future__ import annotations

from typing import NamedTuple


class Counts(NamedTuple):
    """Documents of each type."""

    holistic: int
    aggregated: int
    chaotic: int

    @property
    def shares(self) -> tuple[float, float, float]:
        """Shares of the types, in the same order; they sum to 1."""
        return self.holistic / sum(self), self.aggregated / sum(self), self.chaotic / sum(self)


DOCUMENTS: dict[str, dict[str, Counts]] = {
    "en": {
        "CommonCrawl": Counts(4_740_880, 638_363, 36_664),
        "C4": Counts(632_819, 88_119, 2_732),
        "ArXiv": Counts(1_045_806, 3_274, 287),
        "Book": Counts(187_396, 7_369, 252),
        "GitHub": Counts(377_312, 56_557, 0),
        "Wikipedia": Counts(146_469, 29_745, 1_883),
        "StackExchange": Counts(5_295, 1_750, 659),
    },
    "zh": {
        "ChinaNews": Counts(5_211, 1_331, 240),
        "Law": Counts(24_575, 5_212, 1_310),
        "Patent": Counts(44_922, 2_956, 682),
        "TextBook": Counts(4_746, 693, 0),
        "WebText": Counts(18_698, 7_842, 3_855),
    },
}
"""By language and domain."""


def total(language: str) -> Counts:
    """Documents of a language over all its domains."""
    return Counts(*(sum(column) for column in zip(*DOCUMENTS[language].values(), strict=True)))
