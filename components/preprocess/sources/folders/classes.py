"""Reads which folders are the classes, where there are more levels of folders than one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DataError
from components.contract.text import printable
from components.preprocess.sources.folders.names import are_numbered_parts, are_variants, class_name, split_candidates
from components.preprocess.sources.folders.tree import FolderTree, Parts

SHOWN_NAMES = 8


@dataclass
class Classes:
    """The class folders, each with its class and its split, and what to say about them."""

    folders: dict[Parts, tuple[str, SplitName | None]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def read_classes(tree: FolderTree, parent: Parts, names: Sequence[str], split: SplitName | None, where: str) -> Classes:
    """The classes among the folders of one folder.

    Args:
        tree: the folders of the data.
        parent: the folder that holds the class folders.
        names: its folders that may be classes.
        split: that all of it belongs to.
        where: the path of `parent`, for messages.

    Raises:
        DataError: the folders are forms of the same photos, so that only one of them can be used.
    """
    classes = Classes()
    repeated_names = [name for name in names if repeats_siblings(tree, parent, name, names)]
    for name in repeated_names:
        _add_inner(tree, (*parent, name), split, classes)
        classes.notices.append(
            f"The folder {shown_name(name)} holds class folders once more "
            f"({join_names(tree.photo_folders((*parent, name)))}); its "
            f"{count_photos(tree.num_photos((*parent, name)))} count with theirs, and a copy counts once."
        )
    class_names = [name for name in names if name not in repeated_names]
    if not _read_two_levels(tree, parent, class_names, split, where, classes):
        classes.folders |= {(*parent, name): (class_name(name), split) for name in class_names}
    return classes


def join_names(names: Sequence[str], counts: Sequence[int] | None = None) -> str:
    """Names as in a sentence: `a, b and c`, or `a (10 photos) and b (1 photo)`."""
    texts = list(map(shown_name, names[:SHOWN_NAMES]))
    if counts is not None:
        texts = [f"{text} ({count_photos(count)})" for text, count in zip(texts, counts, strict=False)]
    if len(names) > SHOWN_NAMES:
        texts.append(f"{len(names) - SHOWN_NAMES:,} more")
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def shown_name(name: str) -> str:
    """A name in a sentence; in quotes if it begins or ends with a space."""
    return printable(name) if name == name.strip() else repr(printable(name))


def count_photos(number: int) -> str:
    """`1 photo` or `2 photos`."""
    return f"{number:,} {'photo' if number == 1 else 'photos'}"


def repeats_siblings(tree: FolderTree, parent: Parts, name: str, names: Sequence[str]) -> bool:
    """Whether a folder beside class folders holds no photos itself, but folders of the same classes."""
    inner = tree.photo_folders((*parent, name))
    return not tree.photo_names((*parent, name)) and len(set(inner) & (set(names) - {name})) >= 2


def _read_two_levels(
    tree: FolderTree, parent: Parts, names: Sequence[str], split: SplitName | None, where: str, classes: Classes
) -> bool:
    """Reads folders that hold nothing but folders; whether the inner ones decide about classes or splits."""
    inner = {name: tree.photo_folders((*parent, name)) for name in names}
    if len(names) < 2 or any(tree.photo_names((*parent, name)) or not inner[name] for name in names):
        return False
    common = set.intersection(*map(set, inner.values()))
    if split is None and all(_are_splits(tree, (*parent, name), inner[name]) for name in names):
        for name in names:
            for folder, folder_split in split_candidates(inner[name]).items():
                classes.folders[*parent, name, folder] = class_name(name), folder_split
        classes.notices.append(f"Each class folder is divided by its own folders {join_names(sorted(common))}.")
        return True
    if len(common) >= 2 and are_variants(list(names)):
        raise DataError(
            f"The folders of the data must be classes; {join_names(names)} in {where} hold the same folders "
            f"{join_names(sorted(common))}, as forms of the same photos do. Give one of them: "
            f"--data {where}/{printable(names[0])}"
        )
    if len(common) >= 2 and are_numbered_parts(list(names)):
        for name in names:
            _add_inner(tree, (*parent, name), split, classes)
        classes.notices.append(f"The folders {join_names(names)} are read as parts of one collection.")
        return True
    if all(len(folders) > 1 for folders in inner.values()):
        example = names[0]
        classes.notices.append(
            f"The classes are the outer folders: the photos of {join_names(inner[example])} in {shown_name(example)} "
            f"all count as {shown_name(example)}."
        )
    return False


def _are_splits(tree: FolderTree, folder: Parts, names: Sequence[str]) -> bool:
    splits = split_candidates(names)
    is_flat = all(tree.photo_names((*folder, name)) for name in names)
    return is_flat and len(splits) == len(names) > 1 and "train" in splits.values()


def _add_inner(tree: FolderTree, folder: Parts, split: SplitName | None, classes: Classes) -> None:
    for name in tree.photo_folders(folder):
        classes.folders[*folder, name] = class_name(name), split
