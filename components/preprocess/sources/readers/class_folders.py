"""Folders say which photo is of which class, and in which split: by their names, which `layout` reads."""

from dataclasses import replace
from pathlib import Path

from components.contract.errors import DataError
from components.contract.text import printable
from components.preprocess.manifest import Record
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.listing import Listing
from components.preprocess.sources.photo_set import PhotoFile, PhotoSet
from components.preprocess.sources.readers.layout import Layout, find_layout


def reads(data_folder: DataFolder) -> bool:
    """Whether the folders' names say which photo is of which class: where no label file does."""
    return data_folder.label_file is None


def find_photos(data_folder: DataFolder) -> PhotoSet:
    """All files of the folder, with the class and the split that their folders give them.

    Raises:
        DataError: the data cannot be read, or are no class folders.
    """
    try:
        listing = data_folder.listing
    except OSError as error:
        raise DataError(f"The data must be readable; {data_folder.path} is not: {error.strerror}.") from None
    layout = find_layout(listing.folders, unwrap=data_folder.unwrap)
    _require_classes(layout, listing, data_folder.path)
    files, rejected = [], [*listing.rejected, *data_folder.skipped_records()]
    for file in listing.files:
        class_name, split = layout.place(file.parts) or (None, None)
        record = Record("/".join(file.parts), class_name, split, num_bytes=file.num_bytes)
        if class_name is not None:
            files.append(PhotoFile(file.path, record, data_folder.roots))
        else:
            message = "It lies in no class folder, so it has no label."
            rejected.append(replace(record, reason="outside_class_folder", message=message))
    return PhotoSet(tuple(files), tuple(rejected), layout.class_names, frozenset(layout.splits.values()))


def _require_classes(layout: Layout, listing: Listing, data_dir: Path) -> None:
    where = "/".join([str(data_dir), *layout.prefix])
    if not layout.class_names:
        content = f"{len(listing.files):,} files and no such folder" if listing.files else "nothing in it"
        raise DataError(
            f"The data must be folders of photos, one per class; {where} has {content}. "
            "Put the photos of each class into a folder named for it, or give a table of paths and "
            "labels."
        )
    if len(layout.class_names) == 1:
        name = layout.class_names[0]
        raise DataError(
            f"There must be at least two classes; {where} has one class folder only, "
            f"'{printable(name)}'. If the classes stand inside it, give that folder."
        )
