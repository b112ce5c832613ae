"""Adds newly labeled photos to the class folders or the label table of a data set, which creates a new version."""

import hashlib
import json
import posixpath
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.errors import DataError
from components.contract.text import csv_cell, pluralize
from components.contract.validation_messages import nearest
from pipelines.data.relabel import find_table_path, pick_name, replace_table
from pipelines.data.repository import find_repository
from pipelines.data.snapshot import LabelTable, find_label_table, read_local_contents
from pipelines.data.versions import Moves, Version, change_photos, find_data

if TYPE_CHECKING:
    from components.preprocess.sources.folders.layout import Layout


@dataclass(frozen=True)
class LabeledPhoto:
    """A photo to add to the data.

    Attributes:
        path: the path of its copy in the scratch folder of the change.
        name: its original file name.
        label: its class.
    """

    path: Path
    name: str
    label: str


def add_labeled_photos(name: str | None, label_file: Path) -> Version:
    """Adds the photos of a label file to a data set of this repository; see `label`."""
    root = find_repository()
    return label(root, find_data(root, name), label_file)


def label(root: Path, path: str, label_file: Path) -> Version:
    """Adds labeled photos to a data set, and commits the result as a new version.

    If the data has class folders, a photo is copied to the folder of its class (in train, if there are splits); if the
    data has a table, the photo gets a row. Photos whose bytes are already in the data are left out.

    Args:
        root: the root of the repository.
        path: the path of the data, relative to the root.
        label_file: a label file in any format that Darkroom reads; it must be in the folder that contains its photos.

    Raises:
        DataError: the file contains no new photo, an unknown class, or two labels for a photo; or the data cannot be
            changed.
    """
    label_file = label_file.expanduser().resolve()
    if not label_file.is_file():
        raise DataError(
            f"There is no label file at {label_file}. Export the labels, such as Label Studio's JSON, to this path."
        )
    request = json.dumps(["label", path, hashlib.sha256(label_file.read_bytes()).hexdigest()])

    def prepare(folder: Path, scratch: Path) -> tuple[Moves, str]:
        photos = _copy_photos(label_file, scratch, set(read_local_contents(folder).hashes.values()))
        return _prepare_moves(
            folder, photos, scratch
        ), f"Add {pluralize(len(photos), 'labeled photo')} to {folder.name}"

    return change_photos(root, path, request, prepare)


def _copy_photos(label_file: Path, scratch: Path, known_hashes: set[str]) -> list[LabeledPhoto]:
    """Copies the photos that are not in the data yet; of identical photos, only the first is copied."""
    from components.preprocess.sources.data_folder import DataFolder
    from components.preprocess.sources.readers.label_files import find_photos

    source = DataFolder(label_file.parent, label_file=label_file, confined=True, roots=(label_file.parent,))
    photo_set = find_photos(source, min_classes=1)
    missing = [record for record in photo_set.rejected if record.class_name is not None]
    if missing:
        raise DataError(
            f"The label file must be in the folder of its photos; of the photos that {label_file} names, "
            f"{len(missing)} cannot be read there, such as {missing[0].path!r}: {missing[0].message}"
        )
    labels: dict[str, str] = {}
    photos = []
    for number, photo in enumerate(photo_set.files):
        class_name, copy = str(photo.record.class_name), scratch / f"{number:06d}"
        with photo.open() as file:
            content = file.read()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if labels.setdefault(digest, class_name) != class_name:
            raise DataError(
                f"Each photo must have one label; {label_file} has {labels[digest]} and {class_name} for "
                f"{photo.record.path}."
            )
        if digest in known_hashes:
            continue
        known_hashes.add(digest)
        copy.write_bytes(content)
        photos.append(LabeledPhoto(copy, posixpath.basename(photo.record.path), class_name))
    if not photos:
        raise DataError(f"There is nothing to add: the data already contains all photos in {label_file}.")
    return photos


