"""The files of the prediction log: one JSON record per line, in chronological order; line and file size are limited."""

import bisect
import errno
import itertools
import os
import re
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from components.contract.errors import DataError
from components.contract.record import BaseRecord
from components.contract.system.budget import Budget, open_regular
from components.deploy.service.predictions.prediction_id import parse_id

MAX_LINE_BYTES: Final = 2**20
"""The maximum size of one prediction; an embedding of 2,048 values needs 6 kB."""
MAX_BYTES: Final = 2**30
"""The maximum size of the log that one process writes; at this size, it stops logging, with a warning."""

_TIME_OF_LINE: Final = re.compile(rb'\{"id":"[^"]*-([0-9a-f]{12})-[0-9a-f]{12}"')

Record = TypeVar("Record", bound=BaseRecord)


class DailyFiles:
    """Writes the records of one process to a file per day: `<day>-<process>.jsonl`.

    `<process>` is a random name, because processes in several containers can share a folder and have the same process
    id.
    """

    def __init__(self, folder: Path):
        """Chooses a random name for the process.

        Args:
            folder: the folder for the files; it is created when the first record is written.
        """
        self._folder = folder
        self._process = secrets.token_hex(6)

    def append(self, time: datetime, line: bytes) -> None:
        """Appends a line to the file of its day, completely or not at all: a partial line would damage the next line.

        Raises:
            OSError: the line cannot be written.
        """
        self._folder.mkdir(exist_ok=True)
        with (self._folder / f"{time:%Y%m%d}-{self._process}.jsonl").open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if file.write(line) != len(line):  # a single write, so that a killed process leaves only complete lines
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_records(path: Path, kind: type[Record]) -> Iterator[Record]:
    """Reads the records of a file.

    Raises:
        DataError: the file is too large, or a line is damaged.
    """
    budget = Budget(f"The prediction log {path}", "Remove the line, or the file.", max_bytes=MAX_BYTES + MAX_LINE_BYTES)
    try:
        file = open_regular(path)
    except OSError as error:
        raise DataError(f"The prediction log {path} cannot be read: {error.strerror}.") from None
    with file:
        for number in itertools.count(1):
            line = file.readline(MAX_LINE_BYTES + 1)
            budget.spend(len(line))
            if len(line) > MAX_LINE_BYTES:
                raise budget.limit_error(f"have lines of at most {MAX_LINE_BYTES:,} bytes", f"line {number} is longer")
            if not line:
                return
            if line != b"\n":
                yield _parse_line(line, kind, number, path)


def _parse_line(line: bytes, kind: type[Record], number: int, path: Path) -> Record:
    try:
        return kind.model_validate_json(line)
    except ValueError:  # pydantic's errors
        raise DataError(
            f"Each line of a prediction log must be one JSON record; line {number} of {path} is not. Remove the "
            "line, or the file."
        ) from None


def find_line(folder: Path, prediction_id: str) -> bytes | None:
    """Finds the line of a prediction by binary search; None if the log does not contain it.

    A process writes its predictions in the order of their ids, which contain the time.

    Raises:
        OSError: a file cannot be read.
    """
    facts = parse_id(prediction_id)
    if facts is None:
        return None
    start = f'{{"id":"{prediction_id}"'.encode()
    # The prediction may have been written a little later, on the next day.
    days = {f"{facts.created_at + delay:%Y%m%d}" for delay in (timedelta(0), timedelta(minutes=1))}
    paths = sorted(path for day in days for path in folder.glob(f"{day}-*.jsonl"))
    return next((line for line in (_find_in_file(path, start) for path in paths) if line is not None), None)


def _find_in_file(path: Path, start: bytes) -> bytes | None:
    with open_regular(path) as file:

        def line_at(offset: int) -> bytes:
            """Reads the first line that starts at the offset or after it."""
            file.seek(max(0, offset - 1))
            if offset:
                file.readline(MAX_LINE_BYTES)
            return file.readline(MAX_LINE_BYTES)

        wanted_time = _read_time(start)
        size = file.seek(0, os.SEEK_END)
        line = line_at(bisect.bisect_left(range(size), wanted_time, key=lambda offset: _read_time(line_at(offset))))
        while line and _read_time(line) == wanted_time:
            if line.startswith(start):
                return line
            line = file.readline(MAX_LINE_BYTES)
    return None


def _read_time(line: bytes) -> bytes:
    """The hexadecimal time in a line's id; after the end of the file, a value above all times."""
    match = _TIME_OF_LINE.match(line)
    return match[1] if match else b"g"
