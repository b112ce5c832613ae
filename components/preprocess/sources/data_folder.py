"""The folder of the data: the data itself, or the result of downloading, unpacking or converting it."""

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
"""A file in the folder of an unpacked archive, with the names of skipped files and notices about the archive."""
MAX_NOTE_BYTES: Final = 4 * 2**20


class RemoteData(Protocol):
    """A folder on a server, whose files are downloaded when they are needed."""

    def list(self) -> Listing:
        """Lists the folder as if it were local."""
        ...

    def locate(self, path: Path) -> Path:
        """Downloads the file that belongs at a path in the folder, and returns the path.

        Raises:
            DataError: the server cannot be reached.
        """
        ...


@dataclass(frozen=True)
class DataFolder:
    """The folder of the data.

    Attributes:
        path: the path of the folder with the photos.
        unwrap: whether to skip a single outer folder that contains everything else, as in many archives.
        label_file: the file with the labels; None if the labels come from folder names or from files in the folder.
        confined: whether the label file may only refer to files in the folder.
        roots: the folders from which files may be read.
        skipped: the names of files in an archive that were not unpacked.
        columns: the column names that the user set for label files.
        name: the name of the data in messages; None to use the path.
        notices: messages for the user about the archive.
        remote: the folder on a server, if its photos are downloaded when they are needed.
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
        """The content of the folder, which is listed only once.

        Raises:
            OSError: the folder cannot be read.
        """
        return self.remote.list() if self.remote is not None else list_folder(self.path, self.roots)

    def locate(self, path: Path) -> Path:
        """The path of a file in the folder; the file is downloaded first if it is on a server."""
        return self.remote.locate(path) if self.remote is not None else path

    def skipped_records(self) -> list[Record]:
        """Records of the files of git, DVC and other tools that were not unpacked from the archive."""
        return [
            Record(as_text(name), reason="hidden", message="Files of git, DVC and other tools are not unpacked.")
            for name in (*self.skipped, *self._read_note("skipped"))
        ]

    def archive_notices(self) -> list[str]:
        """Notices from unpacking the archive."""
        return [*self.notices, *self._read_note("notices")]

    def _read_note(self, key: str) -> list[str]:
        with contextlib.suppress(OSError, ValueError), open_within((self.path,), self.path / UNPACK_NOTE) as note:
            document = json.loads(note.read(MAX_NOTE_BYTES))
            values = document.get(key) if isinstance(document, dict) else None
            return [printable(str(value)) for value in values] if isinstance(values, list) else []
        return []
