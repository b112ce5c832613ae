"""What was learnt of files that were read before, and their pixels: the cache of preprocess, shared by all runs.

    index.sqlite        files: path and identity → content hash; verdicts: content hash and recipe → record and place
    packs/<id>.pack     prepared pixels, row after row, as they were read
    shards/<key>.arrow  shards of data sets; a data set holds hard links to them

A file whose size, times and inode are as they were is not read again; equal content under another name is not decoded
again; a shard whose photos are as they were is not written again. Each photo's pixels stand in one place: in a pack
until their shard is written, then in the shard. What is lost or damaged here is made anew.
"""

import contextlib
import fcntl
import logging
import os
import secrets
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from components.contract.errors import DataError
from components.contract.system.atomic_files import NOT_WRITABLE
from components.contract.system.cache import cache_dir, cache_limit
from components.preprocess.store.cache_index import COLUMNS, MOVE, VERSION, Place, Verdict, open_index

log = logging.getLogger(__name__)

MAX_OPEN: Final = 200


class PixelStore:
    """The cache for one recipe: one size and way of resizing."""

    def __init__(self, folder: Path, image_size: tuple[int, int], resize: str):
        self.folder = folder
        self.image_shape = (*image_size, 3)
        self.recipe = f"{VERSION}-{image_size[0]}x{image_size[1]}-{resize}"
        self.row_bytes = int(np.prod(self.image_shape))
        self._files: dict[str, int] = {}
        self._lock = threading.Lock()
        self._used: set[str] = set()
        for name in ("packs", "shards"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._index = open_index(folder / "index.sqlite")
        self._pack_name = self._new_pack_name()
        self._pack: int | None = None
        self._pack_rows = 0
        self._overflow: str | None = None
        self._warned = False

    def _new_pack_name(self) -> str:
        return f"packs/{self.recipe}-{secrets.token_hex(8)}.pack"

    # --- verdicts -------------------------------------------------------------------------------------------------

    def known_files(self, root: bytes) -> dict[bytes, tuple[str, Verdict]]:
        """Path to (identity, verdict) of the files below a folder."""
        low, high = root.rstrip(b"/") + b"/", root.rstrip(b"/") + b"0"  # "0" comes after "/"
        rows = self._index.execute(
            f"select path, identity, v.sha256, container, place, {', '.join(COLUMNS)} from files f join verdicts v "  # noqa: S608 - COLUMNS is a constant
            "on v.sha256 = f.sha256 and v.recipe = ? where path > ? and path < ?",
            (self.recipe, low, high),
        )
        return {
            path: (identity, verdict) for path, identity, *rest in rows if (verdict := self._usable(*rest)) is not None
        }

    def known_content(self, sha256: str) -> Verdict | None:
        """What is known of a content; may be called from several threads."""
        with self._lock:
            row = self._index.execute(
                f"select sha256, container, place, {', '.join(COLUMNS)} from verdicts where sha256 = ? and recipe = ?",  # noqa: S608 - COLUMNS is a constant
                (sha256, self.recipe),
            ).fetchone()
        return None if row is None else self._usable(*row)

    def _usable(self, sha256: str, container: str | None, start: int | None, *values: Any) -> Verdict | None:
        """None where the pixels are gone."""
        if container is None or start is None:
            return Verdict(sha256, values, None)
        if container not in self._used:
            if not (self.folder / container).is_file():
                return None
            if container.startswith("packs/"):  # once open, it can be read whatever another run does
                self._opened(container)
            self._used.add(container)
        return Verdict(sha256, values, Place(container, start))

    def remember(self, verdicts: Sequence[Verdict], files: Sequence[tuple[bytes, str, str]]) -> None:
        """Notes verdicts, and files as (path, identity, content hash), at once or not at all."""
        marks = ", ".join("?" * (len(COLUMNS) + 4))
        verdicts = [one for one in verdicts if one.place is None or one.place.container != self._overflow]
        with self._lock, self._noting():
            self._index.executemany(
                f"insert or replace into verdicts (sha256, recipe, container, place, {', '.join(COLUMNS)}) "  # noqa: S608 - COLUMNS is a constant
                f"values ({marks})",
                [
                    (
                        one.sha256,
                        self.recipe,
                        *((one.place.container, one.place.start) if one.place else (None, None)),
                        *one.values,
                    )
                    for one in verdicts
                ],
            )
            self._index.executemany("insert or replace into files values (?, ?, ?)", files)

    # --- pixels ---------------------------------------------------------------------------------------------------

    def add(self, pixels: np.ndarray) -> Place:
        """Stores uint8 (height, width, 3); may be called from several threads.

        Raises:
            OSError: neither the cache nor the folder of temporary files can be written.
        """
        content = np.ascontiguousarray(pixels).data.cast("B")
        while True:
            name = self._pack_name
            try:
                with self._lock:
                    name, pack, start = self._next_row()
                _write_at(pack, content, start)
            except OSError as error:
                self._overflow_from(name, error)
            else:
                self._used.add(name)
                return Place(name, start)

    def _next_row(self) -> tuple[str, int, int]:
        """The name of the pack, its descriptor, and where the next row begins."""
        if self._pack is None:
            self._pack = os.open(self.folder / self._pack_name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            with contextlib.suppress(OSError):  # without locks, as on some network disks
                fcntl.flock(self._pack, fcntl.LOCK_EX)  # no other run removes it
        start = self._pack_rows * self.row_bytes
        self._pack_rows += 1
        return self._pack_name, self._pack, start

    def _overflow_from(self, name: str, error: OSError) -> None:
        """Puts further pixels into a temporary file, because the cache cannot be written.

        Raises:
            OSError: it is that file that cannot be written, or the error is of another kind.
        """
        with self._lock:
            if name != self._pack_name:
                return  # another thread was first
            if name == self._overflow:
                raise error
            self.warn_unwritable(error)
            if self._pack is not None:
                self._files[name] = self._pack  # what is there can be read
            file, self._overflow = tempfile.mkstemp(prefix="darkroom-", suffix=".pack")
            self._pack, self._pack_name, self._pack_rows = file, self._overflow, 0

    def warn_unwritable(self, error: OSError | sqlite3.OperationalError) -> None:
        """Logs, once, that the run goes on without writing into the cache.

        Raises:
            OSError: the error is not about a disk that is full or not to be written to.
        """
        if isinstance(error, OSError) and error.errno not in NOT_WRITABLE:
            raise error
        if not self._warned:
            self._warned = True
            log.warning(
                "The cache %s cannot be written: %s. This run goes on without it; make room, or name another "
                "folder with DARKROOM_CACHE.",
                self.folder,
                error,
            )

    @contextlib.contextmanager
    def _noting(self) -> Iterator[None]:
        """A transaction of the index; where the index cannot be written, the notes are lost, and the run goes on."""
        try:
            with self._index:
                yield
        except sqlite3.OperationalError as error:
            self.warn_unwritable(error)

    def read(self, places: Sequence[Place]) -> np.ndarray:
        """Pixels in the given order: uint8 (len(places), height, width, 3).

        Raises:
            DataError: another program removed them meanwhile.
        """
        pixels = np.empty((len(places), *self.image_shape), np.uint8)
        for target, place in zip(pixels, places, strict=True):
            if os.preadv(self._opened(place.container), [target.data], place.start) != self.row_bytes:
                raise DataError(
                    f"The cache must stay while it is read; {self.folder / place.container} has become "
                    "shorter. Remove it and run again."
                )
        return pixels

    def _opened(self, container: str) -> int:
        if container == self._pack_name and self._pack is not None:
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
                        f"The cache must stay while it is read; {self.folder / container} cannot be read "
                        f"any more: {error.strerror}. Run again."
                    ) from None
                self._files[container] = file
        return file

    # --- shards ---------------------------------------------------------------------------------------------------

    def shard_path(self, key: str) -> Path:
        """Where the shard of a key stands, or will."""
        return self.folder / "shards" / f"{key}.arrow"

    def move_to_shard(self, key: str, sha256s: Sequence[str]) -> None:
        """Notes that the pixels of these photos now stand in a shard, one after another."""
        container = f"shards/{key}.arrow"
        first = _pixels_begin(self.folder / container)
        self._used.add(container)
        places = [(container, first + row * self.row_bytes, sha256, self.recipe) for row, sha256 in enumerate(sha256s)]
        with self._lock, self._noting():
            self._index.executemany(MOVE, places)

    def mark_used(self, key: str) -> None:
        """Notes that this run uses a shard, so that `close` keeps it."""
        self._used.add(f"shards/{key}.arrow")

    # --- order ----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Ends the use: packs whose photos stand in shards go, and what was used longest ago where it is too much."""
        try:
            self._thin_packs()
            self._keep_to_limit()
        except (OSError, sqlite3.Error) as error:
            log.warning("The cache %s could not be put in order: %s.", self.folder, error)
        finally:
            for file in (*self._files.values(), *([self._pack] if self._pack is not None else [])):
                os.close(file)
            self._index.close()
            if self._overflow is not None:
                Path(self._overflow).unlink(missing_ok=True)

    def _thin_packs(self) -> None:
        """Packs of which at least half the rows stand in shards give way to a pack of the rest."""
        for path in (self.folder / "packs").glob(f"{self.recipe}-*.pack"):
            container = f"packs/{path.name}"
            if container != self._pack_name and not _lockable(path):
                continue
            rows = self._index.execute(
                "select sha256, place from verdicts where container = ?", (container,)
            ).fetchall()
            if 2 * len(rows) * self.row_bytes <= path.stat().st_size:
                if rows:
                    self._move_rest(rows, container)
                path.unlink()

    def _move_rest(self, rows: Sequence[tuple[str, int]], container: str) -> None:
        name = self._new_pack_name()
        with (self.folder / name).open("xb") as file:
            for _, start in rows:
                file.write(self.read([Place(container, start)]).data)
        moved = [(name, row * self.row_bytes, sha256, self.recipe) for row, (sha256, _) in enumerate(rows)]
        with self._index:
            self._index.executemany(MOVE, moved)
        self._used.add(name)

    def _keep_to_limit(self) -> None:
        now, limit = time.time(), cache_limit()
        with self._index:
            self._index.executemany(
                "insert or replace into used values (?, ?)",
                [(name, now) for name in self._used if name != self._overflow],
            )
        used = dict(self._index.execute("select container, at from used"))
        sizes = {
            str(path.relative_to(self.folder)): path.stat().st_size
            for pattern in ("packs/*.pack", "shards/*.arrow")
            for path in self.folder.glob(pattern)
        }
        gone = [(name,) for name in used if name not in sizes]
        total = sum(sizes.values())
        for name in sorted(sizes, key=lambda name: used.get(name, 0.0)):
            if total <= limit or name in self._used:
                break
            if _lockable(self.folder / name):
                (self.folder / name).unlink()
                gone.append((name,))
                total -= sizes[name]
        if gone:
            with self._index:
                self._index.executemany("delete from used where container = ?", gone)
                self._index.executemany("delete from verdicts where container = ?", gone)


@contextlib.contextmanager
def open_store(image_size: tuple[int, int], resize: str) -> Iterator[PixelStore]:
    """The cache; where its folder cannot be written, one for this run alone."""
    folder = cache_dir() / "pixels"
    with contextlib.ExitStack() as stack:
        try:
            store = PixelStore(folder, image_size, resize)
        except (OSError, sqlite3.Error) as error:
            log.warning("The cache %s cannot be used, so this run goes without: %s.", folder, error)
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-"))
            store = PixelStore(Path(scratch), image_size, resize)
        try:
            yield store
        finally:
            store.close()


def _write_at(file: int, content: memoryview, position: int) -> None:
    while content:
        written = os.pwrite(file, content, position)
        content, position = content[written:], position + written


def _lockable(path: Path) -> bool:
    """Whether no run writes into the file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _pixels_begin(path: Path) -> int:
    """The byte of an Arrow shard at which its pixels begin."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        start = file.read_buffer().address
        file.seek(0)
        buffer = pa.ipc.open_file(file).get_batch(0).column("pixels").buffers()[1]
        return int(buffer.address - start)
