"""Reads the class and the split of each photo from the folders, or raises an error that explains what to do."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DataError
from components.contract.text import pluralize, printable
from components.preprocess.sources.folders.classes import (
    Classes,
    data_option,
    join_names,
    repeats_siblings,
    shown_name,
)
from components.preprocess.sources.folders.documents import describe_documents
from components.preprocess.sources.folders.file_names import FileNames, find_masks, read_file_names
from components.preprocess.sources.folders.levels import read_classes
from components.preprocess.sources.folders.names import (
    are_numbered_parts,
    are_variants,
    is_annotation,
    is_container,
    is_plain_container,
    is_reserved,
    is_split,
    is_train,
    is_unlabeled,
    mentions_container,
    split_candidates,
    split_of,
)
from components.preprocess.sources.folders.splits import (
    find_split_folders,
    leads_to_splits,
    read_splits,
    split_parent,
)
from components.preprocess.sources.folders.tree import FolderTree, Parts

Place = tuple[str, SplitName | None]
"""(class, split) of a photo."""


@dataclass(frozen=True)
class Layout:
    """How folders and file names determine the class and the split of each photo.

    Attributes:
        prefix: the outer folders that contain everything else.
        class_folders: the class and the split of each class folder.
        flat_folders: if there are no class folders, the folders with photos and the split of each. The classes may be
            in a label file or in the file names.
        file_names: the classes in the file names of flat folders, if there are any.
        notices: messages for the user, one sentence each.
        left_out: subfolders of class folders whose pictures are not photos of the class, such as masks.
        masks: files in class folders whose names mark them as masks of photos next to them.
    """

    prefix: Parts = ()
    class_folders: Mapping[Parts, Place] = field(default_factory=dict)
    flat_folders: Mapping[Parts, SplitName | None] = field(default_factory=dict)
    file_names: FileNames | None = None
    notices: tuple[str, ...] = ()
    left_out: frozenset[Parts] = frozenset()
    masks: frozenset[Parts] = frozenset()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The distinct class names, sorted."""
        names = self.file_names.labels if self.file_names else (name for name, _ in self.class_folders.values())
        return tuple(sorted(set(names)))

    @property
    def splits(self) -> frozenset[SplitName]:
        """The splits according to the folders; empty if the data is not split."""
        if self.file_names:
            return self.file_names.splits
        return frozenset(split for _, split in self.class_folders.values() if split is not None)

    def place(self, parts: Parts) -> Place | None:
        """The class and the split of a file; None if neither its folders nor its name contain a class."""
        if self.file_names:
            return self.file_names.place(parts)
        if parts in self.masks:
            return None
        for depth in range(len(parts) - 1, 0, -1):
            if parts[:depth] in self.left_out:
                return None
            if parts[:depth] in self.class_folders:
                return self.class_folders[parts[:depth]]
        return None

    def class_folder(self, parts: Parts, class_name: str) -> Parts | None:
        """The folder for photos of a class in the same split as a file; None if the file is not in a class folder."""
        own = next(
            (parts[:depth] for depth in range(len(parts) - 1, 0, -1) if parts[:depth] in self.class_folders), None
        )
        if own is None:
            return None
        place = class_name, self.class_folders[own][1]
        folders = [folder for folder in self.class_folders if self.class_folders[folder] == place]
        return min(folders, key=lambda folder: folder[:-1] != own[:-1], default=(*own[:-1], class_name))


