"""Reads the class and the split of photos from their folders, as interpreted by `folders.layout`.

If there are no class folders, the classes may be in the file names.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from components.contract.errors import DataError
from components.contract.foreign import archive
from components.contract.text import pluralize, printable
from components.preprocess.manifest import Record
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.folders.classes import data_option, join_names
from components.preprocess.sources.folders.layout import Layout, find_layout, flat_error
from components.preprocess.sources.folders.names import is_container
from components.preprocess.sources.folders.tree import FolderTree, Parts
from components.preprocess.sources.listing import Listing
from components.preprocess.sources.photo_set import PhotoFile, PhotoSet


def find_photos(data_folder: DataFolder, split_places: Mapping[str, Parts] | None = None) -> PhotoSet:
    """Finds all files of a folder, with their class and split according to their folders.

    Args:
        data_folder: the data.
        split_places: for each photo whose class is in a label file, the path that it would have in a class folder.

    Raises:
        DataError: the data cannot be read, or is not a folder of class folders.
    """
    try:
        listing = data_folder.listing
    except OSError as error:
        raise DataError(f"The data in {data_folder.path} cannot be read: {error.strerror}.") from None
    try:
        places = split_places or {}
        layout = _find_layout(listing, places, data_folder.name or str(data_folder.path), unwrap=data_folder.unwrap)
    except DataError as error:
        if data_folder.name is None:
            raise
        raise DataError(f"{error} (Unpack the archive first.)") from None
    return _place_files(data_folder, listing, layout, places)


def _find_layout(listing: Listing, places: Mapping[str, Parts], data: str, *, unwrap: bool) -> Layout:
    files = {file.parts: places.get("/".join(file.parts), file.parts) for file in listing.files}
    left_folders = {parts[:-1] for parts, place in files.items() if place != parts}
    tree = FolderTree(files.values(), set(listing.folders) - left_folders)
    layout = find_layout(tree, data=data, unwrap=unwrap)
    where = "/".join((data, *layout.prefix))
    lone_folders = [
        folder
        for folder, split in layout.flat_folders.items()
        if split is None and len(folder) > len(layout.prefix) and not is_container(folder[-1])
    ]
    if not layout.class_names and len(lone_folders) != 1 and layout.flat_folders:
        raise flat_error(layout, tree, data)
    class_names = layout.class_names or tuple(folder[-1] for folder in lone_folders)
    if not class_names:
        content = f"has {pluralize(len(listing.files), 'file')} and no such folder" if listing.files else "is empty"
        archives = [name for name in tree.document_names(layout.prefix) if archive.is_archive(Path(name))]
        advice = f" Unpack {join_names(archives)} first, or pass one of them." if archives else ""
        raise DataError(
            f"The data must be folders of photos, one per class; {where} {content}. Move the photos "
            f"of each class into a folder named after it, or pass a table of paths and labels.{advice}"
        )
    if len(class_names) == 1:
        folders = ["/".join(folder) for folder in (*layout.class_folders, *lone_folders)]
        lone_folder = tree.innermost(tuple(posixpath.commonpath(folders).split("/")))
        raise DataError(
            f"There must be at least two classes; {where} has only one class folder, "
            f"'{printable(class_names[0])}'. If the classes are inside it, pass that folder: "
            f"{data_option('/'.join((data, *lone_folder)))}"
        )
    return layout


def _place_files(data_folder: DataFolder, listing: Listing, layout: Layout, places: Mapping[str, Parts]) -> PhotoSet:
    files, rejected = [], [*listing.rejected, *data_folder.skipped_records()]
    for file in listing.files:
        name = "/".join(file.parts)
        class_name, split = layout.place(places.get(name, file.parts)) or (None, None)
        record = Record(name, class_name, split, num_bytes=file.num_bytes)
        if class_name is not None:
            files.append(PhotoFile(file.path, record, data_folder.roots))
        elif file.parts in layout.masks:
            message = "Its name marks it as a mask of the photo next to it."
            rejected.append(replace(record, reason="mask", message=message))
        else:
            message = "It is not in a class folder, so it has no label."
            rejected.append(replace(record, reason="outside_class_folder", message=message))
    links = [record.path for record in listing.rejected if record.reason == "folder_seen"]
    notices = [*data_folder.archive_notices(), *layout.notices]
    if links:
        notices.append(f"Links left out because they lead to folders that have already been read: {join_names(links)}.")
    return PhotoSet(tuple(files), tuple(rejected), layout.class_names, layout.splits, tuple(notices))
