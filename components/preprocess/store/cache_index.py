"""The index of the cache: facts about files and their contents, in a SQLite database.

files     path and identity → content hash
depths    content hash → the range of the values of a photo with more than 8 bits per value
verdicts  content hash and recipe → the facts about the content, and where its pixels are
used      pack or shard → the time of its last use
"""

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

log = logging.getLogger(__name__)

KEYS_AT_ONCE: Final = 500
"""The number of keys per query; SQLite allows 32,766."""
VERSION: Final = 3
"""Increase it when decoding or measuring changes; all files are then read again."""

COLUMNS: Final = (
    "reason",
    "message",
    "num_bytes",
    "native_height",
    "native_width",
    "mode",
    "format",
    "brightness",
    "sharpness",
    "chroma",
    "pixel_hash",
    "sketch",
)
"""The columns of a verdict: the fields of Record and Measures that depend on a file's content."""
SETTLED_NANOSECONDS: Final = 50_000_000
"""If a file was read less than this long after it changed, another change might not alter its timestamps."""

_TABLES: Final = f"""
create table if not exists files (path blob primary key, identity text not null, sha256 text not null) without rowid;
create table if not exists depths (sha256 text primary key, lowest, highest, num_values, declared) without rowid;
create table if not exists verdicts (sha256 text, recipe text, {", ".join(COLUMNS)}, container text, place integer,
    primary key (sha256, recipe)) without rowid;
create index if not exists verdicts_container on verdicts (container);
create table if not exists used (container text primary key, at real not null) without rowid;
"""

_VERDICT_COLUMNS: Final = f"sha256, recipe, container, place, {', '.join(COLUMNS)}"
REMEMBER_VERDICT: Final = (
    f"insert or replace into verdicts ({_VERDICT_COLUMNS}) "  # noqa: S608 - a constant
    f"values ({', '.join('?' * (len(COLUMNS) + 4))})"
)
REMEMBER_DEPTH: Final = "insert or replace into depths values (?, ?, ?, ?, ?)"
REMEMBER_FILE: Final = "insert or replace into files values (?, ?, ?)"
MOVE: Final = "update verdicts set container = ?, place = ? where sha256 = ? and recipe = ?"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pixels of a photo are: a file of the cache, and the byte at which they begin."""

    container: str
    start: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The facts about the content of a file: the values of COLUMNS, and where its pixels are."""

    sha256: str
    values: tuple[Any, ...]
    place: Place | None
    is_deep: bool = False
    """Whether the pixels depend on the pixel range of the data set."""


@dataclass(frozen=True)
class IndexContent:
    """The content of the index of a portion.

    Attributes:
        verdicts: (content hash, recipe, container, place, *COLUMNS).
        depths: (content hash, lowest, highest, num_values, declared).
        files: (path, identity, content hash).
    """

    verdicts: Sequence[tuple[Any, ...]]
    depths: Sequence[tuple[Any, ...]]
    files: Sequence[tuple[bytes, str, str]]

    @property
    def container(self) -> str | None:
        """The only pack of the portion; None if there are no pixels."""
        return next((container for _, _, container, *_ in self.verdicts if container is not None), None)

    @property
    def last_place(self) -> int | None:
        """The byte at which the last pixels begin in the pack; None if there are no pixels."""
        return max((place for _, _, _, place, *_ in self.verdicts if place is not None), default=None)


def read_index(path: Path) -> IndexContent:
    """Reads the index of a complete portion.

    Raises:
        sqlite3.DatabaseError: the index is damaged.
    """
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as index:
        return IndexContent(
            index.execute(f"select {_VERDICT_COLUMNS} from verdicts").fetchall(),  # noqa: S608 - a constant
            index.execute("select * from depths").fetchall(),
            index.execute("select * from files").fetchall(),
        )


def select_in(
    connection: sqlite3.Connection, query: str, keys: Sequence[Any], *values: str
) -> Iterator[tuple[Any, ...]]:
    """Runs a query that ends with `in` for up to `KEYS_AT_ONCE` keys at a time, and yields the rows."""
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = keys[start : start + KEYS_AT_ONCE]
        yield from connection.execute(f"{query} ({', '.join('?' * len(some))})", (*values, *some))


def identity(status: os.stat_result) -> str | None:
    """A string that changes whenever the content of a file changes; None for a file that has just changed."""
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
    if time.time_ns() - changed_ns < SETTLED_NANOSECONDS:
        return None
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_dev}-{status.st_ino}"


def open_index(path: Path) -> sqlite3.Connection:
    """Opens the index; a damaged index is replaced by an empty one."""
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        log.warning("The index of the cache is damaged (%s), so all photos are read again.", error)
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    index = sqlite3.connect(path, timeout=60, check_same_thread=False)
    try:
        index.execute("pragma journal_mode = wal")
        index.execute("pragma synchronous = normal")
        index.executescript(_TABLES)
        _add_columns(index)
    except sqlite3.Error:
        index.close()
        raise
    return index


def _add_columns(index: sqlite3.Connection) -> None:
    """Adds the columns that an index of an earlier version lacks; verdicts of that version are not used."""
    with index:
        index.execute("begin immediate")  # another run may be adding the columns
        existing = {name for _, name, *_ in index.execute("pragma table_info(verdicts)")}
        for column in COLUMNS:
            if column not in existing:
                index.execute(f"alter table verdicts add column {column}")
