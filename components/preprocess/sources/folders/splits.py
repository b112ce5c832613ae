"""Reads the folders of the training, validation and test splits."""

from collections.abc import Mapping

from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.errors import DataError
from components.contract.text import pluralize, printable
from components.preprocess.sources.folders.classes import Classes, join_names, shown_name
from components.preprocess.sources.folders.levels import read_classes
from components.preprocess.sources.folders.names import (
    is_annotation,
    is_container,
    is_split,
    is_unlabeled,
    spelling_key,
    split_candidates,
    split_of,
)
from components.preprocess.sources.folders.tree import FolderTree, Parts


def find_split_folders(tree: FolderTree, prefix: Parts, where: str) -> dict[str, SplitName] | None:
    """The split folders that contain class folders, and their splits; None if there are no such folders.

    Raises:
        DataError: a split has several folders, or there is no training folder.
    """
    names = tree.photo_folders(prefix)
    candidates = split_candidates(names)
    splits = {
        name: split for name, split in candidates.items() if tree.photo_folders(split_parent(tree, (*prefix, name)))
    }
    others = [
        name
        for name in names
        if split_of(name) is None and not (is_container(name) or is_annotation(name) or is_unlabeled(name))
    ]
    if not splits:
        return None
    if len(candidates) == 1 and others:
        _refuse_lone_split(tree, prefix, *next(iter(splits.items())), others, where)
        return None
    for split in splits.values():
        same_split_names = [name for name in splits if splits[name] == split]
        if len(same_split_names) > 1:
            raise DataError(
                f"Each split must have one folder; the {split} split has {join_names(same_split_names)}. "
                "Merge these folders, or rename one."
            )
    if "train" not in splits.values():
        flat_names = [name for name, split in candidates.items() if split == "train"]
        state = (
            f"there are none in {join_names(flat_names)}"
            if flat_names
            else f"found only {join_names(sorted(splits))} in {where}"
        )
        raise DataError(
            f"If the data is split, it must have a folder train with class folders; {state}. Move the training photos "
            f"of each class into a folder {where}/{flat_names[0] if flat_names else 'train'}/CLASS."
        )
    return splits


def _refuse_lone_split(
    tree: FolderTree, prefix: Parts, name: str, split: SplitName, others: list[str], where: str
) -> None:
    """Raises an error if the only recognized split folder is next to splits with unknown names or class folders."""
    parent = split_parent(tree, (*prefix, name))
    inner = set(tree.photo_folders(parent))
    twins = [
        other for other in others if len(inner & set(tree.photo_folders(split_parent(tree, (*prefix, other))))) > 1
    ]
    are_flat = not any(tree.photo_folders((*prefix, other)) for other in others)
    if twins or (split == "train" and are_flat and len(inner) > 1 and not tree.photo_names(parent)):
        raise DataError(
            f"Split folders must have the names train, validation and test; {where} has {shown_name(name)} "
            f"with the class folders {join_names(sorted(inner))}, and next to it "
            f"{join_names(twins or others)}. If the latter is a split, rename it; otherwise move it out of the "
            "data."
        )
    same_names = sorted(inner & set(others))
    if split != "train" and same_names:
        raise DataError(
            f"If the data is split, it must have a folder train; {where} has class folders {join_names(same_names)}, "
            f"and a folder {shown_name(name)} with the same classes. Move the class folders for training "
            f"into {where}/train, or move {shown_name(name)} out of the data."
        )


def split_parent(tree: FolderTree, folder: Parts) -> Parts:
    """The folder that contains the class folders or the photos of a split: the folder itself, or a single folder in it.

    Folders of masks or annotations next to a folder of photos are ignored.
    """
    while not tree.photo_names(folder):
        names = tree.photo_folders(folder)
        content = [name for name in names if not is_annotation(name)]
        is_wrapper = len(content) == 1 and (
            is_container(content[0]) or (len(names) == 1 and _is_wrapper(folder[-1], content[0]))
        )
        if not is_wrapper:
            break
        folder = (*folder, content[0])
    return folder


def _is_wrapper(outer: str, inner: str) -> bool:
    outer_split, inner_split = split_of(outer), split_of(inner)
    is_same_split = inner_split is not None and outer_split is not None and inner_split[0] == outer_split[0]
    return inner.casefold() == outer.casefold() or is_same_split or is_container(inner)


def leads_to_splits(tree: FolderTree, folder: Parts) -> bool:
    """Whether the folder, or a single folder in it, contains a training folder with class folders."""
    names = tree.photo_folders(folder)
    if len(names) == 1 and not is_split(names[0]):
        return leads_to_splits(tree, (*folder, names[0]))
    return any(
        split == "train" and tree.photo_folders(split_parent(tree, (*folder, name)))
        for name, split in split_candidates(names).items()
    )


