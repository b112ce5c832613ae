"""Label files say which photo is of which class. A format is a module with a function that reads it, in FORMATS."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.foreign.confinement import UnsafeNameError, checked_name
from components.contract.params.data import ColumnNames
from components.contract.text import printable
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
        suffixes: what the names of such files end in, in lower case.
        read: reads one; raises a DataError if it is none.
        recognizes: distinguishes formats with the same suffix, by a look at the file.
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
    """Whether the name is that of a label file."""
    return path.name.lower().endswith(SUFFIXES)


def has_labels(path: Path) -> bool:
    """Whether the file is of a format that its name and its beginning show."""
    return _find_format(path) is not None


def _find_format(path: Path) -> LabelFormat | None:
    name = path.name.lower()
    return next((each for each in FORMATS if name.endswith(each.suffixes) and each.recognizes(path)), None)


def read_labels(path: Path, columns: ColumnNames | None = None) -> Labels:
    """The rows of a label file, in the format that its name and its beginning show.

    Raises:
        DataError: it is not such a file.
    """
    label_format = _find_format(path)
    if label_format is None:
        raise NoLabelsError(
            f"Each line of the label file {path} must begin with a photo and its label; this is not the case."
        )
    return label_format.read(path, columns or ColumnNames())


def find_photos(data_folder: DataFolder, *, min_classes: int = 2) -> PhotoSet:
    """One file per row; a row that says again what an earlier one said counts once.

    Raises:
        DataError: the label file cannot be read, names too few classes, or no photo that is there.
    """
    label_file = data_folder.label_file
    assert label_file is not None, "the caller has a label file"
    labels = read_labels(label_file, data_folder.columns)
    rows = list(dict.fromkeys(labels.rows))
    require_classes({row.label for row in rows if row.path}, label_file, min_classes)
    photos = _find_photos(rows, data_folder)
    files = [photo for photo in photos if isinstance(photo, PhotoFile)]
    rejected = [*data_folder.skipped_records(), *(photo for photo in photos if isinstance(photo, Record))]
    if not files:
        example = next((row.path for row in rows if row.path), "none")
        raise DataError(
            f"The label file must refer to existing photos; {label_file} names {len(rows):,}, such as "
            f"{example!r}, and none of them exists. Names are relative to the folder of the label file, "
            f"{label_file.parent}: move the photos there, or set the column with their names: --set "
            "data.columns.path=NAME"
        )
    files.sort(key=lambda file: file.record.path)
    class_names = sorted({str(file.record.class_name) for file in files})
    splits = frozenset(file.record.split for file in files if file.record.split is not None)
    return PhotoSet(tuple(files), tuple(rejected), tuple(class_names), splits, labels.notices)


def require_classes(labels: Iterable[str | None], label_file: Path | str, min_classes: int = 2) -> None:
    """Requires two classes, or another number.

    Raises:
        DataError: there are fewer.
    """
    names = sorted({label for label in labels if label is not None})
    if len(names) < min_classes:
        least = "at least two classes" if min_classes == 2 else "a label"
        classes = f"one, '{printable(names[0])}'" if names else "none"
        raise DataError(f"There must be {least}; the label file {label_file} names {classes}.")


def list_referenced_files(path: Path, columns: ColumnNames | None = None) -> list[str]:
    """The files beside a label file that it names, of those that it may name."""
    names = set()
    for row in read_labels(path, columns).rows:
        if row.path is not None and row.label is not None:
            name = "/".join(split_name(row.path)[0])
            if _find_danger(row.path) is None or _find_danger(name) is None:
                names.add(name)
    return sorted(names)


Fault = tuple[str, str]
"""Why a row names no photo to be read: the reason in a word, and a message."""


def find_fault(row: LabelRow) -> Fault | None:
    """What a row lacks."""
    if row.path is None:
        return "no_path", "The row of the label file names no file."
    if row.label is None:
        return "no_label", "The row of the label file has no label."
    if "\0" in row.path:
        return "unreadable", "A file name must not contain a zero byte; this one does."
    return None


def find_hindrance(row: LabelRow, match: Match, *, confined: bool) -> Fault:
    """Why no file is found for a row: there is none, several fit, or its name leads out of confined data."""
    if names := ", ".join(map(printable, match.candidates)):
        return "ambiguous_path", f"The name in the label file must match one file; it matches {names}."
    danger = _find_danger(str(row.path)) if confined else None
    if danger is not None:
        message = (
            f"A label file in the data, in an archive or at an address may only name files in the data; this {danger}."
        )
        return "outside_data", message
    return "unreadable", "The label file names it, but the file does not exist."


def _find_photos(rows: list[LabelRow], data_folder: DataFolder) -> list[PhotoFile | Record]:
    """The photo of each row, or why there is none."""
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
    except (OSError, ValueError):  # a name that no file can have
        return False
