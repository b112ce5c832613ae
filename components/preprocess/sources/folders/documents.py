"""Documents beside the class folders that are not read, although their names promise something about the classes."""

from collections.abc import Sequence

from components.preprocess.sources.folders.classes import join_names
from components.preprocess.sources.folders.names import may_list_split, may_name_classes
from components.preprocess.sources.folders.tree import FolderTree, Parts


def describe_documents(tree: FolderTree, prefix: Parts, class_names: Sequence[str], has_splits: bool) -> list[str]:
    """A line about names of numbered classes, and one about lists of the photos of a split.

    Args:
        tree: the folders of the data.
        prefix: the folders around the class folders.
        class_names: as the folders say.
        has_splits: whether the folders divide the photos.
    """
    lines = []
    if all(map(str.isdecimal, class_names)):
        names = {name for folder in ((), prefix) for name in tree.document_names(folder) if may_name_classes(name)}
        if names:
            lines.append(
                f"The classes are numbers; {join_names(sorted(names))} is not read. If it lists the class names, "
                "rename the folders accordingly."
            )
    around = {prefix[:depth] for depth in range(len(prefix) + 1)}
    folders = around | {(*folder, name) for folder in around for name in tree.children(folder)}
    lists = {name for folder in folders for name in tree.document_names(folder) if may_list_split(name)}
    if lists and not has_splits:
        verb = "is" if len(lists) == 1 else "are"
        lines.append(
            f"Darkroom divides the photos itself; {join_names(sorted(lists))} {verb} not read. To keep that split, "
            "move the photos into folders train and test, or write a table with a column split."
        )
    return lines
