"""The cache of preprocess, shared by all runs: facts about files that were read before, and their pixels.

    index.sqlite        see components/preprocess/store/cache_index.py
    packs/<id>.pack     prepared pixels, one row per photo, in the order in which the photos were read
    shards/<key>.arrow  shards of data sets; a data set contains hard links to them

A file with the same size, times and inode as before is not read again. A file with known content but a new name is
read, but not decoded. A shard with the same photos is not written again. The pixels of each photo are stored once: in a
pack until their shard is written, then in the shard. Anything that is lost or damaged in the cache is recreated.
"""

import contextlib
import logging
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.contract.artifacts.dataset import FULL_RANGE
from components.contract.image.sample_depth import Depth
from components.contract.system.cache import cache_dir
from components.preprocess.store.cache_index import (
    COLUMNS,
    MOVE,
    REMEMBER_DEPTH,
    REMEMBER_FILE,
    REMEMBER_VERDICT,
    VERSION,
    IndexContent,
    Place,
    Verdict,
    open_index,
    select_in,
)
from components.preprocess.store.eviction import evict_oldest, thin_packs
from components.preprocess.store.pixel_files import PixelFiles

log = logging.getLogger(__name__)


class PixelStore:
    """The cache for one recipe: size, resize mode and, for photos with more than 8 bits per value, pixel range.

    Attributes:
        pixel_range: the values that become black and white; set it before adding or looking up photos with more than 8
            bits per value.
    """

    def __init__(self, folder: Path, image_size: tuple[int, int], resize: str):
        self.folder = folder
        self.recipe = f"{VERSION}-{image_size[0]}x{image_size[1]}-{resize}"
        self.pixel_range = FULL_RANGE
        self._files = PixelFiles(folder, self.recipe, (*image_size, 3))
        self._lock = threading.Lock()
        for name in ("packs", "shards"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._index = open_index(folder / "index.sqlite")

    @property
    def row_bytes(self) -> int:
        """The size of the pixels of one photo, in bytes."""
        return self._files.row_bytes

    def recipe_of(self, *, is_deep: bool) -> str:
        """The recipe: all params that the pixels of a photo depend on."""
        return f"{self.recipe}-{self.pixel_range[0]}:{self.pixel_range[1]}" if is_deep else self.recipe

    def find_files(self, paths: Sequence[bytes]) -> Iterator[tuple[bytes, str, Verdict]]:
        """Yields (path, identity, verdict) of each known file; omits photos with more than 8 bits per value."""
        query = (
            f"select path, identity, v.sha256, container, place, {', '.join(COLUMNS)} from files f join verdicts v "  # noqa: S608 - COLUMNS is a constant
            "on v.sha256 = f.sha256 and v.recipe = ? where path in"
        )
        for path, identity, *values in select_in(self._index, query, paths, self.recipe):
            verdict = self._usable(*values)
            if verdict is not None:
                yield path, identity, verdict

    def find_depths(self, paths: Sequence[bytes]) -> Iterator[tuple[bytes, str, str, Depth]]:
        """Yields (path, identity, content hash, depth) of each known photo with more than 8 bits per value."""
        query = (
            "select path, identity, d.sha256, lowest, highest, num_values, declared from files f join depths d "
            "on d.sha256 = f.sha256 where path in"
        )
        for path, identity, sha256, *numbers in select_in(self._index, query, paths):
            yield path, identity, sha256, Depth(*numbers)

    def find_depth(self, sha256: str) -> Depth | None:
        """The depth of a photo with this content hash; None if unknown. Thread-safe."""
        with self._lock:
            row = self._index.execute(
                "select lowest, highest, num_values, declared from depths where sha256 = ?", (sha256,)
            ).fetchone()
        return None if row is None else Depth(*row)

    def find_content(self, sha256: str, *, is_deep: bool = False) -> Verdict | None:
        """The verdict on a file with this content hash; None if unknown. Thread-safe."""
        with self._lock:
            row = self._index.execute(
                f"select sha256, container, place, {', '.join(COLUMNS)} from verdicts where sha256 = ? and recipe = ?",  # noqa: S608 - COLUMNS is a constant
                (sha256, self.recipe_of(is_deep=is_deep)),
            ).fetchone()
        return None if row is None else self._usable(*row)

    def _usable(self, sha256: str, container: str | None, start: int | None, *values: Any) -> Verdict | None:
        """The verdict; None if its pixels are no longer in the cache."""
        if container is None or start is None:
            return Verdict(sha256, values, None)
        if container not in self._files.used:
            if not (self.folder / container).is_file():
                return None
            if container.startswith("packs/"):
                self._files.open(container)  # an open file remains readable even if another run removes it
            self._files.used.add(container)
        return Verdict(sha256, values, Place(container, start))

    def remember(
        self, verdicts: Sequence[Verdict], files: Sequence[tuple[bytes, str, str]], depths: Mapping[str, Depth]
    ) -> None:
        """Saves verdicts, files as (path, identity, content hash), and depths by content hash, in one transaction."""
        verdicts = [each for each in verdicts if each.place is None or each.place.container != self._files.overflow]
        with self._lock, self._transaction():
            self._index.executemany(REMEMBER_VERDICT, [self._row(verdict) for verdict in verdicts])
            self._index.executemany(REMEMBER_FILE, files)
            self._index.executemany(
                REMEMBER_DEPTH,
                [
                    (sha256, depth.lowest, depth.highest, depth.num_values, depth.declared)
                    for sha256, depth in depths.items()
                ],
            )

    def adopt(self, contents: Sequence[IndexContent]) -> bool:
        """Adds the content of other stores with the same recipe, in one transaction.

        Args:
            contents: the contents of the indexes of the other stores; their packs must already be in this cache.

        Returns:
            Whether the content was added; False if the index cannot be written.
        """
        try:
            with self._lock, self._index:
                for content in contents:
                    self._index.executemany(REMEMBER_VERDICT, content.verdicts)
                    self._index.executemany(REMEMBER_DEPTH, content.depths)
                    self._index.executemany(REMEMBER_FILE, content.files)
        except sqlite3.OperationalError as error:
            self.warn_unwritable(error)
            return False
        return True

    def _row(self, verdict: Verdict) -> tuple[Any, ...]:
        place = verdict.place
        location = (None, None) if place is None else (place.container, place.start)
        return verdict.sha256, self.recipe_of(is_deep=verdict.is_deep), *location, *verdict.values

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """An index transaction; if the index cannot be written, the changes are lost, but the run continues."""
        try:
            with self._index:
                yield
        except sqlite3.OperationalError as error:
            self.warn_unwritable(error)

    def add(self, pixels: np.ndarray) -> Place:
        """Stores the pixels of a photo, uint8 (height, width, 3). Thread-safe.

        Raises:
            OSError: neither the cache nor the folder of temporary files can be written.
        """
        return self._files.add(pixels)

    def read(self, places: Sequence[Place]) -> np.ndarray:
        """Reads pixels in the order of `places`: uint8 (len(places), height, width, 3).

        Raises:
            DataError: a file with the pixels has been removed or truncated.
        """
        return self._files.read(places)

    def warn_unwritable(self, error: OSError | sqlite3.OperationalError) -> None:
        """Logs once that the cache cannot be written, and that the run continues without it.

        Raises:
            OSError: `error` itself, unless its cause is a full disk, a read-only disk or missing permissions.
        """
        self._files.warn_unwritable(error)

    def shard_path(self, key: str) -> Path:
        """The path of the shard with this key; the shard need not exist."""
        return self.folder / "shards" / f"{key}.arrow"

    def move_to_shard(self, key: str, photos: Sequence[tuple[str, bool]]) -> None:
        """Records that the pixels of photos, given as (content hash, is_deep), are now in a shard, in this order."""
        container = f"shards/{key}.arrow"
        first = _pixels_begin(self.folder / container)
        self._files.used.add(container)
        places = [
            (container, first + row * self.row_bytes, sha256, self.recipe_of(is_deep=is_deep))
            for row, (sha256, is_deep) in enumerate(photos)
        ]
        with self._lock, self._transaction():
            self._index.executemany(MOVE, places)

    def mark_used(self, key: str) -> None:
        """Records that this run uses a shard, so that `close` keeps it."""
        self._files.used.add(f"shards/{key}.arrow")

    def close(self) -> None:
        """Cleans up the cache, as eviction.py describes, and closes it."""
        try:
            thin_packs(self._index, self._files)
            evict_oldest(self._index, self._files)
        except (OSError, sqlite3.Error) as error:
            log.warning("The cache %s could not be cleaned up: %s.", self.folder, error)
        finally:
            self._files.close()
            self._index.close()


@contextlib.contextmanager
def open_store(image_size: tuple[int, int], resize: str) -> Iterator[PixelStore]:
    """Opens the cache; if its folder cannot be written, opens a temporary cache for this run."""
    folder = cache_dir() / "pixels"
    with contextlib.ExitStack() as stack:
        try:
            store = PixelStore(folder, image_size, resize)
        except (OSError, sqlite3.Error) as error:
            log.warning("The cache %s cannot be used, so this run continues without it: %s.", folder, error)
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-"))
            store = PixelStore(Path(scratch), image_size, resize)
        try:
            yield store
        finally:
            store.close()


def _pixels_begin(path: Path) -> int:
    """The byte at which the pixels of an Arrow shard begin."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        start = file.read_buffer().address
        file.seek(0)
        buffer = pa.ipc.open_file(file).get_batch(0).column("pixels").buffers()[1]
        return int(buffer.address - start)
