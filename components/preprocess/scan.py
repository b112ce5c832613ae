"""Reads every file that is not known yet, once: its hash, its verdict, its pixels and what is measured of them.

Threads, not processes: all heavy work releases Python's lock (reading, hashing, decoding, resizing), nothing has to be
copied between processes, and two threads read clothing photos 1.9 times as fast as one on two cores. What was read is
noted every few hundred files, so that a run that is killed leaves the next one only the rest.
"""

import contextlib
import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from components.contract.errors import ImageError
from components.contract.image.decode import MAX_BYTES, decode
from components.contract.image.resize import Resize
from components.contract.system.cores import num_cores
from components.preprocess.audit.perceptual_hash import perceptual_hashes
from components.preprocess.image_statistics import SKETCH_SIDE, measure
from components.preprocess.manifest import Record
from components.preprocess.progress import log_progress
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.store.cache_index import Place, Verdict, identity
from components.preprocess.store.pixel_cache import PixelStore

FILES_AT_ONCE: Final = 32
"""Files per task of the pool: enough to make its own cost vanish, few enough to stop soon."""

NOTED_FILES: Final = 256
"""After so many new files their verdicts are written to the cache."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One file that was read.

    Attributes:
        identity: of the file as it was read; None where it cannot be relied on.
        verdict: None where the file could not be read at all.
        fault: why not, as (reason, message).
        is_new: whether the verdict is not in the cache yet.
    """

    identity: str | None
    verdict: Verdict | None
    fault: tuple[str, str] | None = None
    is_new: bool = True


class Scan:
    """What was found out about the files.

    Attributes:
        records: one per file, in their order.
        sketches: uint8 (files, 32, 32), grey; zeros for files that were rejected.
        num_read: how many files had to be read.
    """

    def __init__(
        self,
        records: list[Record],
        sketches: np.ndarray,
        places: Sequence[Place | None],
        num_read: int,
        store: PixelStore,
    ):
        self.records = records
        self.sketches = sketches
        self.num_read = num_read
        self._places = places
        self._store = store

    def pixels(self, rows: Sequence[int]) -> np.ndarray:
        """Prepared pixels of files that were not rejected: uint8 (len(rows), height, width, 3), RGB."""
        places = [self._places[row] for row in rows]
        return self._store.read([place for place in places if place is not None])


def scan(files: Sequence[PhotoFile], image_size: tuple[int, int], resize: Resize, store: PixelStore) -> Scan:
    """Reads and decodes what the cache does not know."""
    readings = _look_up(files, store)
    unknown_rows = [row for row, reading in enumerate(readings) if reading is None]

    def read_block(start: int) -> list[Reading]:
        rows = unknown_rows[start : start + FILES_AT_ONCE]
        return [read_photo(files[row], image_size, resize, store) for row in rows]

    pool = ThreadPoolExecutor(num_cores(), thread_name_prefix="scan")
    try:
        with _opencv_in_one_thread(), _Notes(store) as notes:
            blocks = pool.map(read_block, range(0, len(unknown_rows), FILES_AT_ONCE))
            new_readings = log_progress(itertools.chain.from_iterable(blocks), len(unknown_rows), "files read")
            for row, reading in zip(unknown_rows, new_readings, strict=True):
                readings[row] = reading
                notes.add(files[row], reading)
    finally:
        pool.shutdown(cancel_futures=True)
    return _gather(files, [reading for reading in readings if reading is not None], len(unknown_rows), store)


def _look_up(files: Sequence[PhotoFile], store: PixelStore) -> list[Reading | None]:
    """What the cache knows of each file that is as it was; None for the others."""
    if not files:
        return []
    paths = [os.fsencode(file.location) for file in files]
    cached_files = store.find_files(os.path.commonpath([os.path.dirname(path) for path in paths]))  # noqa: PTH120
    readings: list[Reading | None] = []
    for path in paths:
        cached_identity, verdict = cached_files.get(path, (None, None))
        is_unchanged = False
        if cached_identity is not None:
            with contextlib.suppress(OSError):
                is_unchanged = identity(os.stat(path)) == cached_identity  # noqa: PTH116 - Path costs
        readings.append(Reading(cached_identity, verdict, is_new=False) if is_unchanged else None)
    return readings


