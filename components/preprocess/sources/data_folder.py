"""The data as a folder: the data itself, or the result of downloading, unpacking or converting it."""

import contextlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

from components.contract.foreign.confinement import Roots, allowed_roots, open_within
from components.contract.params.data import ColumnNames
from components.contract.text import printable
from components.preprocess.manifest import Record
from components.preprocess.sources.listing import Listing, as_text, list_folder

UNPACK_NOTE: Final = ".darkroom-unpacked.json"
"""In the folder of an unpacked archive: the names of skipped files, and notices about the archive."""
MAX_NOTE_BYTES: Final = 4 * 2**20


class RemoteData(Protocol):
    """A folder at a server, whose files are fetched when they are needed."""

    def list(self) -> Listing:
        """What it holds, as if it were here."""
        ...

    def locate(self, path: Path) -> Path:
        """Fetches the file of a place in the folder.

        Raises:
            DataError: the server cannot be reached.
        """
        ...


@dataclass(frozen=True)
class DataFolder:
    """The data as a folder.

    Attributes:
        path: where the photos are.
        unwrap: whether a single folder around all others, as archives have it, is stepped into.
        label_file: with the labels; None if they are the folder names.
        confined: whether the label file may name files in the folder only.
        roots: the folders that files may be read from.
        skipped: what an archive holds and was not unpacked, by name.
        columns: of label files, which the user named.
        name: in messages; None if it is the path.
        notices: about an archive.
        remote: the folder at a server, if its photos are fetched when they are needed.
    """

    path: Path
    unwrap: bool = False
    label_file: Path | None = None
    confined: bool = False
    roots: Roots = field(default_factory=allowed_roots)
    skipped: tuple[str, ...] = ()
    columns: ColumnNames = field(default_factory=ColumnNames)
    name: str | None = None
    notices: tuple[str, ...] = ()
    remote: RemoteData | None = None

    @cached_property
    def listing(self) -> Listing:
        """All that the folder holds, listed once.

        Raises:
            OSError: the folder cannot be read.
        """
        return self.remote.list() if self.remote is not None else list_folder(self.path, self.roots)

    def locate(self, path: Path) -> Path:
        """A file of the folder, which is fetched if it is at a server."""
        return self.remote.locate(path) if self.remote is not None else path

    def skipped_records(self) -> list[Record]:
        """Files of an archive for git, DVC and other tools: now, or when it was unpacked into this folder."""
        return [
            Record(as_text(name), reason="hidden", message="Files of git, DVC and other tools are not unpacked.")
            for name in (*self.skipped, *self._read_note("skipped"))
        ]

    def archive_notices(self) -> list[str]:
        """Notices about an archive: now, or when it was unpacked into this folder."""
        return [*self.notices, *self._read_note("notices")]

    def _read_note(self, key: str) -> list[str]:
        with contextlib.suppress(OSError, ValueError), open_within((self.path,), self.path / UNPACK_NOTE) as note:
            document = json.loads(note.read(MAX_NOTE_BYTES))
            values = document.get(key) if isinstance(document, dict) else None
            return [printable(str(value)) for value in values] if isinstance(values, list) else []
        return []
