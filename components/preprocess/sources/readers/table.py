"""Reads CSV and Parquet tables of photos: their paths and labels and, if present, their splits and groups."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.contract.text import from_csv_cell
from components.preprocess.sources.file_index import names_photo
from components.preprocess.sources.readers.columns import Cells, find_columns, has_header, read_labels
from components.preprocess.sources.readers.label_rows import Labels, as_cell, normalize_cell
from components.preprocess.sources.readers.parquet import check_parquet
from components.preprocess.sources.readers.text_cells import TextFormat, find_format, read_cells, read_first_row

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SUFFIXES: Final = (".csv", ".tsv", ".parquet", ".pq")
LIST_SUFFIXES: Final = (".txt",)
PARQUET_SUFFIXES: Final = (".parquet", ".pq")


def is_table(path: Path) -> bool:
    """Whether the file has the suffix of a table."""
    return path.name.lower().endswith(SUFFIXES)


def is_parquet(path: Path) -> bool:
    """Whether the file has the suffix of a Parquet table."""
    return path.name.lower().endswith(PARQUET_SUFFIXES)


def recognizes_list(path: Path) -> bool:
    """Whether a text file is a table of photos: it has a header, or a first row such as `val_0.JPEG n03444034`."""
    try:
        first_row = read_first_row(path, find_format(path))
    except (OSError, ValueError, DataError):
        return False
    has_columns = {"path", "label"} <= find_columns(first_row, ColumnNames(), "").keys()
    return has_columns or (len(first_row) > 1 and names_photo(first_row[0]))


def read_table(path: Path, wanted: ColumnNames) -> Labels:
    """Reads the rows of a table of photos.

    Raises:
        DataError: the file is not a table, lacks a column, or has an invalid split.
    """
    subject = f"The table {path}"
    try:
        if is_parquet(path):
            return read_labels(_read_parquet(path, subject), wanted)
        text_format = find_format(path)
        rows = read_cells(path, text_format)
    except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
        raise _unreadable(path, error) from None
    names = tuple(rows[0]) if has_header(rows[0], wanted) else None
    columns = [
        [normalize_cell(from_csv_cell(cell)) for cell in column]
        for column in zip(*rows[names is not None :], strict=True)
    ]
    labels = read_labels(Cells(subject, names, columns or [[] for _ in rows[0]]), wanted)
    if not text_format.is_guess:
        return labels
    notice = (
        f"{subject} is not UTF-8; its code page was guessed: {text_format.encoding}. If names look wrong, save the "
        "table as UTF-8."
    )
    return Labels(labels.rows, (*labels.notices, notice))


def read_frame(path: Path) -> "tuple[pd.DataFrame, TextFormat | None]":
    """Reads all columns of a table, and its text format (None for Parquet); the cells of a text table are strings.

    Raises:
        DataError: the table cannot be read.
    """
    import pandas as pd

    try:
        if is_parquet(path):
            check_parquet(path)
            # By default, pandas converts integer columns with missing values to floats.
            return pd.read_parquet(path, dtype_backend="numpy_nullable"), None
        text_format = find_format(path)
        rows = read_cells(path, text_format)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return pd.DataFrame(rows[1:], columns=rows[0], dtype=str), text_format


def write_frame(frame: "pd.DataFrame", path: Path, text_format: TextFormat | None) -> None:
    """Writes a table that `read_frame` returned, in its original format."""
    if text_format is None:
        frame.to_parquet(path)
        return
    with path.open("w", encoding=text_format.encoding, newline="") as file:
        if text_format.has_separator_line:
            file.write(f"sep={text_format.separator}\n")
        frame.to_csv(file, sep=text_format.separator, index=False)


def _read_parquet(path: Path, subject: str) -> Cells:
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_parquet(path)
    frame = pq.read_table(path)
    class_names = find_class_names(frame.schema)
    columns: list[list[str | None]] = []
    for field, column in zip(frame.schema, frame.columns, strict=True):
        if pa.types.is_struct(field.type) or pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            columns.append([None] * len(frame))
            continue
        columns.append(name_classes(column.to_pylist(), class_names.get(field.name)))
    return Cells(subject, tuple(frame.column_names), columns)


def find_class_names(schema: "pa.Schema") -> dict[str, list[str]]:
    """For each column of class numbers, the class names in order; Hugging Face stores them in the schema."""
    try:
        features: Any = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {
            str(column): [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def name_classes(values: Sequence[object], class_names: Sequence[str] | None) -> list[str | None]:
    """The cells of a column; numbers are replaced by class names, or by None if there is no such name, as for -1."""
    if class_names is None:
        return [as_cell(value) for value in values]
    names = dict(enumerate(class_names))
    return [normalize_cell(names.get(value) if isinstance(value, int) else value) for value in values]


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    return DataError(f"The table {path} cannot be read as a CSV or Parquet file: {reason}.")