def _prepare_moves(folder: Path, photos: Sequence[LabeledPhoto], scratch: Path) -> Moves:
    from components.preprocess.sources.folders.layout import find_layout
    from components.preprocess.sources.folders.tree import FolderTree
    from components.preprocess.sources.listing import list_folder

    listing = list_folder(folder)
    names = ["/".join(file.parts) for file in listing.files]
    table = find_label_table(names, lambda name: (folder / name).read_bytes())
    taken_names: dict[Path, set[str]] = {}

    def place(photo: LabeledPhoto, target_dir: Path) -> Path:
        if target_dir not in taken_names:
            taken_names[target_dir] = {path.name.casefold() for path in target_dir.glob("*")}
        return target_dir / pick_name(Path(photo.name), taken_names[target_dir])

    if table is None:
        tree = FolderTree((file.parts for file in listing.files), listing.folders)
        layout = find_layout(tree, data=str(folder))
        class_names = dict.fromkeys(photo.label for photo in photos)
        class_dirs = {name: folder / _find_class_folder(layout, name, folder) for name in class_names}
        return [(photo.path, place(photo, class_dirs[photo.label])) for photo in photos]
    table_path = find_table_path(folder, table)
    photo_dirs = Counter(posixpath.dirname(name) for name in table.labels)
    target_dir = folder / photo_dirs.most_common(1)[0][0]
    targets = [place(photo, target_dir) for photo in photos]
    rows = [(target.relative_to(folder).as_posix(), photo.label) for target, photo in zip(targets, photos, strict=True)]
    photo_moves = list(zip((photo.path for photo in photos), targets, strict=True))
    return [*photo_moves, *replace_table(table_path, add_rows(table_path, table, rows), scratch)]


def _find_class_folder(layout: "Layout", class_name: str, folder: Path) -> Path:
    if class_name not in layout.class_names:
        raise _unknown_class(class_name, layout.class_names, folder.name)
    places = {place: parts for parts, place in sorted(layout.class_folders.items(), reverse=True)}
    parts = places.get((class_name, "train" if layout.splits else None))
    if parts is None:
        raise DataError(
            f"Labeled photos can be added to class folders (of train, if there are splits) and tables; {folder.name} "
            f"has no such folder for {class_name}. Create it."
        )
    return Path(*parts)


def _unknown_class(class_name: str, class_names: Sequence[str], data: str) -> DataError:
    return DataError(
        f"A label must be one of the {len(class_names)} classes of {data}; it is {class_name!r}"
        f"{nearest(class_name, class_names)}. For a new class, add its first photos yourself."
    )


def add_rows(path: Path, table: LabelTable, photos: Sequence[tuple[str, str]]) -> Callable[[Path], None]:
    """Returns a function that writes the table with a row for each new photo; if there are splits, the row is in train.

    Args:
        path: the path of the table.
        table: the file name of the table, and the labels of its photos.
        photos: (path relative to the data, class) of each new photo.

    Raises:
        DataError: the table has no header with columns for paths and labels, or a class is unknown.
    """
    import pandas as pd

    from components.contract.params.data import ColumnNames
    from components.preprocess.sources.readers.columns import find_columns, find_label_columns
    from components.preprocess.sources.readers.table import read_frame, read_table, write_frame

    rows = read_table(path, ColumnNames()).rows
    frame, text_format = read_frame(path)
    names = [str(name) for name in frame.columns]
    places = find_columns(names, ColumnNames(), f"The table {path.name}")
    if not {"path", "label"} <= places.keys() or len(rows) != len(frame):
        raise DataError(
            f"A table to change must have a header and columns with paths and labels; {path.name} does not. "
            "Create such a table: darkroom data export --format csv"
        )
    has_splits = any(row.split for row in rows)
    examples = {row.label: number for number, row in enumerate(rows) if not has_splits or row.split == "train"}
    class_names = sorted(label for label in examples if label is not None)
    copied_columns = {*find_label_columns(names), *([places["split"]] if has_splits else [])}
    folder = posixpath.dirname(table.names[0])
    is_text = text_format is not None
    new_rows = []
    for name, class_name in photos:
        if class_name not in examples:
            raise _unknown_class(class_name, class_names, path.name)
        example = frame.iloc[examples[class_name]]
        empty = "" if is_text else None
        cells = [example.iloc[place] if place in copied_columns else empty for place in range(len(names))]
        path_text = posixpath.relpath(name, folder or ".")
        cells[places["path"]] = csv_cell(path_text) if is_text else path_text
        new_rows.append(cells)
    addition = pd.DataFrame(new_rows, columns=frame.columns)
    kinds = {frame.columns[place]: frame.dtypes.iloc[place] for place in copied_columns}
    extended = pd.concat([frame, addition.astype(kinds)], ignore_index=True)
    return lambda target: write_frame(extended, target, text_format)
