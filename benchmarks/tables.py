"""Write the README's tables from the result files, so that no figure there is typed by hand.

Every `results/<name>.json` becomes a table between the two markers: one row a scalar with its target if it has one,
then one table for each list of flat objects. Run as `python -m benchmarks.tables`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS
from interp.runs.atomic import write_text

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- measured: written by python -m benchmarks.tables -->", "<!-- end of measured -->"


def fill(readme: str, results: dict[str, dict[str, Any]]) -> str:
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
    about, targets = result.get("about", {}), result.get("target", {})
    rows = [
        [_words(key), _number(value), _number(targets[key]) if key in targets else ""]
        for key, value in _scalars(result)
    ]
    tables = [_table(["measure", "value", "target"], rows)] if rows else []
    for key, value in result.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            columns = [column for column, item in value[0].items() if not isinstance(item, dict | list)]
            cells = [[_number(item.get(column)) for column in columns] for item in value]
            tables.append(f"{_words(key)}:\n\n{_table([_words(column) for column in columns], cells)}")
    return f"**{_words(name).capitalize()}** {_provenance(about)}\n\n" + "\n".join(tables)


def _scalars(result: dict[str, Any]) -> list[tuple[str, Any]]:
    """Scalars of the result and, as `key, inner`, of its objects."""
    found = []
    for key, value in result.items():
        if key in ("about", "target"):
            continue
        inner = {f"{key}, {name}": item for name, item in value.items()} if isinstance(value, dict) else {key: value}
        found += [(name, item) for name, item in inner.items() if not isinstance(item, dict | list)]
    return found


def _provenance(about: dict[str, Any]) -> str:
    machine = about.get("machine", {})
    parts = [f"{machine['cores']} cores, {machine['processor']}" if machine else "", about.get("measured", "")[:10]]
    told = ", ".join(filter(None, parts))
    return f"({told})" if told else ""


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _words(key: str) -> str:
    return key.replace("_", " ").replace("|", "/")


def _number(value: Any) -> str:
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
