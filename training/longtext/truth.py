"""Long documents whose type is known by construction, from real text: what thresholds are fitted to and judged by.

    holistic      consecutive paragraphs of one chapter, essay or manual
    aggregated    unrelated pieces one after the other: docstrings and READMEs, fortunes, reviews, paragraphs of a folder
    chaotic       rows of tables and dumps in a row; and prose whose lines changed places, in paragraphs of the old lengths

Every document is cut at the end of the paragraph with which it reaches a size in bytes, so that length tells nothing; line
ends inside paragraphs are taken out, so that an author's editor tells nothing either. The paper counts tables among
aggregated texts and calls garbled data chaotic; the third class here follows the task that was set, tables and dumps
included.

Sources are held out whole: all that comes from one book or folder is either for fitting or for testing, and so is all that
comes from one installed package, its docstrings, README, tables and list of files together. Docstrings and READMEs are of
packages whose text the shipped discourse model was not trained on. No text is copied into the project: it is read where it
lies.
"""

from __future__ import annotations

import functools
import json
import random
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from interp.corpora.document import Document, rank
from interp.corpora.installed import installed_documents
from interp.runs.atomic import write_text
from interp.runs.errors import UserError
from training.longtext.plain_text import blocks, chinese_share, is_document, lines, wrapped_blocks
from training.longtext.types import AGGREGATED, CHAOTIC, HOLISTIC

SourceKind = Literal["prose", "pieces", "rows"]
"""What a source is made into: holistic and shuffled texts, aggregated ones, tables and dumps."""
Side = Literal["fit", "test"]
_SIDES: tuple[Side, ...] = get_args(Side)
BYTES = 32_768
_SHORTEST_PIECE, _SHORTEST_BLOCK = 60, 30
_PER_FILE = 12
"""Documents of one file, at most."""
_PIECE = 1_000
_GROUPS = 6
"""Sources that the documentation of packages is divided into, whole packages each; half of them are for fitting."""
_LEAST_CHINESE = 0.4
_WRAP = {"en": 72, "zh": 36}
_TABLES = (".csv", ".tsv", ".tab")


class LabelledDocument(NamedTuple):
    """One text."""

    id: str
    text: str
    type: str
    language: str
    source: str
    kind: str
    """prose, pieces, rows, or shuffled."""
    side: Side


@dataclass(frozen=True)
class Source:
    """Text that is held out as a whole."""

    make: SourceKind
    language: str
    name: str
    files: tuple[tuple[str, Callable[[], list[str]]], ...]
    """Name and blocks of each file (of pieces and rows all are one pool)."""
    side: Side | None = None
    """None leaves it to `sides`."""

    @classmethod
    def of(cls, given: str) -> Source:
        """From `make:language:path`, such as prose:en:/usr/share/doc/anarchism/html. Raises UserError for anything else."""
        make, _, rest = given.partition(":")
        language, _, place = rest.partition(":")
        path = Path(place)
        if make not in get_args(SourceKind) or language not in ("en", "zh") or not place:
            raise UserError(
                f"'{given}' is no source; accepted are {', '.join(get_args(SourceKind))}, then :en or :zh, then : and a path"
            )
        if not path.exists():
            raise UserError(f"there is no file or folder {path} for the source '{given}'")
        rows = make == "rows"
        within = (one for one in path.rglob("*") if is_document(one) or (rows and one.suffix in _TABLES))
        found = [path] if path.is_file() else sorted(within)
        if not found:
            tables = f", {', '.join(_TABLES)}" if rows else ""
            raise UserError(f"{path} has no file for '{given}'; accepted are pages, texts and manual pages{tables}")
        read = lines if rows else _chinese_blocks if language == "zh" else blocks
        return cls(make, language, "/".join(path.parts[-2:]), tuple((file.name, partial(read, file)) for file in found))  # type: ignore[arg-type]


def read_sources(path: Path) -> list[Source]:
    """Sources of a file, one a line; `#` begins what is for readers. Raises UserError as `Source.of` does."""
    try:
        listed = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as a list of sources ({error})") from None
    return [Source.of(line.strip()) for line in listed if line.strip() and not line.startswith("#")]


def installed_sources() -> list[Source]:
    """English sources that every machine has: help topics, documentation of groups of packages, tables, lists of files."""
    from pydoc_data.topics import topics

    found = [Source("prose", "en", "help topics", tuple((name, partial(wrapped_blocks, topics[name])) for name in topics))]
    for group in range(_GROUPS):
        read = partial(_pieces, group)
        found.append(Source("pieces", "en", f"packages {group + 1}", (("all", read),), _SIDES[group % 2]))
    for half, side in enumerate(_SIDES):
        found.append(Source("rows", "en", f"tables {half + 1}", tuple(_tables(half)), side))
        found.append(Source("rows", "en", f"records {half + 1}", tuple(_records(half)), side))
    return found


def construct(
    sources: Sequence[Source], *, documents: int = 24, size: int = BYTES, seed: int = 0
) -> Iterator[LabelledDocument]:
    """At most `documents` of each language, type and side, sources taking turns; types that lack sources get fewer.

    Raises UserError for a source that cannot be read.
    """
    for language in dict.fromkeys(source.language for source in sources):
        for kind, make in (("prose", "prose"), ("pieces", "pieces"), ("rows", "rows"), ("shuffled", "prose")):
            spoken = [one for one in sources if one.language == language and one.make == make]
            most = documents // 2 if kind in ("rows", "shuffled") else documents
            for side, own in sides(spoken).items():
                yield from islice(_in_turns(own, kind, side, size, seed), most)


