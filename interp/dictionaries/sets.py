"""A set: one dictionary a site, in a folder with a sub-folder for each site (`L0A`, `L0M`, ...)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from interp.dictionaries.base import Dictionary
from interp.dictionaries.saelens import load_dictionary, save_dictionary
from interp.runs.errors import UserError

SHIPPED = Path(__file__).parent / "weights"


class DictionarySet(Mapping[str, Dictionary]):
    """Dictionaries by site, in the order in which the sites write."""

    def __init__(self, dictionaries: Mapping[str, Dictionary]) -> None:
        self._dictionaries = {site: dictionaries[site] for site in sorted(dictionaries, key=_order)}

    def __getitem__(self, site: str) -> Dictionary:
        return self._dictionaries[site]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dictionaries)

    def __len__(self) -> int:
        return len(self._dictionaries)

    def save(self, folder: Path) -> None:
        """Write every dictionary to its sub-folder."""
        for site, dictionary in self.items():
            save_dictionary(dictionary, folder / site)


def _order(site: str) -> tuple[int, str]:
    return int(site[1:-1]), site[-1]


def shipped_sets() -> list[str]:
    """Names of the sets that come with the package."""
    return sorted(folder.name for folder in SHIPPED.glob("*") if folder.is_dir())


def set_folder(name_or_path: str | Path) -> Path:
    """The folder of a shipped set, or the given one."""
    return SHIPPED / name_or_path if str(name_or_path) in shipped_sets() else Path(name_or_path)


def load_set(name_or_path: str | Path) -> DictionarySet:
    """A shipped set by name, or the set in a folder. Raises UserError if there is neither."""
    folder = set_folder(name_or_path)
    found = {path.parent.name: load_dictionary(path.parent) for path in sorted(folder.glob("L*[AM]/cfg.json"))}
    if not found:
        shipped = ", ".join(shipped_sets()) or "none yet"
        raise UserError(f"no dictionary set '{name_or_path}': shipped sets are {shipped}; a folder needs L0A/cfg.json, ...")
    return DictionarySet(found)
