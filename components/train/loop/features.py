"""Features at the freeze boundary: the frozen layers' outputs for each photo, computed once.

All runs share the cache: it contains one file for each view of a split, named after a digest of everything that the
view depends on. A view contains the features of one variant of each photo: of the original photo in the first view, of
an augmented variant in every other view.
"""

import contextlib
import hashlib
import io
import json
import logging
import math
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import keras
import numpy as np

from components.contract.artifacts.dataset import Split
from components.contract.params.training import CachePrecision
from components.contract.store.shared_store import open_shared_store
from components.contract.system.cache import cache_dir, cache_limit, evict
from components.contract.system.progress import Progress
from components.train.loop.batches import Features
from components.train.loop.digest import network_digest
from components.train.loop.inference import FeatureRequest, Infer, compute_features, fastest_inference

log = logging.getLogger(__name__)

LARGEST_IN_MEMORY: Final = 3 * 2**29
"""Features of up to this many bytes, as float32, stay in memory; larger ones are read from files batch by batch."""
PORTION_PHOTOS: Final = 1024
"""The photos per portion, a multiple of the inference batch size; a portion takes up to a minute to compute."""
FREE_PART: Final = 0.9
"""The share of the free disk space that features may use."""


class FeatureCache:
    """A cache of the outputs of frozen layers; outputs that are not cached yet are computed."""

    def __init__(self, frozen_part: keras.Model, precision: CachePrecision):
        """Prepares the cache for these layers; nothing is computed yet.

        Args:
            frozen_part: the network from pixels to the freeze boundary, with its weights loaded.
            precision: the precision of the cached values.
        """
        self._frozen_part = frozen_part
        self._shape = tuple(frozen_part.output.shape[1:])
        self._dtype = np.dtype(precision)
        self._folder = cache_dir() / "features"
        self._network = network_digest(frozen_part)
        self._infer: Infer | None = None
        self._shared = open_shared_store()

    def can_hold(self, *requests: FeatureRequest) -> bool:
        """Logs the size of the features; returns False if the cache limit or the disk is too small for them."""
        try:
            num_bytes, room, is_missing = self._needs(requests)
        except OSError as error:
            self.warn_not_cached(error)
            return False
        log.info(
            "Features at the freeze boundary: %s values per photo, %s in total; %s.",
            f"{math.prod(self._shape):,}",
            _size_text(num_bytes),
            f"views not computed yet: {sum(is_missing)} of {len(is_missing)}" if any(is_missing) else "all cached",
        )
        if num_bytes <= room:
            return True
        log.warning(
            "The features exceed the limit of %s (set by DARKROOM_CACHE_GB and the free space in %s), so every epoch "
            "runs the frozen layers again.",
            _size_text(room),
            self._folder,
        )
        return False

    def has_room(self, *requests: FeatureRequest) -> bool:
        """Like `can_hold`, without logging."""
        try:
            num_bytes, room, _ = self._needs(requests)
        except OSError:
            return False
        return num_bytes <= room

    def missing(self, request: FeatureRequest) -> list[bool]:
        """Returns, for each view, whether it has to be computed."""
        return [not path.exists() for path in self._paths(request)]

    def _needs(self, requests: Sequence[FeatureRequest]) -> tuple[int, int, list[bool]]:
        """Returns the size of the features, the maximum size (both in bytes), and whether each view is missing.

        Raises:
            OSError: the cache cannot be written.
        """
        num_photos = sum(len(request.split) * request.views for request in requests)
        num_bytes = math.prod(self._shape) * self._dtype.itemsize * num_photos
        self._folder.mkdir(parents=True, exist_ok=True)
        is_missing = [is_missing for request in requests for is_missing in self.missing(request)]
        if not any(is_missing):
            return num_bytes, cache_limit(), is_missing
        return num_bytes, min(cache_limit(), int(shutil.disk_usage(self._folder).free * FREE_PART)), is_missing

    def warn_not_cached(self, error: OSError) -> None:
        """Warns that features cannot be cached, and logs the reason."""
        log.warning(
            "Features cannot be cached in %s: %s. Every epoch runs the frozen layers again.",
            self._folder,
            error,
        )

    def get(self, request: FeatureRequest) -> Features:
        """Returns the features of all views; computes the views that are missing.

        Raises:
            OSError: the features cannot be written, because the disk is full or read-only.
        """
        paths = self._paths(request)
        views = [self._view(request, view, path) for view, path in enumerate(paths)]
        self._keep_to_limit(paths)
        num_bytes = 4 * sum(view.size for view in views)
        return Features(views, request.split.labels, in_memory=num_bytes <= LARGEST_IN_MEMORY)

    def _paths(self, request: FeatureRequest) -> list[Path]:
        return [self._folder / f"{self._key(request, view)}.npy" for view in range(request.views)]

    def _key(self, request: FeatureRequest, view: int) -> str:
        augmentation = request.augmentation.model_dump()
        variant = {"augmentation": augmentation, "seed": request.seed, "view": view} if view else None
        facts = [self._network, request.fingerprint, variant, self._dtype.name]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]

    def _view(self, request: FeatureRequest, view: int, path: Path) -> np.memmap:
        expected = (len(request.split), *self._shape)
        try:
            features = _memory_map(path)
            if features.shape == expected and features.dtype == self._dtype:
                with contextlib.suppress(OSError):  # fails in a read-only cache, which is fine
                    os.utime(path)
                return features
            log.warning("The cached features %s have an unexpected shape or type; they are computed again.", path)
        except FileNotFoundError:
            log.debug("The features %s are not cached yet.", path)
        except (OSError, ValueError) as error:
            log.warning("%s is damaged (%s); it is computed again.", path, error)
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".partial-", suffix=".npy", delete=False) as file:
            partial = Path(file.name)
            try:
                # Not written through a memory map: if the disk were full, the system would kill the process.
                file.write(_npy_header(expected, self._dtype))
                progress = _view_progress(request, view)
                for rows in portions_of(request.split):
                    values = self._fetch_portion(path.stem, rows)
                    for block in [values] if values is not None else self._compute(request, view, rows, progress):
                        file.write(block.tobytes())
                file.flush()
                os.fsync(file.fileno())
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise
        for rows in portions_of(request.split):
            self._shared.discard(_portion_name(path.stem, rows))
        return _memory_map(path)

    def first_portion(self, request: FeatureRequest) -> np.ndarray:
        """Returns the features of the first PORTION_PHOTOS original photos, or of all if fewer; `get` reuses them.

        Raises:
            ArtifactError: the shared store cannot be reached.
            OSError: the cache cannot be written.
        """
        path, rows = self._paths(request)[0], next(portions_of(request.split))
        if path.exists():
            return self._view(request, 0, path)[: len(rows)]
        self._folder.mkdir(parents=True, exist_ok=True)
        values = self._fetch_portion(path.stem, rows)
        if values is None:
            progress = Progress(len(rows), "photos have passed through the frozen layers")
            self._put_portion(request, 0, rows, path.stem, progress)
            values = self._fetch_portion(path.stem, rows)
        assert values is not None, "_put_portion must have stored the portion"
        return values

    def compute_part(self, requests: Sequence[FeatureRequest], part: int, num_parts: int) -> int:
        """Computes a part of the features and puts it into the shared store, where `get` in another task finds it.

        The portions do not depend on the number of parts. Existing portions are not computed again.

        Args:
            requests: all features that are needed.
            part: the index of the part, from 0 to num_parts - 1.
            num_parts: how many tasks share the work.

        Returns:
            The number of portions that were computed.

        Raises:
            ArtifactError: the shared store cannot be reached.
        """
        work = [
            (request, view, path, rows)
            for request in requests
            for view, path in enumerate(self._paths(request))
            for rows in portions_of(request.split)
        ]
        num_computed = 0
        for request, view, path, rows in work[part::num_parts]:
            name = _portion_name(path.stem, rows)
            if path.exists() or self._shared.has(name):
                continue
            self._put_portion(request, view, rows, path.stem, _view_progress(request, view))
            num_computed += 1
        return num_computed

    def _put_portion(self, request: FeatureRequest, view: int, rows: range, key: str, progress: Progress) -> None:
        blocks = list(self._compute(request, view, rows, progress))
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".partial-", suffix=".npy") as file:
            np.save(file, np.concatenate(blocks))
            file.flush()
            self._shared.put(_portion_name(key, rows), Path(file.name))

    def _compute(self, request: FeatureRequest, view: int, rows: range, progress: Progress) -> Iterator[np.ndarray]:
        if self._infer is None:
            self._infer = fastest_inference(self._frozen_part)
        return compute_features(self._infer, request, view, self._dtype, rows, progress)

    def _fetch_portion(self, key: str, rows: range) -> np.ndarray | None:
        """Returns a portion from the shared store; None if it is missing, damaged or of the wrong shape or type."""
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".partial-") as scratch:
            path = Path(scratch) / "portion.npy"
            if not self._shared.fetch(_portion_name(key, rows), path):
                return None
            try:
                values: np.ndarray = np.load(path)
            except (OSError, ValueError, EOFError) as error:
                log.warning("Features from another task are damaged (%s); they are computed again.", error)
                return None
        return values if values.shape == (len(rows), *self._shape) and values.dtype == self._dtype else None

    def _keep_to_limit(self, used: Collection[Path]) -> None:
        """Removes the least recently used features above the cache limit, and partial files of killed processes."""
        day_ago = time.time() - 86_400
        for remains in self._folder.glob(".partial-*"):
            if remains.stat().st_mtime < day_ago and remains.is_file():
                remains.unlink(missing_ok=True)
        files = {path: path.stat().st_mtime for path in self._folder.glob("*.npy")}
        evict(files, used, _remove)


def _remove(path: Path) -> bool:
    path.unlink(missing_ok=True)
    return True


def portions_of(split: Split) -> Iterator[range]:
    """Yields the rows of a view in portions, which tasks divide among themselves."""
    return (range(start, min(start + PORTION_PHOTOS, len(split))) for start in range(0, len(split), PORTION_PHOTOS))


def _portion_name(key: str, rows: range) -> str:
    return f"features/{key}/{rows.start:08d}.npy"


def _view_progress(request: FeatureRequest, view: int) -> Progress:
    what = f"photos have passed through the frozen layers (view {view + 1} of {request.views})"
    return Progress(len(request.split), what)


def _memory_map(path: Path) -> np.memmap:
    features: np.memmap = np.load(path, mmap_mode="r")
    return features


def _npy_header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """Creates the header of a .npy file, which precedes the values."""
    header = io.BytesIO()
    header_fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, header_fields)
    return header.getvalue()


def _size_text(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"