def read_splits(tree: FolderTree, prefix: Parts, splits: Mapping[str, SplitName], where: str) -> Classes:
    """Reads the class folders of all splits.

    Raises:
        DataError: a class has photos in other splits, but none in train.
    """
    classes = Classes()
    train_names: set[str] = set()
    unlabeled: list[str] = []
    for name, split in sorted(splits.items(), key=lambda item: SPLITS.index(item[1])):
        parent = split_parent(tree, (*prefix, name))
        folders = [*tree.photo_folders(parent), *tree.empty_folders(parent)]
        class_names = [folder for folder in folders if not is_unlabeled(folder)]
        split_classes = read_classes(tree, parent, class_names, split, "/".join((where, *parent[len(prefix) :])))
        names = {class_name for folder, (class_name, _) in split_classes.folders.items() if tree.num_photos(folder)}
        if split == "train":
            train_names = names
        elif _is_placeholder(names, train_names):
            unlabeled.append(name)
            continue
        else:
            _require_training(tree, split_classes, train_names, name)
        classes.folders |= split_classes.folders
        classes.notices += split_classes.notices
        classes.left_out |= split_classes.left_out
        if rest := [folder for folder in folders if is_unlabeled(folder)]:
            counts = join_names(rest, [tree.num_photos((*parent, folder)) for folder in rest])
            classes.notices.append(f"Photos left out of {shown_name(name)} because they have no labels: {counts}.")
        if num_photos := len(tree.photo_names(parent)):
            classes.notices.append(
                f"Photos left out of {shown_name(name)} because they are not in a class folder: "
                f"{pluralize(num_photos)}."
            )
    _report_rest(tree, prefix, splits, unlabeled, classes)
    return classes


def _is_placeholder(names: set[str], train_names: set[str]) -> bool:
    """Whether the only class folder of a split is a placeholder such as `test/unknown`, which some programs require."""
    keys = set(map(spelling_key, names))
    return len(names) == 1 and len(train_names) > 1 and not keys & set(map(spelling_key, train_names))


def _require_training(tree: FolderTree, classes: Classes, train_names: set[str], split_folder: str) -> None:
    """Raises an error for classes without training photos."""
    counts: dict[str, int] = {}
    for folder, (name, _) in classes.folders.items():
        if name not in train_names:
            counts[name] = counts.get(name, 0) + tree.num_photos(folder)
    if not counts:
        return
    names = sorted(counts)
    twins = [
        f"{train_name!r} in train and {name!r} in {split_folder} differ only in case, spaces, hyphens or "
        "dots: use the same name"
        for name in names
        for train_name in sorted(train_names)
        if spelling_key(name) == spelling_key(train_name)
    ]
    example = printable(names[0])
    advice = "; ".join(twins) or (
        f"Move some of the photos into a folder train/{example}, or move {split_folder}/{example} out of the data"
    )
    raise DataError(
        f"Each class must have photos in train; {split_folder} has {join_names(names, list(counts.values()))}, and "
        f"train has no photos of {'it' if len(names) == 1 else 'them'}. {advice}."
    )


def _is_flat_split(tree: FolderTree, prefix: Parts, name: str) -> bool:
    return split_of(name) is not None and not tree.photo_folders(split_parent(tree, (*prefix, name)))


def _report_rest(
    tree: FolderTree, prefix: Parts, splits: Mapping[str, SplitName], unlabeled: list[str], classes: Classes
) -> None:
    """Adds notices about folders that are left out, and about the splits that are taken from train instead."""
    names = tree.photo_folders(prefix)
    flat_names = [
        name for name in names if name in unlabeled or (name not in splits and _is_flat_split(tree, prefix, name))
    ]
    if flat_names:
        counts = join_names(flat_names, [tree.num_photos((*prefix, name)) for name in flat_names])
        given_splits = {split for _, split in classes.folders.values()}
        missing_splits = [split for split in SPLITS if split not in given_splits]
        cut = f" The photos for {join_names(missing_splits)} are taken from train." if missing_splits else ""
        classes.notices.append(f"Left out, because photos without class folders have no labels: {counts}.{cut}")
    others = [name for name in names if name not in splits and name not in flat_names]
    if others:
        counts = join_names(others, [tree.num_photos((*prefix, name)) for name in others])
        classes.notices.append(f"Folders left out because they are next to the split folders: {counts}.")
    if num_photos := len(tree.photo_names(prefix)):
        classes.notices.append(f"Photos left out because they are not in a class folder: {pluralize(num_photos)}.")
