"""The version of each downloaded file, in a database next to the downloads of an address."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from components.preprocess.store.cache_index import select_in


class Tags:
    """The ETags of files, by name. Each change is on the disk when the call returns, so it survives a crash."""

    def __init__(self, path: Path):
        self._path = path

    def find(self, names: Sequence[str]) -> dict[str, str]:
        """The tags of the given files that were downloaded."""
        with self._open() as notes:
            return dict(select_in(notes, "select name, tag from tags where name in", names))

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
