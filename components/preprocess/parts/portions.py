"""Portions: fixed groups of files to read, which do not depend on the number of tasks.

Each file is assigned to a portion by the hash of its path, and the portions are distributed evenly among the tasks.
Therefore, the results are the same for any number of tasks, and can be reused if that number changes.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from components.contract.params.pipeline import PreprocessParams
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.store.cache_index import VERSION

PORTION_FILES: Final = 512
"""The approximate maximum number of files in a portion: a few seconds of work and, at 224 px, less than 100 MB
of pixels."""


@dataclass(frozen=True, slots=True)
class FileState:
    """Identifies the version of a file across tasks.

    Attributes:
        num_bytes: the size; None if it could not be determined.
        version: the modification time, or the ETag of the server; None if it is unreliable, because the file was
            unpacked to a temporary folder or has just changed.
    """

    num_bytes: int | None
    version: str | None

    def is_of(self, file_identity: str | None) -> bool:
        """Whether the identity of a file that was read matches this state."""
        prefix = f"{self.num_bytes}-{self.version}-"
        return self.version is not None and file_identity is not None and file_identity.startswith(prefix)


@dataclass(frozen=True)
class Portion:
    """A group of files that one task reads.

    Attributes:
        number: the number of the portion, from 0; portions without files have no number.
        files: the files, in the order of the list.
        states: the states of the files when they were listed.
    """

    number: int
    files: tuple[PhotoFile, ...]
    states: tuple[FileState, ...]

    def name(self, params: PreprocessParams) -> str:
        """The name in the shared store, which depends only on the files and the params."""
        recipe = [VERSION, params.size, params.resize, params.given_range]
        states = [
            (file.record.path, state.num_bytes, state.version)
            for file, state in zip(self.files, self.states, strict=True)
        ]
        return f"photos/{hashlib.sha256(json.dumps([recipe, states]).encode()).hexdigest()[:32]}"


def index_name(portion_name: str) -> str:
    """The name of the index, which contains all results except the pixels; the index is stored after the pixels."""
    return f"{portion_name}/index.sqlite"


def pack_name(portion_name: str, pack: str) -> str:
    """The name of a pack: it ends with the pack's random file name, since two tasks may store packs of one portion."""
    return f"{portion_name}/{pack}"


def divide(paths: Sequence[str]) -> list[list[int]]:
    """The rows of each portion that has files."""
    rows_of: list[list[int]] = [[] for _ in range(_count(len(paths)))]
    for row, path in enumerate(paths):
        digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
        rows_of[int.from_bytes(digest, "big") % len(rows_of)].append(row)
    return [rows for rows in rows_of if rows]


def _count(num_files: int) -> int:
    """The number of portions: a power of two, so that it seldom changes as a data set grows."""
    return 1 << max(0, -(-num_files // PORTION_FILES) - 1).bit_length()
