"""Label files say which photo is of which class. A format is a module with `SUFFIXES` and `read_rows`, in FORMATS."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.foreign.confinement import UnsafeNameError, checked_name
from components.contract.text import printable
from components.preprocess.manifest import Record
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.listing import as_text
from components.preprocess.sources.photo_set import PhotoFile, PhotoSet
from components.preprocess.sources.readers import table
from components.preprocess.sources.readers.label_rows import LabelRow


@dataclass(frozen=True)
class LabelFormat:
    """A format of label files.

    Attributes:
        suffixes: what the names of such files end in, in lower case.
        read_rows: reads one; raises a DataError if it is none.
    """

    suffixes: tuple[str, ...]
    read_rows: Callable[[Path], list[LabelRow]]


FORMATS: Final = (LabelFormat(table.SUFFIXES, table.read_rows),)
SUFFIXES: Final = tuple(suffix for label_format in FORMATS for suffix in label_format.suffixes)


def is_label_file(path: Path) -> bool:
    """Whether the name is that of a label file."""
    return path.name.lower().endswith(SUFFIXES)


def read_label_rows(path: Path) -> list[LabelRow]:
    """The rows of a label file, by the format that its name shows.

    Raises:
        DataError: it is no such file.
    """
    label_format = next(each for each in FORMATS if path.name.lower().endswith(each.suffixes))
    return label_format.read_rows(path)


def reads(data_folder: DataFolder) -> bool:
    """Whether a label file says which photo is of which class."""
    return data_folder.label_file is not None


def find_photos(data_folder: DataFolder) -> PhotoSet:
    """One file per row; a row that says again what an earlier one said counts once.

    Raises:
        DataError: the label file cannot be read, or names fewer than two classes.
    """
    assert data_folder.label_file is not None, "the caller has asked `reads`"
    files, rejected = [], data_folder.skipped_records()
    for row in dict.fromkeys(read_label_rows(data_folder.label_file)):
        record = Record(as_text(row.path or ""), row.label, row.split, group=row.group)
        fault = _find_fault(row, confined=data_folder.confined)
        if fault is None:
            files.append(PhotoFile(data_folder.path / str(row.path), record, data_folder.roots))
        else:
            rejected.append(replace(record, reason=fault[0], message=fault[1]))
    files.sort(key=lambda file: file.record.path)
    class_names = sorted({str(file.record.class_name) for file in files})
    if len(class_names) < 2:
        classes = f"one, '{printable(class_names[0])}'" if class_names else "none"
        raise DataError(f"There must be at least two classes; the table {data_folder.label_file} names {classes}.")
    splits = frozenset(file.record.split for file in files if file.record.split is not None)
    return PhotoSet(tuple(files), tuple(rejected), tuple(class_names), splits)


def list_referenced_files(path: Path) -> list[str]:
    """The files beside a label file that it names, of those that it may name."""
    return sorted({str(row.path) for row in read_label_rows(path) if _find_fault(row, confined=True) is None})


def _find_fault(row: LabelRow, *, confined: bool) -> tuple[str, str] | None:
    """Why a row names no photo to be read, as (reason, message)."""
    if row.path is None:
        return "no_path", "The row of the table names no file."
    if row.label is None:
        return "no_label", "The row of the table gives no label."
    if "\0" in row.path:
        return "unreadable", "The name of a file holds no zero byte; this one does."
    if confined:
        try:
            checked_name(row.path)
        except UnsafeNameError as reason:
            return (
                "outside_data",
                f"The table of an archive or an address may name files beside it only; this {reason}.",
            )
    return None
