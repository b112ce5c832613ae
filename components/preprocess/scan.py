"""Reads all files that are not in the cache: computes hashes, decodes and measures the photos, and stores their pixels.

Photos with more than 8 bits per value are read twice, because the range by which they are scaled depends on all of
them.

The work runs in threads, not processes: reading, hashing, decoding and resizing release the GIL, nothing is copied
between processes, and on two cores two threads read photos 1.9 times as fast as one. Results are saved every few
hundred files, so that after a run is killed, the next run only reads the remaining files.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import numpy as np

from components.contract.artifacts.dataset import PixelRange
from components.contract.image.resize import Resize
from components.contract.image.sample_depth import settle_range
from components.contract.system.cores import num_cores
from components.contract.system.progress import log_progress
from components.preprocess.audit.perceptual_hash import perceptual_hashes
from components.preprocess.image_statistics import SKETCH_SIDE
from components.preprocess.manifest import Record
from components.preprocess.reading import Reading, read_photo, scale_photo
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.sources.remote.remote_folder import fetch_photos
from components.preprocess.store.pixel_cache import PixelStore

FILES_AT_ONCE: Final = 32
"""Files per task of the thread pool: enough that the overhead is negligible, few enough that the pool stops quickly."""
NOTED_FILES: Final = 256
"""The number of new files after which the results are written to the cache."""


class Scan:
    """The results of reading the files.

    Attributes:
        records: one per file, in the order of the files.
        sketches: uint8 (files, 32, 32), gray; zeros for files that were rejected.
        depths: the depth of each file; None if it is not a photo with more than 8 bits per value.
        pixel_range: the values that became black and white in photos with more than 8 bits per value.
        num_read: the number of files that were read, because they were not in the cache.
    """

    def __init__(
        self,
        records: list[Record],
        sketches: np.ndarray,
        readings: Sequence[Reading],
        num_read: int,
        store: PixelStore,
    ):
        self.records = records
        self.sketches = sketches
        self.num_read = num_read
        self.depths = [reading.depth for reading in readings]
        self.pixel_range = store.pixel_range
        self._places = [reading.verdict.place if reading.verdict is not None else None for reading in readings]
        self._store = store

    def pixels(self, rows: Sequence[int]) -> np.ndarray:
        """The prepared pixels of files that were not rejected: uint8 (len(rows), height, width, 3), RGB."""
        places = [self._places[row] for row in rows]
        return self._store.read([place for place in places if place is not None])


def scan(
    files: Sequence[PhotoFile],
    image_size: tuple[int, int],
    resize: Resize,
    store: PixelStore,
    given_range: PixelRange | None = None,
) -> Scan:
    """Reads and decodes the files that are not in the cache.

    Args:
        files: the files.
        image_size: (height, width) in pixels.
        resize: how photos with a different aspect ratio are fitted.
        store: the cache for this size; the scan sets its pixel range.
        given_range: the pixel range; None to determine it from the photos, except those in an existing test split.

    Raises:
        DataError: a file changed while it was read.
    """
    readings, num_read = _read_unknown(files, image_size, resize, store)
    deep_rows = _deep_rows(readings)
    measured_rows = [row for row in deep_rows if files[row].record.split != "test"] or deep_rows
    store.pixel_range = given_range or settle_range([depth for row in measured_rows if (depth := readings[row].depth)])
    _scale(deep_rows, readings, files, image_size, resize, store)
    return _gather(files, readings, num_read, store)


def scan_portion(
    files: Sequence[PhotoFile],
    image_size: tuple[int, int],
    resize: Resize,
    store: PixelStore,
    given_range: PixelRange | None = None,
) -> None:
    """Does the part of `scan` that does not depend on other files, for a portion of the files.

    Args:
        files: the portion.
        image_size: (height, width) in pixels.
        resize: how photos with a different aspect ratio are fitted.
        store: the cache for the results.
        given_range: the pixel range; if None, photos with more than 8 bits per value are only measured.

    Raises:
        DataError: a file changed while it was read.
    """
    readings, _ = _read_unknown(files, image_size, resize, store)
    if given_range is not None:
        store.pixel_range = given_range
        _scale(_deep_rows(readings), readings, files, image_size, resize, store)


def _read_unknown(
    files: Sequence[PhotoFile], image_size: tuple[int, int], resize: Resize, store: PixelStore
) -> tuple[list[Reading], int]:
    """A reading of each file, and the number of files that were not in the cache."""
    known_readings = look_up(files, store)
    unknown_rows = [row for row, reading in enumerate(known_readings) if reading is None]

    def read(row: int) -> Reading:
        return read_photo(files[row], image_size, resize, store)

    fetch_photos([files[row] for row in unknown_rows])
    with _opencv_in_one_thread():
        new_readings = dict(_each(read, unknown_rows, files, store, "files read"))
    readings = [reading or new_readings[row] for row, reading in enumerate(known_readings)]
    return readings, len(unknown_rows)


def _deep_rows(readings: Sequence[Reading]) -> list[int]:
    return [row for row, reading in enumerate(readings) if reading.depth is not None]


def _scale(
    deep_rows: Sequence[int],
    readings: list[Reading],
    files: Sequence[PhotoFile],
    image_size: tuple[int, int],
    resize: Resize,
    store: PixelStore,
) -> None:
    """Reads photos with more than 8 bits per value again, to scale them by the store's pixel range."""

    def scale(row: int) -> Reading:
        return scale_photo(files[row], readings[row], image_size, resize, store)

    with _opencv_in_one_thread():
        for row, reading in _each(scale, deep_rows, files, store, "photos with more than 8 bits scaled"):
            readings[row] = reading


