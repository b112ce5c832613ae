"""Files that are mapped into memory and leave it again: what was read counts as memory until it is let go."""

import mmap
from collections.abc import Sequence
from typing import Final

MAX_MAPPED_BYTES: Final = 2**29
"""So much may be read before all is let go; the system still has it, and gives it back in microseconds."""


class FileMaps:
    """Maps that are read here and there, over and over."""

    def __init__(self, maps: Sequence[mmap.mmap]):
        self._maps = maps
        self._num_read = 0

    def note(self, num_bytes: int) -> None:
        """So much has been read; now and then lets all go."""
        self._num_read += num_bytes
        if self._num_read < MAX_MAPPED_BYTES or not hasattr(mmap, "MADV_DONTNEED"):
            return
        self._num_read = 0
        for file_map in self._maps:
            file_map.madvise(mmap.MADV_DONTNEED)
