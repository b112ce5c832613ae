"""Portions: the pieces of the reading, which do not depend on how many tasks share them.

A file belongs to a portion by a hash of its path, and each task reads every so-manieth portion. So the result is the
same for every number of tasks, and what one of them has read stays useful when it is another number the next time.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from components.contract.params.pipeline import PreprocessParams
from components.preprocess.parts.listing_file import Listing
from components.preprocess.store.cache_index import VERSION

PORTION_FILES: Final = 512
"""About how many files a portion has at most: a few seconds of work, and under 100 MB of pixels of 224 px."""


@dataclass(frozen=True)
class Portion:
    """Some of the files.

    Attributes:
        number: from 0.
        rows: of the list.
        name: in the shared store; equal for equal files and equal ways to read them.
    """

    number: int
    rows: tuple[int, ...]
    name: str

    @property
    def index_name(self) -> str:
        """What was found out about the files; it is put into the store last."""
        return f"{self.name}/index.sqlite"

    def pack_name(self, pack: str) -> str:
        """The pixels, by the pack in the index: tasks that read the same files may order them differently."""
        return f"{self.name}/{pack}"


def divide(listing: Listing, params: PreprocessParams) -> list[Portion]:
    """All portions that have files, in order."""
    files = listing.photo_set.files
    count = _count(len(files))
    rows_of: list[list[int]] = [[] for _ in range(count)]
    for row, file in enumerate(files):
        digest = hashlib.blake2b(file.record.path.encode(), digest_size=8).digest()
        rows_of[int.from_bytes(digest, "big") % count].append(row)
    return [Portion(number, tuple(rows), _name(rows, listing, params)) for number, rows in enumerate(rows_of) if rows]


def of_part(portions: Sequence[Portion], part: int, num_parts: int) -> Iterator[Portion]:
    """The portions that one of the tasks reads."""
    return (portion for portion in portions if portion.number % num_parts == part)


def _count(num_files: int) -> int:
    """A power of two, so that it seldom changes as a data set grows."""
    return 1 << max(0, -(-num_files // PORTION_FILES) - 1).bit_length()


def _name(rows: Sequence[int], listing: Listing, params: PreprocessParams) -> str:
    recipe = [VERSION, params.size, params.resize, params.given_range]
    states = [
        (listing.photo_set.files[row].record.path, listing.states[row].num_bytes, listing.states[row].mtime_ns)
        for row in rows
    ]
    return f"photos/{hashlib.sha256(json.dumps([recipe, states]).encode()).hexdigest()[:32]}"
