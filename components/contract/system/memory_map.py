"""Regularly releases the pages of memory-mapped files, because pages that were read count as used memory."""

import mmap
from collections.abc import Sequence
from typing import Final

MAX_MAPPED_BYTES: Final = 2**29
"""After this many bytes have been read, all pages are released. The system still caches them and returns them
quickly."""


class FileMaps:
    """Memory maps that are read repeatedly, in random order."""

    def __init__(self, maps: Sequence[mmap.mmap]):
        self._maps = maps
        self._num_read = 0

    def note(self, num_bytes: int) -> None:
        """Counts the bytes read, and releases the pages of all maps after every MAX_MAPPED_BYTES."""
        self._num_read += num_bytes
        if self._num_read < MAX_MAPPED_BYTES or not hasattr(mmap, "MADV_DONTNEED"):
            return
        self._num_read = 0
        for file_map in self._maps:
            file_map.madvise(mmap.MADV_DONTNEED)
