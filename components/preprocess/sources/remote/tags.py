"""The version of each downloaded file, in a database next to the downloads of an address."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

NAMES_AT_ONCE: Final = 500
"""The number of names per query; SQLite allows 32,766."""


class Tags:
    """The ETags of files, by name. Each change is on the disk when the call returns, so that an abort loses nothing."""

    def __init__(self, path: Path):
        self._path = path

    def find(self, names: Sequence[str]) -> dict[str, str]:
        """The tags of the given files that were downloaded."""
        tags: dict[str, str] = {}
        with self._open() as notes:
            for start in range(0, len(names), NAMES_AT_ONCE):
                some = names[start : start + NAMES_AT_ONCE]
                query = f"select name, tag from tags where name in ({', '.join('?' * len(some))})"  # noqa: S608 - only question marks
                tags |= dict(notes.execute(query, some))
        return tags

    def names(self) -> set[str]:
        """The names of all files that were downloaded."""
        with self._open() as notes:
            return {name for (name,) in notes.execute("select name from tags")}

    def add(self, tags: Mapping[str, str]) -> None:
        """Saves the tags of downloaded files."""
        with self._open() as notes:
            notes.executemany("insert or replace into tags values (?, ?)", tags.items())

    def remove(self, names: Iterable[str]) -> None:
        """Deletes the tags of files that were removed."""
        with self._open() as notes:
            notes.executemany("delete from tags where name = ?", [(name,) for name in names])

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=60)) as notes, notes:
            notes.execute("create table if not exists tags (name text primary key, tag text not null) without rowid")
            yield notes
