"""Reads text tables from other programs within a budget: detects the code page and the separator, and reads the cells.

For example, Excel writes a first line `sep=;`, semicolons as separators, UTF-16 with tabs ("Unicode text") or, by
default, text in the local code page.
"""

import codecs
import contextlib
import csv
import io
import itertools
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.foreign.code_pages import detect_code_page
from components.contract.system.budget import open_regular
from components.preprocess.sources.listing import is_hidden
from components.preprocess.sources.readers.parquet import MAX_COLUMNS, table_budget

MAX_LINE_CHARACTERS: Final = 2**18
MAX_CELLS: Final = 20_000_000
BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MAX_WORDS: Final = 1_000
MAX_NAMES: Final = 20_000
NAME_LEVELS: Final = 3

_WORDS: Final = re.compile(rb"[^,;\t\r\n\"/]*[\x80-\xff][^,;\t\r\n\"/]*")
"""A backslash does not end a word: in East Asian code pages, the same byte can be part of a multibyte character."""


@dataclass(frozen=True)
class TextFormat:
    """The format of a text table.

    Attributes:
        encoding: Python's name of the encoding.
        separator: the character between cells.
        has_separator_line: whether the first line is Excel's `sep=;`.
        is_guess: whether the encoding is a guessed code page.
    """

    encoding: str
    separator: str
    has_separator_line: bool = False
    is_guess: bool = False


def find_format(path: Path) -> TextFormat:
    """Detects the format of a text table.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
        DataError: the code page is unknown, or the file exceeds its budget.
    """
    encoding, is_guess = _find_encoding(path)
    with io.TextIOWrapper(open_regular(path), encoding) as text:
        first_line = text.readline(MAX_LINE_CHARACTERS)
    if match := re.fullmatch(r"\"?sep=(.)\"?\n?", first_line, re.IGNORECASE):
        return TextFormat(encoding, match[1], has_separator_line=True, is_guess=is_guess)
    if path.name.lower().endswith(".tsv"):
        return TextFormat(encoding, "\t", is_guess=is_guess)
    separator = max(",;\t", key=first_line.count)
    if separator not in first_line and path.name.lower().endswith(".txt"):
        separator = " "
    return TextFormat(encoding, separator, is_guess=is_guess)


def read_first_row(path: Path, text_format: TextFormat) -> list[str]:
    """Reads the first row of a text table; empty if there is none.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
        ValueError: the file does not have this format.
    """
    with io.TextIOWrapper(open_regular(path), text_format.encoding, newline="") as lines:
        if text_format.has_separator_line:
            lines.readline()
        line = lines.readline(MAX_LINE_CHARACTERS)
    try:
        return next(csv.reader([line], delimiter=text_format.separator, skipinitialspace=True), [])
    except csv.Error as error:
        raise ValueError(str(error)) from None


def read_cells(path: Path, text_format: TextFormat) -> list[list[str]]:
    """Reads the rows of a text table, padded to the same length; empty lines are skipped.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
        ValueError: the file does not have this format.
        DataError: the file exceeds its budget, or a row is longer than the first.
    """
    _check_size(path, text_format)
    with io.TextIOWrapper(open_regular(path), text_format.encoding, newline="") as lines:
        if text_format.has_separator_line:
            lines.readline()
        csv.field_size_limit(MAX_LINE_CHARACTERS)
        try:
            reader = csv.reader(lines, delimiter=text_format.separator, skipinitialspace=True)
            rows = [row for row in reader if row]
        except csv.Error as error:
            raise ValueError(str(error)) from None
    if not rows:
        raise ValueError("it is empty")
    width = len(rows[0])
    for number, row in enumerate(rows, start=1):
        if len(row) > width and any(cell.strip() for cell in row[width:]):
            raise DataError(
                f"All rows of a table must have the same number of cells; row {number} of the table "
                f"{path} has {len(row)}, but the first row has {width}. If photos have several labels, keep "
                "one label for each photo."
            )
        row[width:] = [""] * (width - len(row))
    return rows


def _find_encoding(path: Path) -> tuple[str, bool]:
    budget, decoder = table_budget(path), codecs.getincrementaldecoder("utf-8")()
    with open_regular(path) as file:
        start = file.read(4)
        for mark, encoding in BYTE_ORDER_MARKS:
            if start.startswith(mark):
                return encoding, False
        file.seek(0)
        try:
            while chunk := file.read(MAX_LINE_CHARACTERS):
                budget.spend(len(chunk))
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            file.seek(0)
            return _guess_code_page(path, file.read(budget.max_bytes)), True
    return "utf-8", False


def _guess_code_page(path: Path, content: bytes) -> str:
    words = [match[0].strip() for match in itertools.islice(_WORDS.finditer(content), MAX_WORDS)]
    code_page = detect_code_page(words, _names_below(path.parent), is_windows=True)
    if code_page is None:
        raise DataError(
            f"The table {path} must be UTF-8 text; it is not in any code page that Darkroom supports. "
            "Save it as UTF-8; in Excel: Save As, CSV UTF-8."
        )
    return code_page


def _names_below(folder: Path) -> set[str]:
    """The names of files and folders below a folder, up to NAME_LEVELS deep; links are not followed."""
    names: set[str] = set()
    folders = [folder]
    for _ in range(NAME_LEVELS):
        subfolders: list[Path] = []
        for place in folders:
            with contextlib.suppress(OSError), os.scandir(place) as entries:
                for entry in entries:
                    if len(names) >= MAX_NAMES:
                        return names
                    names.add(unicodedata.normalize("NFC", entry.name))
                    if entry.is_dir(follow_symlinks=False) and not is_hidden(entry.name):
                        subfolders.append(Path(entry.path))
        folders = subfolders
    return names


def _check_size(path: Path, text_format: TextFormat) -> None:
    """Checks the number of cells and the length of lines, before the whole table is read into memory."""
    budget, num_cells, line_length = table_budget(path), 0, 0
    with io.TextIOWrapper(open_regular(path), text_format.encoding) as text:
        header = text.readline(MAX_LINE_CHARACTERS)
        num_columns = header.count(text_format.separator) + 1
        if num_columns > MAX_COLUMNS:
            raise budget.limit_error(f"have at most {MAX_COLUMNS:,} columns", f"it has {num_columns:,}")
        text.seek(0)
        while chunk := text.read(MAX_LINE_CHARACTERS):
            lines = chunk.split("\n")
            num_cells += chunk.count(text_format.separator) + len(lines) - 1
            budget.spend(len(chunk), num_members=len(lines) - 1)
            if num_cells > MAX_CELLS:
                raise budget.limit_error(f"have at most {MAX_CELLS:,} cells", "it has more")
            line_length += len(lines[0])
            if line_length > MAX_LINE_CHARACTERS:
                raise budget.limit_error(
                    f"have lines of at most {MAX_LINE_CHARACTERS:,} characters", "it has a longer line"
                )
            if "\0" in chunk:
                raise budget.limit_error("be text", "it contains zero bytes, like a binary file")
            line_length = len(lines[-1]) if len(lines) > 1 else line_length
