"""What folders mean: which are splits, which are classes, and which only wrap them. Names only, no disk."""

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DataError

SPLIT_FOLDERS: Final[dict[str, SplitName]] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
"""What the folders of a given split may be called, in upper or lower case."""

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """How the data are laid out.

    Attributes:
        prefix: the folders around all the others.
        splits: folder name to split; empty where the data have no split of their own.
        class_names: ordered, each once.
    """

    prefix: Parts
    splits: dict[str, SplitName]
    class_names: tuple[str, ...]

    def place(self, parts: Parts) -> tuple[str, SplitName | None] | None:
        """(class name, split) of a file, None where it lies in no class folder."""
        if parts[: len(self.prefix)] != self.prefix:
            return None
        *folders, _ = parts[len(self.prefix) :]
        if not self.splits:
            return (_class_name(folders[0]), None) if folders else None
        if len(folders) < 2 or folders[0] not in self.splits:
            return None
        return _class_name(folders[1]), self.splits[folders[0]]


def find_layout(folders: Collection[Parts], *, unwrap: bool = False) -> Layout:
    """Reads the layout from the folders' names.

    The data are split where there is a folder for training beside one for another split, or alone, and these hold
    folders. All else is a class: a class may well be called `train` among others such as `bus`.

    Args:
        folders: each folder below the data, as its parts.
        unwrap: whether a single folder around all others is stepped into.

    Raises:
        DataError: a split has two folders, or there is none for training.
    """
    prefix: Parts = ()
    while unwrap:
        names = _below(folders, prefix)
        inner = (*prefix, names[0]) if names else prefix
        if len(names) != 1 or names[0].casefold() in SPLIT_FOLDERS or not _below(folders, inner):
            break
        prefix = inner
    splits = _find_splits(folders, prefix)
    parents = [(*prefix, name) for name in splits] or [prefix]
    class_names = {_class_name(name) for parent in parents for name in _below(folders, parent)}
    return Layout(prefix, splits, tuple(sorted(class_names)))


def _find_splits(folders: Collection[Parts], prefix: Parts) -> dict[str, SplitName]:
    names = _below(folders, prefix)
    splits = {
        name: SPLIT_FOLDERS[name.casefold()]
        for name in names
        if name.casefold() in SPLIT_FOLDERS and _below(folders, (*prefix, name))
    }
    for split in splits.values():
        same_split_names = [name for name in splits if splits[name] == split]
        if len(same_split_names) > 1:
            raise DataError(
                f"Each split must have one folder; the {split} split has {' and '.join(same_split_names)}. "
                "Join them, or rename one."
            )
    if "train" in splits.values():
        return splits if len(splits) > 1 or len(names) == 1 else {}
    if splits and len(splits) == len(names):
        raise DataError(f"Split data must have a folder train; there is only {' and '.join(splits)}.")
    return {}


def _below(folders: Collection[Parts], parent: Parts) -> list[str]:
    depth = len(parent)
    return sorted(parts[depth] for parts in folders if len(parts) == depth + 1 and parts[:depth] == parent)


def _class_name(folder: str) -> str:
    # macOS decomposes accents in file names; the same class may come composed from elsewhere.
    return unicodedata.normalize("NFC", folder)
