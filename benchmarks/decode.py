"""Decoding and resizing on one core, compared with Pillow, which decodes all pixels."""

import io
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image

from benchmarks.pictures import jpeg
from benchmarks.table import Row, peak_memory_mb, time_by_turns
from components.contract.image.decode import decode

SIZE = (224, 224)


def measure() -> list[Row]:
    """Returns one row per photo size."""
    cv2.setNumThreads(1)
    small = [jpeg(375, 500, seed) for seed in range(40)]
    large = [jpeg(3000, 4000, seed) for seed in range(3)]
    return [_compare(small, "500 × 375", ">= 1.3"), _compare(large, "4000 × 3000", ">= 5")]


def _compare(photos: Sequence[bytes], name: str, target: str) -> Row:
    ours, pillow = time_by_turns(
        _each(photos, lambda data: decode(data, SIZE).pixels), _each(photos, _by_pillow), clock=time.process_time
    )
    return Row(
        claim=f"decoding JPEGs of {name} and resizing them to 224 px, per core",
        ours=f"{len(photos) / ours:,.0f} photos/s",
        baseline=f"{len(photos) / pillow:,.0f} photos/s, Pillow: open, convert, resize",
        ratio=pillow / ours,
        target=target,
        memory_mb=peak_memory_mb(),
    )


def _by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize(SIZE))


def _each(photos: Sequence[bytes], work: Callable[[bytes], object]) -> Callable[[], None]:
    def run() -> None:
        for data in photos:
            work(data)

    return run
