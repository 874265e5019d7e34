"""The AGENDA corpus: scientific abstracts, each with a knowledge graph over the entities it mentions.

Koncel-Kedziorski et al. 2019 (`preprocessed.test.tsv` and `relations.vocab` of rikdz/GraphWriter), the
knowledge-graph data of arXiv 2402.13055. One line an abstract, six fields between tabs: title, entities, their types,
triples `head relation tail` as numbers, text with `<type_k>` in place of entity k, order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from interp.heads.relations.text_lines import Line, text_lines
from interp.runs.errors import UserError

RELATIONS = ("Used-for", "Conjunction", "Feature-of", "Part-of", "Compare", "Evaluate-for", "Hyponym-of")
"""In the order of AGENDA's `relations.vocab`, as the paper spells them."""

_FIELDS = 6
_PLACEHOLDER = re.compile(r"<[a-z]+_([0-9]+)>")


class Abstract(NamedTuple):
    """One line of the corpus."""

    name: str
    """`file:line`."""
    number: int
    """The line."""
    entities: tuple[str, ...]
    triples: tuple[tuple[int, str, int], ...]
    """Head entity, relation, tail entity."""
    words: tuple[str | int, ...]
    """The text; a number stands for a mention of that entity."""

    @property
    def mentioned(self) -> list[int]:
        """Entities of the text in the order of their first mention."""
        return list(dict.fromkeys(word for word in self.words if isinstance(word, int)))


def agenda_abstracts(path: Path, vocabulary: Path | None = None) -> Iterator[Abstract]:
    """All abstracts in their order. Raises UserError for a line that is none."""
    relations = RELATIONS if vocabulary is None else _names_of(vocabulary)
    return (_abstract(line, path.name, relations) for line in text_lines(path))


def _names_of(vocabulary: Path) -> tuple[str, ...]:
    """Names as the file has them, those of the paper in the paper's spelling."""
    spelling = {name.upper(): name for name in RELATIONS}
    lines = [line.text.strip() for line in text_lines(vocabulary)]
    return tuple(spelling.get(name, name) for name in lines if name)


def _abstract(line: Line, file: str, relations: Sequence[str]) -> Abstract:
    fields = line.text.split("\t")
    if len(fields) != _FIELDS:
        raise UserError(f"{line.place}: found {len(fields)} tab-separated fields; an AGENDA line has {_FIELDS}")
    entities = tuple(fields[1].split(" ; "))
    triples = tuple(_triple(line, triple, len(entities), relations) for triple in fields[3].split(" ; ") if triple)
    words = tuple(_word(line, word, len(entities)) for word in fields[4].split())
    return Abstract(f"{file}:{line.number}", line.number, entities, triples, words)


def _triple(line: Line, triple: str, entities: int, relations: Sequence[str]) -> tuple[int, str, int]:
    numbers = [int(number) if number.isdecimal() else -1 for number in triple.split()]
    sizes = (entities, len(relations), entities)
    if len(numbers) != 3 or not all(0 <= number < size for number, size in zip(numbers, sizes, strict=True)):
        raise UserError(
            f"{line.place}: found the triple '{triple}'; accepted are three numbers below {entities} (entity), "
            f"{len(relations)} (relation), {entities} (entity)"
        )
    head, relation, tail = numbers
    return head, relations[relation], tail


def _word(line: Line, word: str, entities: int) -> str | int:
    match = _PLACEHOLDER.fullmatch(word)
    if match and int(match[1]) >= entities:
        raise UserError(f"{line.place}: found the placeholder {word}, but the line names {entities} entities")
    return int(match[1]) if match else word
