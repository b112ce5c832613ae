"""The index of the cache: what is known of files and of contents, in a SQLite database.

files     path and identity → content hash
depths    content hash → the values of a photo with more than 8 bits each
verdicts  content hash and recipe → what was found out, and where the pixels stand
used      when each file of pixels was used last
"""

import logging
import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

log = logging.getLogger(__name__)

VERSION: Final = 3
"""Goes up when decoding or measuring changes; then everything is read again."""

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
"""Of a verdict: what Record and Measures hold of a file's content."""

SETTLED_NANOSECONDS: Final = 50_000_000
"""A file that changed less than this before it was read may change again without its times telling."""

_TABLES: Final = f"""
create table if not exists files (path blob primary key, identity text not null, sha256 text not null) without rowid;
create table if not exists depths (sha256 text primary key, lowest, highest, num_values, declared) without rowid;
create table if not exists verdicts (sha256 text, recipe text, {", ".join(COLUMNS)}, container text, place integer,
    primary key (sha256, recipe)) without rowid;
create index if not exists verdicts_container on verdicts (container);
create table if not exists used (container text primary key, at real not null) without rowid;
"""

MOVE: Final = "update verdicts set container = ?, place = ? where sha256 = ? and recipe = ?"


@dataclass(frozen=True, slots=True)
class Place:
    """Where pixels stand: a file of the cache, and the byte at which they begin."""

    container: str
    start: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one content: the values of COLUMNS, and where its pixels are."""

    sha256: str
    values: tuple[Any, ...]
    place: Place | None
    is_deep: bool = False
    """Whether the pixels depend on the pixel range of the data set."""


def identity(status: os.stat_result) -> str | None:
    """What changes whenever a file's content does; None for a file that changed just now."""
    changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
    if time.time_ns() - changed_ns < SETTLED_NANOSECONDS:
        return None
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_dev}-{status.st_ino}"


def open_index(path: Path) -> sqlite3.Connection:
    """The index; one that is damaged is set aside."""
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        log.warning("The index of the cache was damaged (%s), so all photos are read again.", error)
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
    """Adds what an index of an earlier version lacks; its verdicts belong to other recipes."""
    with index:
        index.execute("begin immediate")  # another run may be adding them
        existing = {name for _, name, *_ in index.execute("pragma table_info(verdicts)")}
        for column in COLUMNS:
            if column not in existing:
                index.execute(f"alter table verdicts add column {column}")
