"""Notices about documents next to the class folders; they may describe classes or splits, but are not read."""

from collections.abc import Sequence

from components.preprocess.sources.folders.classes import join_names
from components.preprocess.sources.folders.names import may_list_split, may_name_classes
from components.preprocess.sources.folders.tree import FolderTree, Parts


def describe_documents(tree: FolderTree, prefix: Parts, class_names: Sequence[str], has_splits: bool) -> list[str]:
    """Notices about documents that may contain the names of numbered classes or list the photos of a split.

    Args:
        tree: the folders of the data.
        prefix: the outer folders that contain the class folders.
        class_names: the names of the class folders.
        has_splits: whether there are folders for splits.
    """
    lines = []
    if all(map(str.isdecimal, class_names)):
        names = {name for folder in ((), prefix) for name in tree.document_names(folder) if may_name_classes(name)}
        if names:
            lines.append(
                f"The classes are numbers; Darkroom does not read {join_names(sorted(names))}. If the class names are "
                "listed there, rename the folders accordingly."
            )
    around = {prefix[:depth] for depth in range(len(prefix) + 1)}
    folders = around | {(*folder, name) for folder in around for name in tree.children(folder)}
    lists = {name for folder in folders for name in tree.document_names(folder) if may_list_split(name)}
    if lists and not has_splits:
        verb = "is" if len(lists) == 1 else "are"
        lines.append(
            f"Darkroom splits the photos itself; {join_names(sorted(lists))} {verb} not read. To use the split in "
            f"{'it' if len(lists) == 1 else 'them'}, move the photos into folders train and test, or write a label "
            "file "
            "with a column split."
        )
    return lines
