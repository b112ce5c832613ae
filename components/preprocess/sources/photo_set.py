"""The photos of the data, with what their places say of them: what every reader returns."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from components.contract.artifacts.dataset import SplitName
from components.contract.foreign.confinement import Roots, open_within
from components.preprocess.manifest import Record


@dataclass(frozen=True)
class PhotoFile:
    """A file that should be a photo.

    Attributes:
        location: where it can be read.
        record: what its place says of it.
        roots: the folders that it must lie in when it is opened.
    """

    location: Path
    record: Record
    roots: Roots = None

    def open(self) -> BinaryIO:
        """Opens it for reading.

        Raises:
            OSError: it cannot be read, is no regular file, or lies outside its roots.
        """
        return open_within(self.roots, self.location)


@dataclass(frozen=True)
class PhotoSet:
    """All that the data hold.

    Attributes:
        files: what should be photos, ordered by path.
        rejected: what is none by its place or kind.
        class_names: the class folders' names, ordered.
        given_splits: the splits that the data have folders for.
        notices: what the user should know about how the data were read, a sentence or two each.
    """

    files: tuple[PhotoFile, ...]
    rejected: tuple[Record, ...]
    class_names: tuple[str, ...]
    given_splits: frozenset[SplitName]
    notices: tuple[str, ...] = ()
