"""The audit: what measuring adds to decoding, its rate against imagededup's, and the search among 50,000 hashes."""

import time

import cv2
import numpy as np

from benchmarks.pictures import jpeg
from benchmarks.table import Row, by_turns, peak_memory_mb
from components.contract.image import decode
from components.preprocess.measure import measure as measure_photo
from components.preprocess.similar import MIRRORED_RADIUS, RADIUS, candidates, candidates_between, perceptual_hashes

SIZE = (224, 224)
NUM_HASHES = 50_000
SEARCH_SECONDS = 10.0
DEDUP_RATE = 72
"""Photos a second and core of imagededup's dHash, by a figure from elsewhere; it is not installed here."""


def measure() -> list[Row]:
    """Three rows."""
    cv2.setNumThreads(1)
    photos = [jpeg(375, 500, seed) for seed in range(40)]
    decoded = [decode(data, SIZE) for data in photos]

    def decoding() -> None:
        for data in photos:
            decode(data, SIZE)

    def measuring() -> None:
        perceptual_hashes(np.stack([measure_photo(photo, "stretch").sketch for photo in decoded]))

    def ours() -> None:
        perceptual_hashes(np.stack([measure_photo(decode(data, SIZE), "stretch").sketch for data in photos]))

    base, added, whole = by_turns(decoding, measuring, ours, clock=time.process_time)
    num = len(photos)
    return [
        Row("measuring and hashing, beyond decoding, per core", f"{1e3 * added / num:.2f} ms a photo",
            f"{1e3 * base / num:.2f} ms a photo, decoding", added / base, "<= 0.15", peak_memory_mb()),
        Row("decoding, measuring and hashing, per core", f"{num / whole:,.0f} photos/s",
            f"{DEDUP_RATE} photos/s, imagededup's dHash, not measured here", num / whole / DEDUP_RATE, ">= 4",
            peak_memory_mb()),
        _search(),
    ]  # fmt: skip


def _search() -> Row:
    rng = np.random.default_rng(0)
    hashes, mirrored = rng.integers(0, 2**63, (2, NUM_HASHES), dtype=np.uint64)
    hashes[-1000:] = hashes[:1000] ^ np.uint64(0b1011001)
    started = time.process_time()
    pairs = candidates(hashes, RADIUS)
    candidates_between(hashes, mirrored, MIRRORED_RADIUS)
    seconds = time.process_time() - started
    assert len(pairs) >= 1000, "the planted pairs are found"
    return Row(f"near-duplicates among {NUM_HASHES:,} hashes and their mirror images", f"{seconds:.1f} s",
               f"{SEARCH_SECONDS:.0f} s allowed", seconds / SEARCH_SECONDS, "<= 1", peak_memory_mb())  # fmt: skip
