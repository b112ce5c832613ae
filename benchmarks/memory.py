"""The memory that the whole preprocess step needs for 50,000 photos of 500 px, in a separate process.

This benchmark takes minutes and 20 GB of disk, so it runs only when named: `python -m benchmarks memory`.
"""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from benchmarks.pictures import jpeg
from benchmarks.table import Row, peak_memory_mb
from components.contract.params.pipeline import PreprocessParams
from components.contract.system.cores import num_cores
from components.preprocess.step import preprocess

ON_REQUEST = "it takes minutes and 20 GB of disk; run it by name"
NUM_PHOTOS = 50_000
ALLOWED_MB = 1024.0
HEIGHT, WIDTH = 375, 500
NUM_SCENES = 24


def measure() -> list[Row]:
    """Measures the peak memory of the process that writes and then prepares the photos."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DARKROOM_CACHE"] = str(Path(folder) / "cache")
        write_photos(Path(folder) / "photos", NUM_PHOTOS)
        start_time = time.perf_counter()
        info = preprocess(str(Path(folder) / "photos"), PreprocessParams(image_size=224), Path(folder) / "dataset")
        seconds = time.perf_counter() - start_time
    assert info.num_kept + info.num_rejected == NUM_PHOTOS
    peak = peak_memory_mb()
    return [
        Row(
            f"memory to prepare and audit {NUM_PHOTOS:,} photos of {WIDTH} × {HEIGHT} to 224 px, {num_cores()} cores",
            f"{peak:,.0f} MB, {NUM_PHOTOS / seconds:,.0f} photos/s",
            f"{ALLOWED_MB:,.0f} MB allowed",
            peak / ALLOWED_MB,
            "<= 1",
            peak,
        ),
    ]


def write_photos(folder: Path, num_photos: int) -> None:
    """Writes photos that all differ; each blends parts of two scenes."""
    cv2.setNumThreads(1)
    scenes = [simplejpeg.decode_jpeg(jpeg(2 * HEIGHT, 2 * WIDTH, seed)) for seed in range(NUM_SCENES)]
    for name in ("even", "odd"):
        (folder / name).mkdir(parents=True)

    def write(number: int) -> None:
        rng = np.random.default_rng(number)
        base, overlay = (_part(scenes[scene], rng) for scene in rng.choice(NUM_SCENES, 2, replace=False))
        content = simplejpeg.encode_jpeg(cv2.addWeighted(base, 0.6, overlay, 0.4, 0), 87, colorsubsampling="420")
        (folder / ("even" if number % 2 == 0 else "odd") / f"{number}.jpg").write_bytes(content)

    with ThreadPoolExecutor(num_cores()) as pool:
        for _ in pool.map(write, range(num_photos)):
            pass


def _part(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a random part of a scene, mirrored with a probability of one half: uint8 (HEIGHT, WIDTH, 3)."""
    top, left = int(rng.integers(HEIGHT)), int(rng.integers(WIDTH))
    part = scene[top : top + HEIGHT, left : left + WIDTH]
    return np.ascontiguousarray(part[:, ::-1] if rng.integers(2) else part)