def find_layout(tree: FolderTree, *, data: str = "the data", unwrap: bool = False) -> Layout:
    """Reads the layout from the names of the folders.

    The data is split if there is a training folder with class folders, either alone or next to folders of other splits.
    Otherwise, all folders are classes: next to `bus`, for example, `train` is a class.

    Args:
        tree: the folders of the data.
        data: the path of the data, for messages.
        unwrap: whether to skip a single outer folder that contains everything else, whatever its name.

    Raises:
        DataError: the folders are ambiguous, or a class has no training photos.
    """
    prefix = _step_in(tree, data, unwrap=unwrap)
    where = "/".join((data, *prefix))
    notices = [f"The photos are in {printable('/'.join(prefix))}."] if prefix and not unwrap else []
    notices += _describe_neighbors(tree, prefix)
    split_folders = find_split_folders(tree, prefix, where)
    flat_folders = {} if split_folders else _flat_folders(tree, prefix)
    if flat_folders:
        file_names = read_file_names({folder: tree.photo_names(folder) for folder in flat_folders}, flat_folders)
        return Layout(prefix, {}, flat_folders, file_names, (*notices, *(file_names.notices if file_names else ())))
    classes = read_splits(tree, prefix, split_folders, where) if split_folders else _read_unsplit(tree, prefix, where)
    notices += [*classes.notices, *_describe_left_out(tree, classes)]
    notices += describe_documents(tree, prefix, [name for name, _ in classes.folders.values()], bool(split_folders))
    masks = {file for folder in classes.folders for file in find_masks(tree, folder)}
    if masks:
        notices.append(
            "Photos left out because their names mark them as masks of the photos next to them: "
            f"{pluralize(len(masks))}, such as {printable('/'.join(min(masks)))}."
        )
    left_out = frozenset(classes.left_out)
    return Layout(prefix, classes.folders, notices=tuple(notices), left_out=left_out, masks=frozenset(masks))


def _describe_neighbors(tree: FolderTree, prefix: Parts) -> list[str]:
    """A notice for each folder in the prefix that is next to other folders, which are left out."""
    lines = []
    for depth, name in enumerate(prefix):
        others = [other for other in tree.photo_folders(prefix[:depth]) if other != name]
        if others:
            counts = join_names(others, [tree.num_photos((*prefix[:depth], other)) for other in others])
            lines.append(f"Folders left out because they are next to {shown_name(name)}, not in it: {counts}.")
    return lines


def _describe_left_out(tree: FolderTree, classes: Classes) -> list[str]:
    """A notice about the left-out subfolders of class folders."""
    counts: Counter[str] = Counter()
    for folder in classes.left_out:
        counts[folder[-1]] += tree.num_photos(folder)
    names = sorted(counts)
    text = join_names(names, [counts[name] for name in names])
    return [f"Subfolders left out because their names suggest masks or annotations: {text}."] if names else []


def _step_in(tree: FolderTree, data: str, *, unwrap: bool) -> Parts:
    """The prefix: the outer folders that contain everything else."""
    prefix: Parts = ()
    while (name := _wrapper(tree, prefix, data, unwrap=unwrap)) is not None:
        prefix = (*prefix, name)
    return prefix


def _wrapper(tree: FolderTree, prefix: Parts, data: str, *, unwrap: bool) -> str | None:
    names = tree.photo_folders(prefix)
    containers = [name for name in names if is_container(name) and not is_split(name)]
    labeled = [name for name in names if not is_unlabeled(name)]
    if len(labeled) == 1 < len(names) and not is_split(labeled[0]) and _holds_folders_only(tree, (*prefix, *labeled)):
        return labeled[0]
    if len(names) > 1 and len(containers) == 1 and all(map(is_annotation, set(names) - set(containers))):
        return containers[0]
    if len(names) != 1 or tree.empty_folders(prefix) or is_split(names[0]):
        return None
    name, inner = names[0], (*prefix, names[0])
    if not tree.photo_folders(inner):
        return name if is_container(name) and not tree.empty_folders(inner) else None
    around = prefix[-1] if prefix else data.rsplit("/", 1)[-1]
    is_wrapper = unwrap or is_container(name) or name.casefold() == around.casefold()
    return name if is_wrapper or leads_to_splits(tree, inner) else None


def _flat_folders(tree: FolderTree, prefix: Parts) -> dict[Parts, SplitName | None]:
    """The folders with photos if there are no class folders: a single folder, parts of a collection, or splits."""
    names = tree.photo_folders(prefix)
    if tree.empty_folders(prefix):
        return {}
    if not names:
        return {prefix: None} if tree.photo_names(prefix) else {}
    candidates = split_candidates(names)
    parents = {name: split_parent(tree, (*prefix, name)) for name in names}
    if len(names) == 1 or are_numbered_parts(names):
        flat_names = names
    else:
        flat_names = list(candidates)
        others = [name for name in names if not (split_of(name) or is_annotation(name) or is_unlabeled(name))]
        if not flat_names or len(others) > 1 or (others and len(set(candidates.values())) == 1):
            return {}
    if any(tree.photo_folders(parents[name]) for name in flat_names):
        return {}
    return {parents[name]: candidates.get(name) for name in flat_names}