class _Notes:
    """Writes verdicts to the cache, some hundred at once."""

    def __init__(self, store: PixelStore):
        self._store = store
        self._waiting: list[tuple[bytes, Reading]] = []

    def __enter__(self) -> "_Notes":
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def add(self, file: PhotoFile, reading: Reading) -> None:
        if reading.verdict is not None:
            self._waiting.append((os.fsencode(file.location), reading))
        if len(self._waiting) >= NOTED_FILES:
            self._write()

    def _write(self) -> None:
        verdicts = {
            reading.verdict.sha256: reading.verdict
            for _, reading in self._waiting
            if reading.verdict is not None and reading.is_new
        }
        files = [
            (path, reading.identity, reading.verdict.sha256)
            for path, reading in self._waiting
            if reading.identity is not None and reading.verdict is not None
        ]
        self._store.remember(list(verdicts.values()), files)
        self._waiting.clear()


def read_photo(file: PhotoFile, image_size: tuple[int, int], resize: Resize, store: PixelStore) -> Reading:
    """Reads one file, and stores its pixels where it is a photo that is not known by its content."""
    try:
        data, file_identity = _read(file)
    except OSError as error:
        return Reading(None, None, ("unreadable", f"The file must be readable: {error.strerror or error}."))
    except ImageError as error:
        return Reading(None, None, (error.code, str(error)))
    sha256 = hashlib.sha256(data).hexdigest()
    cached_verdict = store.find_content(sha256)
    if cached_verdict is not None:
        return Reading(file_identity, cached_verdict, is_new=False)
    no_measures = (None,) * 9
    try:
        photo = decode(data, image_size, resize)
    except ImageError as error:
        return Reading(file_identity, Verdict(sha256, (error.code, str(error), len(data), *no_measures), None))
    measures = measure(photo, resize)
    values = (
        None,
        None,
        len(data),
        *photo.native_size,
        photo.mode,
        photo.format,
        measures.brightness,
        measures.sharpness,
        measures.chroma,
        measures.pixel_hash,
        measures.sketch.tobytes(),
    )
    return Reading(file_identity, Verdict(sha256, values, store.add(photo.pixels)))


def _gather(files: Sequence[PhotoFile], readings: Sequence[Reading], num_read: int, store: PixelStore) -> Scan:
    sketches = np.zeros((len(files), SKETCH_SIDE, SKETCH_SIDE), np.uint8)
    for row, reading in enumerate(readings):
        if reading.verdict is not None and reading.verdict.place is not None:
            sketches[row] = np.frombuffer(reading.verdict.values[-1], np.uint8).reshape(SKETCH_SIDE, SKETCH_SIDE)
    hashes = perceptual_hashes(sketches)[0].tolist()
    records = [
        _record(file.record, reading, value) for file, reading, value in zip(files, readings, hashes, strict=True)
    ]
    places = [reading.verdict.place if reading.verdict is not None else None for reading in readings]
    return Scan(records, sketches, places, num_read, store)


def _record(record: Record, reading: Reading, perceptual_hash: int) -> Record:
    if reading.verdict is None:
        assert reading.fault is not None, "a file that was not read has a fault"
        return replace(record, reason=reading.fault[0], message=reading.fault[1])
    reason, message, num_bytes, height, width, mode, file_format, *measures, _ = reading.verdict.values
    brightness, sharpness, chroma, pixel_hash = measures
    return Record(  # `replace` takes three times as long, which shows where nothing has to be read
        path=record.path,
        class_name=record.class_name,
        split=record.split,
        group=record.group,
        sha256=reading.verdict.sha256,
        reason=reason,
        message=message,
        num_bytes=num_bytes,
        native_height=height,
        native_width=width,
        mode=mode,
        format=file_format,
        brightness=brightness,
        sharpness=sharpness,
        chroma=chroma,
        pixel_hash=pixel_hash,
        perceptual_hash=f"{perceptual_hash:016x}" if reason is None else None,
    )


def _read(file: PhotoFile) -> tuple[bytes, str | None]:
    """The file's content and identity. Anything but a regular file is refused: a table may name a pipe or device."""
    with file.open() as stream:
        status = os.fstat(stream.fileno())
        if status.st_size > MAX_BYTES:
            raise ImageError("too_large", f"A photo may have at most {MAX_BYTES:,} bytes; this file has more.")
        identity_before = identity(status)
        data = stream.read(status.st_size)
        is_unchanged = identity(os.fstat(stream.fileno())) == identity_before
    return data, identity_before if is_unchanged else None


@contextlib.contextmanager
def _opencv_in_one_thread() -> Iterator[None]:
    """Each photo is resized in the thread that decoded it; OpenCV's own threads would only compete."""
    import cv2

    num_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(num_threads)
