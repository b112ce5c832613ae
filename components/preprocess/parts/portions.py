"""Portions: the pieces of the reading, which do not depend on how many tasks share them.

A file belongs to a portion by a hash of its path, and each task reads every so-manieth portion. So the result is the
same for every number of tasks, and what one of them has read stays useful when it is another number the next time.
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
"""About how many files a portion has at most: a few seconds of work, and under 100 MB of pixels of 224 px."""


@dataclass(frozen=True, slots=True)
class FileState:
    """By what a file's version is known from one task to another.

    Attributes:
        num_bytes: its size; None if the file could not be looked at.
        version: the time of its last change, or the tag of its server; None if it is unreliable: the file was unpacked
            for one task, or has changed just now.
    """

    num_bytes: int | None
    version: str | None

    def is_of(self, file_identity: str | None) -> bool:
        """Whether the identity of a file that was read is that of this state."""
        prefix = f"{self.num_bytes}-{self.version}-"
        return self.version is not None and file_identity is not None and file_identity.startswith(prefix)


@dataclass(frozen=True)
class Portion:
    """Some of the files.

    Attributes:
        number: from 0; those without files are not counted.
        files: in their order in the list.
        states: of the files when they were listed.
    """

    number: int
    files: tuple[PhotoFile, ...]
    states: tuple[FileState, ...]

    def name(self, params: PreprocessParams) -> str:
        """Its name in the shared store; equal for equal files and equal ways to read them."""
        recipe = [VERSION, params.size, params.resize, params.given_range]
        states = [
            (file.record.path, state.num_bytes, state.version)
            for file, state in zip(self.files, self.states, strict=True)
        ]
        return f"photos/{hashlib.sha256(json.dumps([recipe, states]).encode()).hexdigest()[:32]}"


def index_name(portion_name: str) -> str:
    """What was found out about the files; it is put into the store last."""
    return f"{portion_name}/index.sqlite"


def pack_name(portion_name: str, pack: str) -> str:
    """The pixels, by the pack in the index: tasks that read the same files may order them differently."""
    return f"{portion_name}/{pack}"


def divide(paths: Sequence[str]) -> list[list[int]]:
    """The rows of each portion that has files."""
    rows_of: list[list[int]] = [[] for _ in range(_count(len(paths)))]
    for row, path in enumerate(paths):
        digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
        rows_of[int.from_bytes(digest, "big") % len(rows_of)].append(row)
    return [rows for rows in rows_of if rows]


def _count(num_files: int) -> int:
    """A power of two, so that it seldom changes as a data set grows."""
    return 1 << max(0, -(-num_files // PORTION_FILES) - 1).bit_length()