def _each(
    read: Callable[[int], Reading], rows: Sequence[int], files: Sequence[PhotoFile], store: PixelStore, what: str
) -> Iterator[tuple[int, Reading]]:
    """Reads rows in several threads and yields each row with its reading; saves new readings to the cache."""
    blocks = [rows[start : start + FILES_AT_ONCE] for start in range(0, len(rows), FILES_AT_ONCE)]
    pool = ThreadPoolExecutor(num_cores(), thread_name_prefix="scan")
    try:
        with _Notes(store) as notes:
            block_readings = pool.map(lambda block: [read(row) for row in block], blocks)
            readings = log_progress(itertools.chain.from_iterable(block_readings), len(rows), what)
            for row, reading in zip(rows, readings, strict=True):
                notes.add(files[row], reading)
                yield row, reading
    finally:
        pool.shutdown(cancel_futures=True)


def look_up(files: Sequence[PhotoFile], store: PixelStore) -> list[Reading | None]:
    """The cached reading of each unchanged file; None for other files."""
    paths = [file.key for file in files]
    cached_files = {
        path: Reading(file_identity, verdict.sha256, verdict, is_new=False)
        for path, file_identity, verdict in store.find_files(paths)
    } | {
        path: Reading(file_identity, sha256, depth=depth, is_new=False)
        for path, file_identity, sha256, depth in store.find_depths(paths)
    }
    readings: list[Reading | None] = []
    for file, path in zip(files, paths, strict=True):
        reading = cached_files.get(path)
        is_unchanged = False
        if reading is not None:
            with contextlib.suppress(OSError):
                is_unchanged = file.identity() == reading.identity
        readings.append(reading if is_unchanged else None)
    return readings


class _Notes:
    """Saves readings to the cache, a few hundred at a time."""

    def __init__(self, store: PixelStore):
        self._store = store
        self._waiting: list[tuple[bytes, Reading]] = []

    def __enter__(self) -> "_Notes":
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def add(self, file: PhotoFile, reading: Reading) -> None:
        if reading.sha256 is not None:
            self._waiting.append((file.key, reading))
        if len(self._waiting) >= NOTED_FILES:
            self._write()

    def _write(self) -> None:
        new_readings = {reading.sha256: reading for _, reading in self._waiting if reading.sha256 and reading.is_new}
        files = [
            (path, reading.identity, reading.sha256)
            for path, reading in self._waiting
            if reading.identity is not None and reading.sha256 is not None
        ]
        self._store.remember(
            [reading.verdict for reading in new_readings.values() if reading.verdict is not None],
            files,
            {sha256: reading.depth for sha256, reading in new_readings.items() if reading.depth is not None},
        )
        self._waiting.clear()


def _gather(files: Sequence[PhotoFile], readings: Sequence[Reading], num_read: int, store: PixelStore) -> Scan:
    sketches = np.zeros((len(files), SKETCH_SIDE, SKETCH_SIDE), np.uint8)
    for row, reading in enumerate(readings):
        if reading.verdict is not None and reading.verdict.place is not None:
            sketches[row] = np.frombuffer(reading.verdict.values[-1], np.uint8).reshape(SKETCH_SIDE, SKETCH_SIDE)
    hashes = perceptual_hashes(sketches)[0].tolist()
    records = [
        _record(file.record, reading, value) for file, reading, value in zip(files, readings, hashes, strict=True)
    ]
    return Scan(records, sketches, readings, num_read, store)


def _record(record: Record, reading: Reading, perceptual_hash: int) -> Record:
    if reading.verdict is None:
        assert reading.fault is not None, "a file that was not read must have a fault"
        return replace(record, reason=reading.fault[0], message=reading.fault[1])
    reason, message, num_bytes, height, width, mode, file_format, *measures, _ = reading.verdict.values
    brightness, sharpness, chroma, pixel_hash = measures
    return Record(  # `replace` takes three times as long, which is noticeable if all files are cached
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


@contextlib.contextmanager
def _opencv_in_one_thread() -> Iterator[None]:
    """Disables OpenCV's own threads within the block: photos are already resized in several threads."""
    import cv2

    num_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(num_threads)
