"""Write the README's tables from the result files, so that no figure there is typed by hand.

Every `results/<name>.json` becomes a section between the two markers:

- its `note`, if it has one, then one row a scalar, beside its bar if `target` names one (a bar on seconds is an upper
  one, any other a lower one);
- a table for each list of flat objects, a bar on one of its columns in the column's head;
- a table for objects of more than four numbers, one column each, those with the same keys side by side.

Nested objects are walked; lists of more than 24 rows, and what is no figure, stay in the file. Run as
`python -m benchmarks.tables`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS
from interp.runs.atomic import write_text

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- measured: written by python -m benchmarks.tables -->", "<!-- end of measured -->"
_INLINE, _MOST_ROWS = 4, 24


def fill(readme: str, results: Mapping[str, dict[str, Any]]) -> str:
    """`readme` with the text between the markers replaced. Raises ValueError if a marker is missing."""
    before, _, rest = readme.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"the README needs the markers {BEGIN} and {END}")
    sections = [_section(name, results[name]) for name in sorted(results)]
    return f"{before}{BEGIN}\n\n" + "\n".join(sections) + f"\n{END}{after}"


def read_results(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Result files by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _section(name: str, result: dict[str, Any]) -> str:
    bars = result.get("target", {})
    shown = {key: value for key, value in result.items() if key not in ("about", "target", "note", "title", "peer")}
    parts = list(_parts(shown, ""))
    scalars = [[_words(key), _cell(value), _bar(key, bars)] for key, value in parts if not isinstance(value, list | dict)]
    blocks = [result["note"] + "\n"] if "note" in result else []
    blocks += [_table(["measure", "value", "target"], scalars)] if scalars else []
    blocks += [_rows(key, value, bars) for key, value in parts if isinstance(value, list)]
    blocks += _side_by_side({key: value for key, value in parts if isinstance(value, dict)})
    title = result.get("title", _words(name).capitalize())
    return f"**{title}** {_provenance(result.get('about', {}))}\n\n" + "\n".join(blocks)


def _parts(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Scalars, lists of flat objects, and large objects of numbers, each with its path as a name."""
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict):
            if len(item) > _INLINE and all(not isinstance(inner, list | dict | str) for inner in item.values()):
                yield name, item
            else:
                yield from _parts(item, f"{name}, ")
        elif isinstance(item, list):
            if 0 < len(item) <= _MOST_ROWS and all(isinstance(row, dict) for row in item):
                yield name, item
        else:
            yield name, item


def _rows(name: str, rows: list[dict[str, Any]], bars: Mapping[str, Any]) -> str:
    columns = [column for column, item in rows[0].items() if not isinstance(item, dict | list)]
    heads = [" ".join(filter(None, [_words(column), _bar(column, bars)])) for column in columns]
    return f"{_words(name)}:\n\n" + _table(heads, [[_cell(row.get(column)) for column in columns] for row in rows])


def _side_by_side(objects: Mapping[str, dict[str, Any]]) -> list[str]:
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, item in objects.items():
        groups[tuple(item)].append(name)
    return [
        _table(["", *map(_words, names)], [[_words(key), *(_cell(objects[name][key]) for name in names)] for key in keys])
        for keys, names in groups.items()
    ]


def _provenance(about: Mapping[str, Any]) -> str:
    machine = about.get("machine", {})
    parts = [f"{machine['cores']} cores, {machine['processor']}" if machine else "", about.get("measured", "")[:10]]
    told = ", ".join(filter(None, parts))
    return f"({told})" if told else ""


def _table(columns: list[str], rows: list[list[str]]) -> str:
    """A table; a last column without any entry is left out."""
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _words(key: str) -> str:
    return key.replace("_", " ").replace("|", "/")


def _bar(key: str, bars: Mapping[str, Any]) -> str:
    return "" if key not in bars else f"{'≤' if 'seconds' in key else '≥'} {_cell(bars[key])}"


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer() and abs(value) >= 1000):
        return f"{int(value):,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "/")


def main() -> None:
    """Write the README."""
    write_text(README, fill(README.read_text(encoding="utf-8"), read_results()))


if __name__ == "__main__":
    main()
