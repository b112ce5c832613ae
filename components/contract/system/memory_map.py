"""Memory-mapped files that are released regularly: pages that were read count as memory until then."""

import mmap
from collections.abc import Sequence
from typing import Final

MAX_MAPPED_BYTES: Final = 2**29
"""After reading this much, all is released; the system still caches it and returns it in microseconds."""


class FileMaps:
    """Maps that are read repeatedly, in random order."""

    def __init__(self, maps: Sequence[mmap.mmap]):
        self._maps = maps
        self._num_read = 0

    def note(self, num_bytes: int) -> None:
        """Counts what has been read, and releases all maps from time to time."""
        self._num_read += num_bytes
        if self._num_read < MAX_MAPPED_BYTES or not hasattr(mmap, "MADV_DONTNEED"):
            return
        self._num_read = 0
        for file_map in self._maps:
            file_map.madvise(mmap.MADV_DONTNEED)
