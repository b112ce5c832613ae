"""What was learned of files that were read before, and their pixels: the cache of preprocess, shared by all runs.

    index.sqlite        files: path and identity → content hash; verdicts: content hash and recipe → record and place;
                        depths: content hash → values of a photo with more than 8 bits each
    packs/<id>.pack     prepared pixels, row after row, as they were read
    shards/<key>.arrow  shards of data sets; a data set holds hard links to them

A file whose size, times and inode are as they were is not read again; equal content under another name is not decoded
again; a shard whose photos are as they were is not written again. Each photo's pixels is in one place: in a pack
until their shard is written, then in the shard. What is lost or damaged here is made again.
"""

import contextlib
import logging
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

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
)
from components.preprocess.store.eviction import evict_oldest, thin_packs
from components.preprocess.store.pixel_files import PixelFiles

log = logging.getLogger(__name__)

PATHS_AT_ONCE: Final = 500
"""Of a query; SQLite allows 32,766 values."""


class PixelStore:
    """The cache for one recipe: one size, way of resizing, and for photos with more than 8 bits per value one range.

    Attributes:
        pixel_range: the values that become black and white; to be set before such photos are added or looked up.
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
        """The size of one photo's pixels."""
        return self._files.row_bytes

    def recipe_of(self, *, is_deep: bool) -> str:
        """What the pixels of a photo depend on beside its content."""
        return f"{self.recipe}-{self.pixel_range[0]}:{self.pixel_range[1]}" if is_deep else self.recipe

    def find_files(self, paths: Sequence[bytes]) -> Iterator[tuple[bytes, str, Verdict]]:
        """(path, identity, verdict) of the known files among some; no photos with more than 8 bits per value."""
        query = (
            f"select path, identity, v.sha256, container, place, {', '.join(COLUMNS)} from files f join verdicts v "  # noqa: S608 - COLUMNS is a constant
            "on v.sha256 = f.sha256 and v.recipe = ? where path in"
        )
        for path, identity, *values in self._each_path(query, paths, self.recipe):
            verdict = self._usable(*values)
            if verdict is not None:
                yield path, identity, verdict

    def find_depths(self, paths: Sequence[bytes]) -> Iterator[tuple[bytes, str, str, Depth]]:
        """(path, identity, content hash, depth) of the photos with more than 8 bits per value among some files."""
        query = (
            "select path, identity, d.sha256, lowest, highest, num_values, declared from files f join depths d "
            "on d.sha256 = f.sha256 where path in"
        )
        for path, identity, sha256, *numbers in self._each_path(query, paths):
            yield path, identity, sha256, Depth(*numbers)

    def _each_path(self, query: str, paths: Sequence[bytes], *values: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query that ends with `in`, for some paths at once."""
        for start in range(0, len(paths), PATHS_AT_ONCE):
            some = paths[start : start + PATHS_AT_ONCE]
            yield from self._index.execute(f"{query} ({', '.join('?' * len(some))})", (*values, *some))

    def find_depth(self, sha256: str) -> Depth | None:
        """The depth of a content, if it is known; may be called from several threads."""
        with self._lock:
            row = self._index.execute(
                "select lowest, highest, num_values, declared from depths where sha256 = ?", (sha256,)
            ).fetchone()
        return None if row is None else Depth(*row)

    def find_content(self, sha256: str, *, is_deep: bool = False) -> Verdict | None:
        """What is known of a content; may be called from several threads."""
        with self._lock:
            row = self._index.execute(
                f"select sha256, container, place, {', '.join(COLUMNS)} from verdicts where sha256 = ? and recipe = ?",  # noqa: S608 - COLUMNS is a constant
                (sha256, self.recipe_of(is_deep=is_deep)),
            ).fetchone()
        return None if row is None else self._usable(*row)

    def _usable(self, sha256: str, container: str | None, start: int | None, *values: Any) -> Verdict | None:
        """None if the pixels are gone."""
        if container is None or start is None:
            return Verdict(sha256, values, None)
        if container not in self._files.used:
            if not (self.folder / container).is_file():
                return None
            if container.startswith("packs/"):
                self._files.open(container)  # once open, it can be read whatever another run does
            self._files.used.add(container)
        return Verdict(sha256, values, Place(container, start))

    def remember(
        self, verdicts: Sequence[Verdict], files: Sequence[tuple[bytes, str, str]], depths: Mapping[str, Depth]
    ) -> None:
        """Records verdicts, files as (path, identity, content hash), and depths by content, at once or not at all."""
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
        """Takes over what other stores of this recipe know, all of it or nothing.

        Args:
            contents: what they know; their packs are among the packs here.

        Returns:
            Whether it was taken over; if not, the index cannot be written.
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
        """A transaction of the index; where the index cannot be written, the notes are lost, and the run continues."""
        try:
            with self._index:
                yield
        except sqlite3.OperationalError as error:
            self.warn_unwritable(error)

    def add(self, pixels: np.ndarray) -> Place:
        """Stores uint8 (height, width, 3); may be called from several threads.

        Raises:
            OSError: neither the cache nor the folder of temporary files can be written.
        """
        return self._files.add(pixels)

    def read(self, places: Sequence[Place]) -> np.ndarray:
        """Pixels in the given order: uint8 (len(places), height, width, 3).

        Raises:
            DataError: another program removed them meanwhile.
        """
        return self._files.read(places)

    def warn_unwritable(self, error: OSError | sqlite3.OperationalError) -> None:
        """Logs, once, that the run continues without writing into the cache.

        Raises:
            OSError: the error is not about a disk that is full or not to be written to.
        """
        self._files.warn_unwritable(error)

    def shard_path(self, key: str) -> Path:
        """Where the shard of a key stands, or will."""
        return self.folder / "shards" / f"{key}.arrow"

    def move_to_shard(self, key: str, photos: Sequence[tuple[str, bool]]) -> None:
        """Records that the pixels of these photos, as (content hash, is_deep), are in a shard, one after another."""
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
        """Ends the use: packs whose photos is in shards go, and what was used longest ago where it is too much."""
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
    """The cache; where its folder cannot be written, one for this run alone."""
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
    """The byte of an Arrow shard at which its pixels begin."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        start = file.read_buffer().address
        file.seek(0)
        buffer = pa.ipc.open_file(file).get_batch(0).column("pixels").buffers()[1]
        return int(buffer.address - start)
