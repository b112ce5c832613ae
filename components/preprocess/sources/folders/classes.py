"""Class folders, and functions that describe them in messages."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from components.contract.artifacts.dataset import SplitName
from components.contract.text import join_names as join_texts
from components.contract.text import pluralize, printable
from components.preprocess.sources.folders.names import class_name, is_annotation, is_container
from components.preprocess.sources.folders.tree import FolderTree, Parts

SHOWN_NAMES = 8


@dataclass
class Classes:
    """The class folders.

    Attributes:
        folders: the class and the split of each folder.
        notices: messages for the user about these folders.
        left_out: subfolders of class folders whose pictures are not photos of the class, such as masks.
    """

    folders: dict[Parts, tuple[str, SplitName | None]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    left_out: set[Parts] = field(default_factory=set)


def add_class(tree: FolderTree, folder: Parts, split: SplitName | None, classes: Classes) -> None:
    """Adds a class folder; its subfolders with masks or annotations are left out."""
    classes.folders[folder] = class_name(folder[-1]), split
    classes.left_out |= {(*folder, name) for name in set(tree.photo_folders(folder)) - set(class_content(tree, folder))}


def class_content(tree: FolderTree, folder: Parts) -> list[str]:
    """The subfolders of a class folder; omits folders of masks or annotations if photos are next to them."""
    names = tree.photo_folders(folder)
    content = [name for name in names if not is_annotation(name)]
    return content if tree.photo_names(folder) or any(map(is_container, content)) else names


def join_names(names: Sequence[str], counts: Sequence[int] | None = None) -> str:
    """Joins names as in a sentence: `a, b and c`, or `a (10 photos) and b (1 photo)`."""
    texts = list(map(shown_name, names))
    if counts is not None:
        texts = [f"{text} ({pluralize(count)})" for text, count in zip(texts, counts, strict=False)]
    return join_texts(texts, SHOWN_NAMES)


def shown_name(name: str) -> str:
    """Formats a name for a sentence, in quotes if it begins or ends with a space."""
    return printable(name) if name == name.strip() else repr(printable(name))


def data_option(path: str) -> str:
    """The command-line option that selects this path as the data, quoted for a shell."""
    return f"--data {shlex.quote(printable(path))}"


def repeats_siblings(tree: FolderTree, parent: Parts, name: str, names: Sequence[str]) -> bool:
    """Whether a folder next to class folders contains no photos directly, but has subfolders for the same classes."""
    inner = set(tree.photo_folders((*parent, name)))
    repeated = inner & (set(names) - {name})
    return not tree.photo_names((*parent, name)) and bool(repeated) and (len(repeated) > 1 or repeated == inner)
