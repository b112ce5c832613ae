"""The processor time of the audit, compared with decoding and with imagededup, and of its near-duplicate search."""

import hashlib
import io
import time
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from benchmarks.pictures import jpeg
from benchmarks.table import Row, peak_memory_mb, time_by_turns
from components.contract.image.decode import decode
from components.preprocess.audit.near_duplicates import MIRRORED_RADIUS, RADIUS
from components.preprocess.audit.perceptual_hash import find_candidates, find_mirrored_candidates, perceptual_hashes
from components.preprocess.image_statistics import measure as measure_photo

SIZE = (224, 224)
SEARCHES = ((10_000, 1.0), (100_000, 10.0), (1_000_000, 150.0))
"""(number of hashes, allowed seconds): ten times as many hashes may take 10 to 15 times as long."""


def measure() -> list[Row]:
    """Times the audit and its hashing without decoding, the audit with decoding, and the near-duplicate search."""
    cv2.setNumThreads(1)
    small = [jpeg(375, 500, seed) for seed in range(40)]
    middle = [jpeg(1200, 1600, seed) for seed in range(8)]
    large = [jpeg(3000, 4000, seed) for seed in range(3)]
    return [
        _overhead(small),
        _hash_rate(small),
        _against_imagededup(small, "500 × 375", ">= 0.9"),
        _against_imagededup(middle, "1600 × 1200", ">= 2.5"),
        _against_imagededup(large, "4000 × 3000", ">= 4"),
        *(_search(num_hashes, allowed) for num_hashes, allowed in SEARCHES),
    ]


def _overhead(photos: Sequence[bytes]) -> Row:
    decoded_photos = [decode(data, SIZE) for data in photos]

    def decode_all() -> None:
        for data in photos:
            decode(data, SIZE)

    def audit_all() -> None:
        for data in photos:
            hashlib.sha256(data).hexdigest()
        perceptual_hashes(np.stack([measure_photo(photo, "stretch").sketch for photo in decoded_photos]))

    decode_seconds, audit_seconds = time_by_turns(decode_all, audit_all, clock=time.process_time)
    return Row(
        "hashing and measuring photos of 500 × 375 for the audit, without decoding, per core",
        f"{1e3 * audit_seconds / len(photos):.2f} ms per photo",
        f"{1e3 * decode_seconds / len(photos):.2f} ms per photo for decoding",
        audit_seconds / decode_seconds,
        "<= 0.15",
        peak_memory_mb(),
    )


def _hash_rate(photos: Sequence[bytes]) -> Row:
    """Times our hashing without decoding, which preparation does anyway; imagededup must decode the photos again."""
    decoded_photos = [decode(data, SIZE) for data in photos]

    def run_ours() -> None:
        perceptual_hashes(np.stack([measure_photo(photo, "stretch").sketch for photo in decoded_photos]))

    def run_theirs() -> None:
        for data in photos:
            _difference_hash(data)

    our_seconds, their_seconds = time_by_turns(run_ours, run_theirs, clock=time.process_time)
    return Row(
        "near-duplicate hashes of 500 × 375 JPEGs, without preparation, per core",
        f"{len(photos) / our_seconds:,.0f} photos/s",
        f"{len(photos) / their_seconds:,.0f} photos/s, imagededup's dHash with Pillow",
        their_seconds / our_seconds,
        ">= 4",
        peak_memory_mb(),
    )


def _against_imagededup(photos: Sequence[bytes], name: str, target: str) -> Row:
    def run_ours() -> None:
        for data in photos:
            hashlib.sha256(data).hexdigest()
        perceptual_hashes(np.stack([measure_photo(decode(data, SIZE), "stretch").sketch for data in photos]))

    def run_theirs() -> None:
        for data in photos:
            _difference_hash(data)

    our_seconds, their_seconds = time_by_turns(run_ours, run_theirs, clock=time.process_time)
    return Row(
        f"decoding, preparing and auditing JPEGs of {name}, per core",
        f"{len(photos) / our_seconds:,.0f} photos/s",
        f"{len(photos) / their_seconds:,.0f} photos/s, only imagededup's dHash, with Pillow",
        their_seconds / our_seconds,
        target,
        peak_memory_mb(),
    )


def _difference_hash(data: bytes) -> str:
    """Computes imagededup's dHash: shrinks the photo in color with Lanczos, makes it gray, compares adjacent pixels."""
    image = Image.open(io.BytesIO(data))
    small = np.array(image.convert("RGB").resize((9, 8), Image.Resampling.LANCZOS).convert("L"))
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()


def _search(num_hashes: int, allowed_seconds: float) -> Row:
    rng = np.random.default_rng(0)
    hashes, mirrored = rng.integers(0, 2**63, (2, num_hashes), dtype=np.uint64)
    hashes[-1000:] = hashes[:1000] ^ np.uint64(0b1011001)
    memory_before = peak_memory_mb()
    start_time = time.process_time()
    pairs = find_candidates(hashes, RADIUS)
    find_mirrored_candidates(hashes, mirrored, MIRRORED_RADIUS)
    seconds = time.process_time() - start_time
    assert len(pairs) >= 1000, "the search must find the added pairs"
    return Row(
        f"near-duplicates among {num_hashes:,} hashes and their mirror images",
        f"{seconds:.2f} s, {peak_memory_mb() - memory_before:,.0f} MB",
        f"{allowed_seconds:g} s allowed",
        seconds / allowed_seconds,
        "<= 1",
        peak_memory_mb(),
    )
