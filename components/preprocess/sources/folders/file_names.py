"""Reads classes from file names such as `cat.0.jpg`, if there are no class folders."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components.contract.artifacts.dataset import SplitName
from components.contract.text import printable
from components.preprocess.sources.folders.classes import join_names, shown_name
from components.preprocess.sources.folders.names import class_name, may_be_photo
from components.preprocess.sources.folders.tree import FolderTree, Parts

MIN_PHOTOS: Final = 2
"""The minimum number of photos of each class; a label that occurs only once is probably the name of a photo."""
CAMERA_WORDS: Final = frozenset(
    (
        *("img", "image", "images", "dsc", "dscn", "dscf", "pxl", "mvimg", "photo", "picture", "pic"),
        *("frame", "scan", "screenshot", "file", "page", "video", "sample", "gopr", "whatsapp", "at"),
        *("train", "test", "val", "valid", "validation", "im", "p"),
    )
)
"""Words that cameras and programs use in file names; they are not classes."""
_MASK: Final = re.compile(r"(.+?)[ _-](?:mask|segmentation|seg|annotation|groundtruth|gt)(?:[ _-]?\d+)?", re.IGNORECASE)
_NUMBERED: Final = re.compile(r"(.*?[^\W\d_].*?)[ ._(-]*\d+\)?", re.DOTALL)


@dataclass(frozen=True)
class FileNames:
    """The classes in file names.

    Attributes:
        folders: the folders whose file names contain the class, with their splits.
        labels: the classes.
        notices: messages for the user, one sentence each.
    """

    folders: Mapping[Parts, SplitName | None]
    labels: frozenset[str]
    notices: tuple[str, ...]

    @property
    def splits(self) -> frozenset[SplitName]:
        """The splits whose photos have labels."""
        return frozenset(split for split in self.folders.values() if split is not None)

    def place(self, parts: Parts) -> tuple[str, SplitName | None] | None:
        """The class and the split of a file; None if its name does not contain a class."""
        label = label_of(parts[-1]) if parts[:-1] in self.folders and may_be_photo(parts[-1]) else None
        return (label, self.folders[parts[:-1]]) if label in self.labels else None


def stem_of(file_name: str) -> str:
    """The name of a file without its suffix."""
    return file_name.rpartition(".")[0] or file_name


def find_masks(tree: FolderTree, folder: Parts) -> Iterator[Parts]:
    """Yields files below a folder whose names mark them as masks of photos next to them: `1_mask.png` and `1.png`."""
    names = tree.photo_names(folder)
    stems = set(map(stem_of, names))
    for name in names:
        if (match := _MASK.fullmatch(stem_of(name))) and match[1] in stems:
            yield (*folder, name)
    for child in tree.children(folder):
        yield from find_masks(tree, (*folder, child))


def label_of(file_name: str) -> str | None:
    """The name without its number and suffix: `american_bulldog` for `american_bulldog_100.jpg`."""
    match = _NUMBERED.fullmatch(stem_of(file_name))
    return class_name(match[1]) if match else None


def read_file_names(
    photo_names: Mapping[Parts, Sequence[str]], folders: Mapping[Parts, SplitName | None]
) -> FileNames | None:
    """Reads the classes from file names; None if a training photo's name has no class, or if there is only one class.

    Args:
        photo_names: the file names in each folder.
        folders: the split of each folder; folders without a split also contain training photos.
    """
    training_folders = [folder for folder in folders if folders[folder] in (None, "train")]
    counts = Counter(label_of(name) for folder in training_folders for name in photo_names[folder])
    labels = [label for label in counts if label is not None]
    if len(labels) < 2 or None in counts or min(counts.values()) < MIN_PHOTOS or any(map(_is_generic, labels)):
        return None
    labeled_folders = {
        folder: split
        for folder, split in folders.items()
        if folder in training_folders or {label_of(name) for name in photo_names[folder]} <= set(labels)
    }
    first_folder = training_folders[0]
    example = photo_names[first_folder][0]
    notices = [
        f"The classes are read from the file names, such as {shown_name(str(label_of(example)))} from "
        f"{printable('/'.join((*first_folder, example)))}."
    ]
    left_out = sorted("/".join(folder) for folder in folders if folder not in labeled_folders)
    if left_out:
        sizes = [len(photo_names[folder]) for folder in sorted(folders) if folder not in labeled_folders]
        notices.append(f"Folders left out because their file names contain no class: {join_names(left_out, sizes)}.")
    return FileNames(labeled_folders, frozenset(labels), tuple(notices))


def _is_generic(label: str) -> bool:
    return set(re.findall(r"[^\W\d_]+", label.casefold())) <= CAMERA_WORDS