def _read_unsplit(tree: FolderTree, prefix: Parts, where: str) -> Classes:
    """The classes of data that are not split."""
    names = [*tree.photo_folders(prefix), *tree.empty_folders(prefix)]
    left_out = [
        name
        for name in names
        if is_unlabeled(name) or (is_reserved(name) and not (is_train(name) and tree.num_photos((*prefix, name))))
    ]
    if len(names) - len(left_out) < 2:
        left_out = [name for name in left_out if not tree.num_photos((*prefix, name))]
    class_names = [name for name in names if name not in left_out]
    _require_one_data_set(tree, prefix, class_names, where)
    classes = read_classes(tree, prefix, class_names, None, where)
    announced = [name for name in class_names if is_reserved(name) and (*prefix, name) in classes.folders]
    for name in announced:
        others = [other for other in class_names if other != name]
        classes.notices.append(
            f"The folder {shown_name(name)} is read as a class, like {join_names(others)}. If it is not "
            "a class, move it out of the data."
        )
    _report_rest(tree, prefix, left_out, classes)
    return classes


def _require_one_data_set(tree: FolderTree, prefix: Parts, names: list[str], where: str) -> None:
    """Raises an error if folders are separate data sets, or are not classes."""
    split_sets = [name for name in names if leads_to_splits(tree, (*prefix, name))]
    containers = [
        name
        for name in names
        if is_container(name)
        and _holds_folders_only(tree, (*prefix, name))
        and not repeats_siblings(tree, prefix, name, names)
    ]
    inner = split_sets or (containers if len(containers) == 1 else [])
    folders = [(*prefix, name) for name in names]
    are_nested = all(tree.photo_folders(folder) and not tree.photo_names(folder) for folder in folders)
    are_containers = are_nested and all(map(mentions_container, names))
    if len(names) > 1 and (
        all(map(is_plain_container, names))
        or (are_containers and not (are_numbered_parts(names) or are_variants(names)))
    ):
        raise DataError(
            f"The folders of the data must be classes; {where} contains {join_names(names)}, whose names are common "
            "for folders that contain class folders. If they are classes, rename them; otherwise pass one of "
            f"them: {data_option(f'{where}/{names[0]}')}"
        )
    if inner and len(names) > 1:
        raise DataError(
            f"The data must be one data set; {where} contains {join_names(names)}, and "
            f"{shown_name(inner[0])} itself contains class folders. Pass one of them: "
            f"{data_option(f'{where}/{inner[0]}')}"
        )


def _holds_folders_only(tree: FolderTree, folder: Parts) -> bool:
    return len(tree.photo_folders(folder)) > 1 and not tree.photo_names(folder)


def _report_rest(tree: FolderTree, prefix: Parts, left_out: list[str], classes: Classes) -> None:
    """Adds notices about folders that are left out, and about photos next to the class folders."""
    filled = [name for name in left_out if tree.num_photos((*prefix, name))]
    if filled:
        counts = join_names(filled, [tree.num_photos((*prefix, name)) for name in filled])
        classes.notices.append(
            f"Folders left out because their names are unlikely to be class names: {counts}. If they are classes, "
            "rename the folders."
        )
    if classes.folders and (num_photos := len(tree.photo_names(prefix))):
        photos = f"{pluralize(num_photos)} next to the class folders"
        classes.notices.append(f"Photos left out because they are not in a class folder: {photos}.")


def flat_error(layout: Layout, tree: FolderTree, where: str) -> DataError:
    """The error for photos without class folders and without classes in their file names."""
    folders = sorted(layout.flat_folders, key=lambda folder: (layout.flat_folders[folder] != "train", folder))
    names = ["/".join(folder[len(layout.prefix) :]) for folder in folders]
    where = "/".join((where, *layout.prefix))
    counts = [tree.num_photos(folder) for folder in folders]
    is_around = names == [""]
    return DataError(
        f"The photos must be in one folder per class; {where} has no class folders: "
        f"{f'{pluralize(counts[0])} without a folder' if is_around else join_names(names, counts)}, such as "
        f"{printable(tree.photo_names(folders[0])[0])}. Create a folder for each class in "
        f"{where if is_around else f'{where}/{names[0]}'} and move its photos there, or pass a table of paths and "
        "labels (--data labels.csv)."
    )
