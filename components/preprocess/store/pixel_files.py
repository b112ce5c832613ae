"""The files of the cache: packs and shards, which contain prepared pixels row after row."""

import contextlib
import fcntl
import logging
import os
import secrets
import sqlite3
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.errors import DataError
from components.contract.system.atomic_files import NOT_WRITABLE
from components.preprocess.store.cache_index import Place

log = logging.getLogger(__name__)

MAX_OPEN: Final = 800
"""The maximum number of cache files that stay open, and thus readable even if another run removes them. Most systems
allow 1,024 open files."""


class PixelFiles:
    """Writes pixels to a new pack, and reads pixels from all packs and shards.

    Attributes:
        folder: the folder of the cache.
        recipe: the recipe of the pixels; the names of the packs start with it.
        image_shape: the shape of a row, (height, width, 3).
        row_bytes: the size of a row.
        used: the names of the files that this run has used.
        pack_name: the name of the pack to which this run writes.
        overflow: the path of a temporary file that replaces this pack if the cache cannot be written; None until then.
    """

    def __init__(self, folder: Path, recipe: str, image_shape: tuple[int, int, int]):
        self.folder = folder
        self.recipe = recipe
        self.image_shape = image_shape
        self.row_bytes = int(np.prod(image_shape))
        self.used: set[str] = set()
        self.pack_name = self.new_pack_name()
        self.overflow: str | None = None
        self._files: dict[str, int] = {}
        self._lock = threading.Lock()
        self._pack: int | None = None
        self._pack_rows = 0
        self._warned = False

    def new_pack_name(self) -> str:
        """A random name for a new pack."""
        return f"packs/{self.recipe}-{secrets.token_hex(8)}.pack"

    def add(self, pixels: np.ndarray) -> Place:
        """Stores the pixels of a photo, uint8 (height, width, 3). Thread-safe.

        Raises:
            OSError: neither the cache nor the folder of temporary files can be written.
        """
        content = np.ascontiguousarray(pixels).data.cast("B")
        while True:
            name = self.pack_name
            try:
                with self._lock:
                    name, pack, start = self._next_row()
                _write_at(pack, content, start)
            except OSError as error:
                self._overflow_from(name, error)
            else:
                self.used.add(name)
                return Place(name, start)

    def _next_row(self) -> tuple[str, int, int]:
        """Returns (pack name, file descriptor, byte at which the next row begins); creates the pack if necessary."""
        if self._pack is None:
            self._pack = os.open(self.folder / self.pack_name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            with contextlib.suppress(OSError):  # some network file systems do not support locks
                fcntl.flock(self._pack, fcntl.LOCK_EX)  # prevents other runs from removing the pack
        start = self._pack_rows * self.row_bytes
        self._pack_rows += 1
        return self.pack_name, self._pack, start

    def _overflow_from(self, name: str, error: OSError) -> None:
        """Switches to a temporary file, because the cache cannot be written.

        Raises:
            OSError: `error` itself, if the temporary file cannot be written either, or if `warn_unwritable` raises it.
        """
        with self._lock:
            if name != self.pack_name:
                return  # another thread has already switched
            if name == self.overflow:
                raise error
            self.warn_unwritable(error)
            if self._pack is not None:
                self._files[name] = self._pack  # the rows already written remain readable
            file, self.overflow = tempfile.mkstemp(prefix="darkroom-", suffix=".pack")
            self._pack, self.pack_name, self._pack_rows = file, self.overflow, 0

    def warn_unwritable(self, error: OSError | sqlite3.OperationalError) -> None:
        """Logs once that the cache cannot be written, and that the run continues without it.

        Raises:
            OSError: `error` itself, unless its cause is a full disk, a read-only disk or missing permissions.
        """
        if isinstance(error, OSError) and error.errno not in NOT_WRITABLE:
            raise error
        if not self._warned:
            self._warned = True
            log.warning(
                "The cache %s cannot be written: %s. The run continues without it. Free some space, or "
                "set another folder with DARKROOM_CACHE.",
                self.folder,
                error,
            )

    def read(self, places: Sequence[Place]) -> np.ndarray:
        """Reads pixels in the order of `places`: uint8 (len(places), height, width, 3).

        Raises:
            DataError: a file with the pixels has been removed or truncated.
        """
        pixels = np.empty((len(places), *self.image_shape), np.uint8)
        for target, place in zip(pixels, places, strict=True):
            if os.preadv(self.open(place.container), [target.data], place.start) != self.row_bytes:
                raise DataError(
                    f"The cache must not change while it is read; {self.folder / place.container} has been "
                    "truncated. Remove it and run again."
                )
        return pixels

    def open(self, container: str) -> int:
        """The descriptor of a file; an open file remains readable even if another run removes it.

        Raises:
            DataError: the file can no longer be opened.
        """
        if container == self.pack_name and self._pack is not None:
            return self._pack
        with self._lock:
            file = self._files.get(container)
            if file is None:
                if len(self._files) >= MAX_OPEN:
                    os.close(self._files.pop(next(iter(self._files))))
                try:
                    file = os.open(self.folder / container, os.O_RDONLY)
                except OSError as error:
                    raise DataError(
                        f"The cache must not change while it is read; {self.folder / container} can no longer be "
                        f"read: {error.strerror}. Run again."
                    ) from None
                self._files[container] = file
        return file

    def close(self) -> None:
        """Closes all files, and removes the temporary file."""
        for file in (*self._files.values(), *([self._pack] if self._pack is not None else [])):
            os.close(file)
        if self.overflow is not None:
            Path(self.overflow).unlink(missing_ok=True)


def _write_at(file: int, content: memoryview, position: int) -> None:
    while content:
        num_bytes = os.pwrite(file, content, position)
        content, position = content[num_bytes:], position + num_bytes
