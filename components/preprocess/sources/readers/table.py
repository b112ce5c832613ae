"""A CSV or Parquet table says which photos there are: their paths and labels, where given their splits and groups."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DataError
from components.contract.system.budget import open_regular
from components.preprocess.sources.folders.names import SPLIT_FOLDERS
from components.preprocess.sources.readers.label_rows import LabelRow
from components.preprocess.sources.readers.parquet import MAX_COLUMNS, check_parquet, table_budget

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES: Final = (".csv", ".tsv", ".parquet", ".pq")

MAX_LINE_BYTES: Final = 2**18
MAX_CELLS: Final = 20_000_000

COLUMNS: Final = {
    "path": ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path"),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "subset", "partition", "set"),
    "group": ("group", "group_id", "patient", "patient_id", "subject", "subject_id", "session", "session_id"),
}
"""What the columns may be called, in upper or lower case; the first that is there counts."""


def is_table(path: Path) -> bool:
    """Whether the name is that of a table."""
    return path.name.lower().endswith(SUFFIXES)


def read_rows(path: Path) -> list[LabelRow]:
    """The rows of a table of photos.

    Raises:
        DataError: it is no table, lacks a column, or names a split that there is not.
    """
    frame = read_frame(path)
    column_names = find_columns([str(name) for name in frame.columns])
    for column in ("path", "label"):
        if column not in column_names:
            raise DataError(
                f"The table {path} must have a column of {column}s, called {' or '.join(COLUMNS[column])}; "
                f"it has {', '.join(map(str, frame.columns)) or 'no columns'}."
            )
    cells = {column: _normalize_texts(frame[name].tolist()) for column, name in column_names.items()}
    empty_column: list[str | None] = [None] * len(frame)
    split_cells = cells.get("split", empty_column)
    splits = [_parse_split(text, path, line) for line, text in enumerate(split_cells, start=2)]
    groups = cells.get("group", empty_column)
    return [LabelRow(*values) for values in zip(cells["path"], cells["label"], splits, groups, strict=True)]


def read_frame(path: Path) -> "pd.DataFrame":
    """A table with all cells as text, empty ones as `""` or None.

    Raises:
        DataError: it is no table that can be read.
    """
    import pandas as pd

    try:
        separator = find_separator(path)
        if separator is None:
            check_parquet(path)
            return pd.read_parquet(path)
        _check_text(path, separator.encode())
        # Everything is text, so that the class NA or 007 stays what it is; sep=None would guess wrong on one column.
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, ValueError, UnicodeDecodeError) as error:  # pandas' and Arrow's own errors are ValueErrors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(
            f"The table {path} must be a readable CSV (UTF-8) or Parquet file; it is not: {reason}."
        ) from None


def write_frame(frame: "pd.DataFrame", path: Path, separator: str | None) -> None:
    """Writes a table that `read_frame` gave; None as separator makes it Parquet."""
    if separator is None:
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep=separator, index=False)


def find_columns(names: Sequence[str]) -> dict[str, str]:
    """Which column of COLUMNS is which of a table's."""
    by_name = {name.strip().casefold(): name for name in reversed(names)}
    column_names = {}
    for column, aliases in COLUMNS.items():
        name = next((by_name[name] for name in aliases if name in by_name), None)
        if name is not None:
            column_names[column] = name
    return column_names


def find_separator(path: Path) -> str | None:
    """What stands between the cells of a text table; None of Parquet."""
    if path.name.lower().endswith((".parquet", ".pq")):
        return None
    if path.name.lower().endswith(".tsv"):
        return "\t"
    with open_regular(path) as file:
        header = file.readline(MAX_LINE_BYTES).decode("utf-8-sig", "replace")
    return max(",;\t", key=header.count)


def _check_text(path: Path, separator: bytes) -> None:
    """Reads a text table once, before pandas holds all of it: how many cells, and whether each line has an end."""
    budget, num_cells, line_bytes = table_budget(path), 0, 0
    with open_regular(path) as file:
        header = file.readline(MAX_LINE_BYTES).split(b"\r")[0]
        if header.count(separator) >= MAX_COLUMNS:
            raise budget.limit_error(f"have at most {MAX_COLUMNS:,} columns", f"it has {header.count(separator) + 1:,}")
        file.seek(0)
        while chunk := file.read(MAX_LINE_BYTES):
            lines = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            num_cells += chunk.count(separator) + len(lines) - 1
            budget.spend(len(chunk), num_members=len(lines) - 1)
            if num_cells > MAX_CELLS:
                raise budget.limit_error(f"have at most {MAX_CELLS:,} cells", "it has more")
            line_bytes += len(lines[0])
            if line_bytes > MAX_LINE_BYTES:
                raise budget.limit_error(f"have lines of at most {MAX_LINE_BYTES:,} bytes", "one is longer")
            if b"\0" in chunk:
                raise budget.limit_error("be UTF-8 text", "it holds zero bytes, as binary files and UTF-16 do")
            line_bytes = len(lines[-1]) if len(lines) > 1 else line_bytes


def _normalize_texts(values: Sequence[object]) -> list[str | None]:
    texts = (
        "" if value is None or value != value else str(value).strip() for value in values
    )  # NaN differs from itself
    return [unicodedata.normalize("NFC", text) if text else None for text in texts]


def _parse_split(text: str | None, path: Path, line: int) -> SplitName | None:
    if text is None:
        return None
    split = SPLIT_FOLDERS.get(text.casefold())
    if split is None:
        raise DataError(f"A split must be train, validation or test; the table {path} says {text!r} in line {line}.")
    return split