def sides(sources: Iterable[Source]) -> dict[Side, list[Source]]:
    """Sources by side: their own, or else the one and the other by turns, in the order of a hash of their names."""
    found: dict[Side, list[Source]] = {side: [] for side in _SIDES}
    turns = cycle(_SIDES)
    for source in sorted(sources, key=lambda one: rank(one.name)):
        found[next(turns) if source.side is None else source.side].append(source)
    return found


def write_truth(documents: Iterable[LabelledDocument], out: Path) -> dict[str, int]:
    """Write documents as JSON lines; count them by language, type, kind and side. Raises UserError if there are none."""
    written: list[str] = []
    counts: dict[str, int] = {}
    for document in documents:
        written.append(json.dumps(document._asdict(), ensure_ascii=False) + "\n")
        name = f"{document.language} {document.type} {document.kind} {document.side}"
        counts[name] = counts.get(name, 0) + 1
    if not written:
        raise UserError(f"{out} is not written, as the sources give no document of this size, language and side")
    write_text(out, "".join(written))
    return counts


_TYPE = {"prose": HOLISTIC, "pieces": AGGREGATED, "rows": CHAOTIC, "shuffled": CHAOTIC}


def _in_turns(sources: Sequence[Source], kind: str, side: Side, size: int, seed: int) -> Iterator[LabelledDocument]:
    queues = [(source, enumerate(_texts(source, kind, size, seed))) for source in sources]
    while queues:
        for source, queue in list(queues):
            number, text = next(queue, (0, ""))
            if not text:
                queues.remove((source, queue))
                continue
            name = f"{source.language}-{kind}-{source.name}-{number}"
            yield LabelledDocument(name, text, _TYPE[kind], source.language, source.name, kind, side)


def _texts(source: Source, kind: str, size: int, seed: int) -> Iterator[str]:
    """Prose and shuffled lines alternate over a source's stretches, so that no stretch is used twice."""
    generator = random.Random(f"{seed} {kind} {source.name}")
    if kind in ("prose", "shuffled"):
        for number, stretch in enumerate(_stretches(source, size)):
            if number % 2 == (kind == "shuffled"):
                yield _shuffled(stretch, source.language, generator) if kind == "shuffled" else "\n\n".join(stretch)
        return
    if kind == "rows":
        yield from ("\n".join(rows) for rows in _rows(source, size))
        return
    pieces = list(dict.fromkeys(block for _, read in source.files for block in read() if len(block) >= _SHORTEST_PIECE))
    generator.shuffle(pieces)
    yield from ("\n\n".join(found) for found in _cut(pieces, size))


def _stretches(source: Source, size: int) -> Iterator[list[str]]:
    """Consecutive paragraphs of one file; a paragraph that was there before is left out."""
    seen: set[str] = set()
    for _, read in source.files:
        fresh = [block for block in read() if len(block) >= _SHORTEST_BLOCK and block not in seen]
        seen.update(fresh)
        yield from islice(_cut(fresh, size), _PER_FILE)


def _rows(source: Source, size: int) -> Iterator[list[str]]:
    for _, read in source.files:
        yield from islice(_cut(read(), size), _PER_FILE)


def _chinese_blocks(path: Path) -> list[str]:
    """The blocks that are Chinese: translations of manuals leave others as they were."""
    return [block for block in blocks(path) if chinese_share(block) >= _LEAST_CHINESE]


def _cut(parts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Runs of parts that reach `size` bytes with their last one; what is left at the end is dropped."""
    held: list[str] = []
    length = 0
    for part in parts:
        held, length = [*held, part], length + len(part.encode()) + 1
        if length > size:
            yield held
            held, length = [], 0


def _shuffled(stretch: list[str], language: str, generator: random.Random) -> str:
    """Paragraphs of as many lines as before, so that their lengths tell nothing."""
    wrapped = [textwrap.wrap(block, _WRAP[language]) for block in stretch]
    shuffled = list(chain.from_iterable(wrapped))
    generator.shuffle(shuffled)
    drawn, between = iter(shuffled), " " if language == "en" else ""
    return "\n\n".join(between.join(islice(drawn, len(block))) for block in wrapped)


@functools.cache
def _installed() -> list[Document]:
    """Docstrings of modules and READMEs of packages that the discourse model was not trained on."""
    return [document for document in installed_documents("held-out") if not document.source.startswith("topic/")]


def _group(package: str, groups: int) -> int:
    """Independent of the split into training and held-out text; of an even number of groups, all even ones are one half."""
    return rank(f"group of {package}") % groups


def _pieces(group: int) -> list[str]:
    """Runs of paragraphs of some thousand characters."""
    chosen = (one for one in _installed() if _group(one.source, _GROUPS) == group)
    return ["\n".join(run) for one in chosen for run in _cut(wrapped_blocks(one.text), _PIECE)]


def _distributions(half: int) -> list[metadata.Distribution]:
    named = {one.metadata["Name"] or "unnamed": one for one in metadata.distributions()}
    return [named[name] for name in sorted(named) if _group(name, 2) == half]


def _tables(half: int) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Tables that packages carry, each a file."""
    for one in _distributions(half):
        for file in one.files or ():
            if file.suffix in _TABLES:
                yield file.name, partial(_table, Path(str(one.locate_file(file))))


def _records(half: int) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Lists of installed files with their hashes, as the installer leaves them."""
    for one in _distributions(half):
        for file in one.files or ():
            if file.name == "RECORD":
                yield str(one.metadata["Name"]), partial(_table, Path(str(one.locate_file(file))))


def _table(path: Path) -> list[str]:
    """Lines of a file of a package; none of one that is no text, as some tests' tables are not."""
    try:
        return lines(path)
    except UserError:
        return []
