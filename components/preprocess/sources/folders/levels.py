"""Reads class folders with subfolders: decides whether the outer or the inner folders are the classes."""

from collections.abc import Sequence

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DataError
from components.contract.text import pluralize
from components.preprocess.sources.folders.classes import (
    Classes,
    add_class,
    class_content,
    data_option,
    join_names,
    repeats_siblings,
    shown_name,
)
from components.preprocess.sources.folders.names import (
    are_dates,
    are_numbered,
    are_numbered_parts,
    are_variants,
    class_name,
    is_index,
    split_candidates,
)
from components.preprocess.sources.folders.tree import FolderTree, Parts


def read_classes(tree: FolderTree, parent: Parts, names: Sequence[str], split: SplitName | None, where: str) -> Classes:
    """Reads the classes from the subfolders of a folder.

    Args:
        tree: the folders of the data.
        parent: the folder that contains the class folders.
        names: the folders in `parent` that may be classes.
        split: the split of all photos in `parent`.
        where: the path of `parent`, for messages.

    Raises:
        DataError: the classes may be on either of two levels, or only some classes are split.
    """
    classes = Classes()
    repeated_names = [name for name in names if repeats_siblings(tree, parent, name, names)]
    for name in repeated_names:
        inner = tree.photo_folders((*parent, name))
        for folder in inner:
            add_class(tree, (*parent, name, folder), split, classes)
        classes.notices.append(
            f"The folder {shown_name(name)} contains the class folders again ({join_names(inner)}); Darkroom adds its "
            f"{pluralize(tree.num_photos((*parent, name)))} to these classes, and counts identical photos once."
        )
    _read_levels(tree, parent, [name for name in names if name not in repeated_names], split, where, classes)
    return classes


def _read_levels(
    tree: FolderTree, parent: Parts, names: Sequence[str], split: SplitName | None, where: str, classes: Classes
) -> None:
    """Adds either the outer or the inner folders as classes."""
    stem = _common_stem(tree, parent, names)
    inner = {name: class_content(tree, (*parent, name, *stem)) for name in names}
    nested = [name for name in names if inner[name] and not tree.photo_names((*parent, name, *stem))]
    divided = [name for name in nested if _are_splits(tree, (*parent, name, *stem), inner[name])]
    if split is None and divided:
        _require_same_splits(tree, parent, inner, stem, divided, where)
        for name in names:
            for folder, folder_split in split_candidates(inner[name]).items():
                classes.folders[*parent, name, *stem, folder] = class_name(name), folder_split
        splits = sorted({folder for name in names for folder in inner[name]})
        classes.notices.append(f"Each class folder contains its splits: the folders {join_names(splits)}.")
    elif len(nested) == len(names) > 1 and _are_parts(names, inner, where):
        for name in names:
            for folder in inner[name]:
                add_class(tree, (*parent, name, *stem, folder), split, classes)
        classes.notices.append(f"The folders {join_names(names)} are read as parts of one collection.")
        _announce_outer(tree, [(*parent, name, *stem, folder) for name in names for folder in inner[name]], classes)
    else:
        for name in names:
            add_class(tree, (*parent, name), split, classes)
        _announce_outer(tree, [(*parent, name) for name in nested], classes)


def _common_stem(tree: FolderTree, parent: Parts, names: Sequence[str]) -> Parts:
    """The path that is the same below all folders, as long as each level contains only one subfolder.

    For example, it is `images` for `amazon/images/mug` and `dslr/images/mug`.
    """
    stem: Parts = ()
    while len(names) > 1:
        content = {tuple(class_content(tree, (*parent, name, *stem))) for name in names}
        common = content.pop()
        if content or len(common) != 1 or any(tree.photo_names((*parent, name, *stem)) for name in names):
            break
        stem = (*stem, common[0])
    return stem


def _are_splits(tree: FolderTree, folder: Parts, names: Sequence[str]) -> bool:
    """Whether the subfolders of a class folder are a training split and other splits."""
    splits = split_candidates(names)
    is_flat = all(tree.photo_names((*folder, name)) for name in names)
    return is_flat and len(splits) == len(names) > 1 and "train" in splits.values()


def _require_same_splits(
    tree: FolderTree, parent: Parts, inner: dict[str, list[str]], stem: Parts, divided: list[str], where: str
) -> None:
    """Checks that all class folders are split if one is, and that each contains a training folder."""
    for name, folders in inner.items():
        splits = split_candidates([*folders, *inner[divided[0]]])
        others = sorted(set(folders) - splits.keys())
        problem = None
        if "train" not in {splits.get(folder) for folder in folders}:
            problem = "has no training folder"
        elif others:
            problem = f"also contains {join_names(others)}"
        elif tree.photo_names((*parent, name, *stem)):
            problem = "also contains photos outside its splits"
        if problem:
            raise DataError(
                f"All class folders must be split in the same way; {shown_name(divided[0])} in {where} contains "
                f"{join_names(inner[divided[0]])}, and {shown_name(name)} "
                f"({pluralize(tree.num_photos((*parent, name)))}) {problem}. Split "
                f"{shown_name(name)} in the same way, or do not split any class."
            )


def _are_parts(names: Sequence[str], inner: dict[str, list[str]], where: str) -> bool:
    """Whether the inner folders are the classes; raises an error if this cannot be determined."""
    common = sorted(set.intersection(*map(set, inner.values())))
    all_inner = sorted({folder for folders in inner.values() for folder in folders})
    if are_numbered_parts(list(names)) or (are_dates(names) and not are_numbered(all_inner)):
        return True
    if all(is_index(name, folders) for name, folders in inner.items()):
        return True
    if len(common) < 2:
        return False
    if are_variants(list(names)):
        raise DataError(
            f"The folders of the data must be classes; {join_names(names)} in {where} contain the same "
            f"folders {join_names(common)}, so they are probably variants of the same photos. Pass one of them: "
            f"{data_option(f'{where}/{names[0]}')}"
        )
    if are_variants(common) or (are_numbered(common) and not are_numbered(names)):
        return False
    raise DataError(
        f"The class folders must be on one level; {join_names(names)} in {where} contain the same folders "
        f"{join_names(common)}, and either level may be the classes. If {join_names(common)} are the classes, merge "
        f"the folders of the same name, or rename {join_names(names)} to part1, part2 and so on; if these are splits, "
        "rename "
        f"them to train, validation and test. If {join_names(names)} are the classes, put their photos directly into "
        "them. Or pass a table of paths and labels (--data labels.csv)."
    )


def _announce_outer(tree: FolderTree, class_folders: Sequence[Parts], classes: Classes) -> None:
    """Adds a notice about class folders whose subfolders are not classes."""
    for folder in class_folders:
        inner = folder
        while len(content := class_content(tree, inner)) == 1 and not tree.photo_names(inner):
            inner = (*inner, content[0])
        if len(content) > 1:
            classes.notices.append(
                f"The outer folders are the classes: all photos in the subfolders {join_names(content)} of "
                f"{shown_name(folder[-1])} belong to {shown_name(folder[-1])}."
            )
            return
