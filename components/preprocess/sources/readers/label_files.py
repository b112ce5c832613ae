"""Reads label files, which contain the class of each photo, in the formats that FORMATS lists."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.foreign.confinement import UnsafeNameError, checked_name
from components.contract.params.data import ColumnNames
from components.contract.text import pluralize, printable
from components.preprocess.manifest import Record
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.file_index import FileIndex, Match, split_name
from components.preprocess.sources.listing import as_text
from components.preprocess.sources.photo_set import PhotoFile, PhotoSet
from components.preprocess.sources.readers import coco, json_lines, label_studio, table
from components.preprocess.sources.readers.label_rows import LabelRow, Labels, NoLabelsError


def _always(_: Path) -> bool:
    return True


@dataclass(frozen=True)
class LabelFormat:
    """A format of label files.

    Attributes:
        suffixes: the suffixes of the file names, in lowercase.
        read: reads a file; raises a DataError if it does not have this format.
        recognizes: distinguishes this format from others with the same suffix by the beginning of the file.
    """

    suffixes: tuple[str, ...]
    read: Callable[[Path, ColumnNames], Labels]
    recognizes: Callable[[Path], bool] = _always


FORMATS: Final = (
    LabelFormat(table.SUFFIXES, table.read_table),
    LabelFormat(table.LIST_SUFFIXES, table.read_table, table.recognizes_list),
    LabelFormat(json_lines.SUFFIXES, json_lines.read_json_lines),
    LabelFormat(label_studio.SUFFIXES, label_studio.read_tasks, label_studio.recognizes),
    LabelFormat(coco.SUFFIXES, coco.read_images),
)
SUFFIXES: Final = tuple(dict.fromkeys(suffix for label_format in FORMATS for suffix in label_format.suffixes))


def is_label_file(path: Path) -> bool:
    """Whether the file has the suffix of a label file."""
    return path.name.lower().endswith(SUFFIXES)


def has_labels(path: Path) -> bool:
    """Whether the file has a known format, judging by its name and its beginning."""
    return _find_format(path) is not None


def _find_format(path: Path) -> LabelFormat | None:
    name = path.name.lower()
    return next((each for each in FORMATS if name.endswith(each.suffixes) and each.recognizes(path)), None)


def read_labels(path: Path, columns: ColumnNames | None = None) -> Labels:
    """Reads the rows of a label file, in the format that its name and its beginning indicate.

    Raises:
        DataError: the file does not have this format.
    """
    label_format = _find_format(path)
    if label_format is None:
        raise NoLabelsError(
            f"The label file {path} must have a header, or a photo's name and its label in each line; its first line "
            "has neither."
        )
    return label_format.read(path, columns or ColumnNames())


def find_photos(data_folder: DataFolder, *, min_classes: int = 2) -> PhotoSet:
    """Finds the photos to which a label file refers, one per row; repeated rows count once.

    Raises:
        DataError: the label file cannot be read, has too few classes, or refers to no existing photo.
    """
    label_file = data_folder.label_file
    assert label_file is not None, "the data must have a label file"
    labels = read_labels(label_file, data_folder.columns)
    rows = list(dict.fromkeys(labels.rows))
    require_classes({row.label for row in rows if row.path}, label_file, min_classes)
    photos = _find_photos(rows, data_folder)
    files = [photo for photo in photos if isinstance(photo, PhotoFile)]
    rejected = [*data_folder.skipped_records(), *(photo for photo in photos if isinstance(photo, Record))]
    if not files:
        example = next((row.path for row in rows if row.path), "none")
        raise DataError(
            f"The label file must refer to existing photos; {label_file} refers to {pluralize(len(rows))}, such as "
            f"{example!r}, and none exists. Names are relative to the folder of the label file, "
            f"{label_file.parent}: move the photos there, or set the column with their names: --set "
            "data.columns.path=NAME"
        )
    files.sort(key=lambda file: file.record.path)
    class_names = sorted({str(file.record.class_name) for file in files})
    splits = frozenset(file.record.split for file in files if file.record.split is not None)
    return PhotoSet(tuple(files), tuple(rejected), tuple(class_names), splits, labels.notices)


def require_classes(labels: Iterable[str | None], label_file: Path | str, min_classes: int = 2) -> None:
    """Checks that there are at least `min_classes` classes.

    Raises:
        DataError: there are fewer.
    """
    names = sorted({label for label in labels if label is not None})
    if len(names) < min_classes:
        least = "at least two classes" if min_classes == 2 else "a label"
        classes = f"only one, '{printable(names[0])}'" if names else "none"
        raise DataError(f"There must be {least}; the label file {label_file} contains {classes}.")


def list_referenced_files(path: Path, columns: ColumnNames | None = None) -> list[str]:
    """The names of the files to which a label file refers, relative to its folder; unsafe names are left out."""
    names = set()
    for row in read_labels(path, columns).rows:
        if row.path is not None and row.label is not None:
            name = "/".join(split_name(row.path)[0])
            if _find_danger(row.path) is None or _find_danger(name) is None:
                names.add(name)
    return sorted(names)


Fault = tuple[str, str]
"""Why there is no photo for a row: the reason in one word, and a message."""


def find_fault(row: LabelRow) -> Fault | None:
    """The fault in the row itself, such as a missing label; None if the row has no fault."""
    if row.path is None:
        return "no_path", "The row of the label file has no file name."
    if row.label is None:
        return "no_label", "The row of the label file has no label."
    if "\0" in row.path:
        return "unreadable", "The file name contains a zero byte."
    return None


def find_hindrance(row: LabelRow, match: Match, *, confined: bool) -> Fault:
    """Why no file is found for a row: none exists, several match, or the name leads out of the data."""
    if names := ", ".join(map(printable, match.candidates)):
        return "ambiguous_path", f"The name in the label file must match only one file; it matches {names}."
    danger = _find_danger(str(row.path)) if confined else None
    if danger is not None:
        message = (
            "A label file that is part of the data or is downloaded may only refer to files in the data; this name "
            f"{danger}."
        )
        return "outside_data", message
    return "unreadable", "The label file refers to this file, which does not exist."


def _find_photos(rows: list[LabelRow], data_folder: DataFolder) -> list[PhotoFile | Record]:
    """The photo of each row, or a record with the reason why there is none."""
    folder, roots = data_folder.path, data_folder.roots
    records = [Record(as_text(row.path or ""), row.label, row.split, group=row.group) for row in rows]
    photos: list[PhotoFile | Record | None] = []
    for row, record in zip(rows, records, strict=True):
        path, fault = folder / str(row.path), find_fault(row)
        if fault is not None:
            photos.append(replace(record, reason=fault[0], message=fault[1]))
        else:
            is_there = not data_folder.confined and _is_file(path)
            photos.append(PhotoFile(path, record, roots) if is_there else None)
    if None not in photos:
        return [photo for photo in photos if photo is not None]
    files = {"/".join(file.parts): file.path for file in data_folder.listing.files}
    index = FileIndex(files)
    for place, (row, record) in enumerate(zip(rows, records, strict=True)):
        if photos[place] is None:
            match = index.find(str(row.path), label=row.label)
            if match.name is not None:
                photos[place] = PhotoFile(files[match.name], replace(record, path=match.name), roots)
            else:
                reason, message = find_hindrance(row, match, confined=data_folder.confined)
                photos[place] = replace(record, reason=reason, message=message)
    return [photo for photo in photos if photo is not None]


def _find_danger(name: str) -> str | None:
    try:
        checked_name(name)
    except UnsafeNameError as reason:
        return str(reason)
    return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # the name is not a valid file name
        return False
