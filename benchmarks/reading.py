"""Reading prepared photos in random batches, per core, compared with decoding the files again and with FFCV."""

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.pictures import jpeg
from benchmarks.table import Row, peak_memory_mb, time_by_turns
from components.contract.artifacts.dataset import open_split
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.step import preprocess

PHOTOS_PER_CLASS = 600
BATCH_SIZE = 64
BATCHES = 8
FFCV_RATE = 1800
"""The photos that FFCV reads per second and core in raw mode, as published."""


def measure() -> list[Row]:
    """Prepares photos with the real step, then reads random batches of the training split."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "photos"
        for number in range(2 * PHOTOS_PER_CLASS):
            path = data / ("even" if number % 2 == 0 else "odd") / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(375, 500, number))
        preprocess(str(data), PreprocessParams(image_size=224), Path(folder) / "dataset")
        split = open_split(Path(folder) / "dataset", "train")
        paths = sorted(data.rglob("*.jpg"))
        rng = np.random.default_rng(0)

        def read() -> None:
            for _ in range(BATCHES):
                split.gather(rng.integers(0, len(split), BATCH_SIZE))

        def decode_anew() -> None:
            for row in rng.integers(0, len(paths), BATCH_SIZE):
                np.asarray(Image.open(paths[row]).convert("RGB").resize((224, 224)))

        reading_seconds, decoding_seconds = time_by_turns(read, decode_anew, clock=time.process_time)
        memory_mb = peak_memory_mb()
    rate, decoding_rate = BATCHES * BATCH_SIZE / reading_seconds, BATCH_SIZE / decoding_seconds
    claim = "prepared photos of 224 px in random batches, per core"
    return [
        Row(
            claim,
            f"{rate:,.0f} photos/s",
            f"{FFCV_RATE:,} photos/s, FFCV raw, published",
            rate / FFCV_RATE,
            f">= {5000 / FFCV_RATE:.2f}",
            memory_mb,
        ),
        Row(
            claim,
            f"{rate:,.0f} photos/s",
            f"{decoding_rate:,.0f} photos/s, Pillow from the files",
            rate / decoding_rate,
            ">= 10",
            memory_mb,
        ),
    ]
