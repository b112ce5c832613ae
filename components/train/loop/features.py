"""Features at the freeze boundary: the frozen layers' outputs for each photo, computed once.

All runs share the cache: it contains one file for each view of a split, named after a digest of everything that the
view depends on. A view contains the features of one variant of each photo: of the original photo in the first view, of
an augmented variant in every other view.
"""

import contextlib
import hashlib
import json
import logging
import math
import shutil
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
from components.train.loop.feature_files import FeatureFile
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
        self._num_values = math.prod(frozen_part.output.shape[1:])
        self._dtype = np.dtype(precision)
        self._folder = cache_dir() / "features"
        self._network = network_digest(frozen_part)
        self._infer: dict[tuple[keras.Model, ...], Infer] = {}
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
            f"{self._num_values:,}",
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
        return [not file.path.exists() for file in self.files(request)]

    def _needs(self, requests: Sequence[FeatureRequest]) -> tuple[int, int, list[bool]]:
        """Returns the size of the features, the maximum size (both in bytes), and whether each view is missing.

        Raises:
            OSError: the cache cannot be written.
        """
        num_photos = sum(len(request.split) * request.views for request in requests)
        num_bytes = self._num_values * self._dtype.itemsize * num_photos
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

    def get(self, request: FeatureRequest, also: Sequence[FeatureFile] = ()) -> Features:
        """Returns the features of all views; computes the views that are missing.

        Args:
            request: determines the photos and the views.
            also: the files of the first views at another freeze boundary of the same network. If the features of a view
                are missing at both boundaries, the photos pass through the network only once.

        Raises:
            OSError: the features cannot be written, because the disk is full or read-only.
        """
        files = self.files(request)
        views = [self._view(request, view, file, also[view : view + 1]) for view, file in enumerate(files)]
        self._keep_to_limit([file.path for file in (*files, *also)])
        num_bytes = 4 * sum(view.size for view in views)
        return Features(views, request.split.labels, in_memory=num_bytes <= LARGEST_IN_MEMORY)

    def files(self, request: FeatureRequest) -> list[FeatureFile]:
        """Returns the file of each view."""
        paths = [self._folder / f"{self._key(request, view)}.npy" for view in range(request.views)]
        return [FeatureFile(path, self._frozen_part, self._dtype) for path in paths]

    def _key(self, request: FeatureRequest, view: int) -> str:
        augmentation = request.augmentation.model_dump()
        variant = {"augmentation": augmentation, "seed": request.seed, "view": view} if view else None
        facts = [self._network, request.fingerprint, variant, self._dtype.name]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]

    def _view(
        self, request: FeatureRequest, view: int, file: FeatureFile, also: Sequence[FeatureFile] = ()
    ) -> np.memmap:
        features = file.map(len(request.split))
        if features is None:
            self._write_view(request, view, [file, *_missing(also)])
            features = file.map(len(request.split))
        assert features is not None, "_write_view must have written the features"
        return features

    def _write_view(self, request: FeatureRequest, view: int, files: Sequence[FeatureFile]) -> None:
        progress = _view_progress(request, view)
        with contextlib.ExitStack() as stack:
            outputs = [stack.enter_context(file.write(len(request.split))) for file in files]
            for rows in portions_of(request.split):
                portions = [file.fetch_portion(self._shared, rows) for file in files]
                for output, values in zip(outputs, portions, strict=True):
                    output.write(b"" if values is None else values.tobytes())
                missing = [number for number, values in enumerate(portions) if values is None]
                for blocks in self._compute([files[number] for number in missing], request, view, rows, progress):
                    for number, block in zip(missing, blocks, strict=True):
                        outputs[number].write(block.tobytes())
        for file in files:
            for rows in portions_of(request.split):
                self._shared.discard(file.portion_name(rows))

    def first_portion(self, request: FeatureRequest) -> np.ndarray:
        """Returns the features of the first PORTION_PHOTOS original photos, or of all if fewer; `get` reuses them.

        Raises:
            ArtifactError: the shared store cannot be reached.
            OSError: the cache cannot be written.
        """
        file, rows = self.files(request)[0], next(portions_of(request.split))
        if file.path.exists():
            return self._view(request, 0, file)[: len(rows)]
        values = file.fetch_portion(self._shared, rows)
        if values is None:
            progress = Progress(len(rows), "photos have passed through the frozen layers")
            self._put_portion([file], request, 0, rows, progress)
            values = file.fetch_portion(self._shared, rows)
        assert values is not None, "_put_portion must have stored the portion"
        return values

    def compute_part(
        self,
        requests: Sequence[FeatureRequest],
        part: int,
        num_parts: int,
        also: Sequence[Sequence[FeatureFile]] | None = None,
    ) -> int:
        """Computes a part of the features and puts it into the shared store, where `get` in another task finds it.

        The portions do not depend on the number of parts. Existing portions are not computed again.

        Args:
            requests: all features that are needed.
            part: the index of the part, from 0 to num_parts - 1.
            num_parts: how many tasks share the work.
            also: for each request, the files of its first views at another freeze boundary, as in `get`.

        Returns:
            The number of portions that were computed.

        Raises:
            ArtifactError: the shared store cannot be reached.
        """
        work = [
            (request, view, [file, *others[view : view + 1]], rows)
            for request, others in zip(requests, also or [()] * len(requests), strict=True)
            for view, file in enumerate(self.files(request))
            for rows in portions_of(request.split)
        ]
        num_computed = 0
        for request, view, (file, *others), rows in work[part::num_parts]:
            if file.path.exists() or self._shared.has(file.portion_name(rows)):
                continue
            self._put_portion([file, *_missing(others)], request, view, rows, _view_progress(request, view))
            num_computed += 1
        return num_computed

    def _put_portion(
        self, files: Sequence[FeatureFile], request: FeatureRequest, view: int, rows: range, progress: Progress
    ) -> None:
        blocks = list(self._compute(files, request, view, rows, progress))
        for file, values in zip(files, zip(*blocks, strict=True), strict=True):
            file.put_portion(self._shared, rows, np.concatenate(values))

    def _compute(
        self, files: Sequence[FeatureFile], request: FeatureRequest, view: int, rows: range, progress: Progress
    ) -> Iterator[list[np.ndarray]]:
        """Yields the features for each of the files, batch by batch."""
        parts = tuple(file.frozen_part for file in files)
        if not parts:
            return iter(())
        if parts not in self._infer:
            self._infer[parts] = fastest_inference(*parts)
        return compute_features(self._infer[parts], request, view, self._dtype, rows, progress)

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


def _missing(files: Sequence[FeatureFile]) -> list[FeatureFile]:
    return [file for file in files if not file.path.exists()]


def _view_progress(request: FeatureRequest, view: int) -> Progress:
    what = f"photos have passed through the frozen layers (view {view + 1} of {request.views})"
    return Progress(len(request.split), what)


def _size_text(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"
