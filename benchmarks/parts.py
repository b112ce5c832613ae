"""The cost of dividing the preparation among 8 tasks: processor seconds and memory, compared with one task.

Generates photos of 500 px and prepares them at 64 px: in one process, and in ten (list, 8 readers, merge).
`DARKROOM_BENCH_PHOTOS=20000 python -m benchmarks parts` sets the number of photos.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from filecmp import cmpfiles
from pathlib import Path

from benchmarks.memory import write_photos
from benchmarks.table import Row

ON_REQUEST = "it takes minutes and measures processor time; run it by name"
NUM_PARTS = 8
ALLOWED_MB = 1024.0
IMPORTS = """
import sys
from pathlib import Path
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.parts.work import list_photos, read_photos
from components.preprocess.step import preprocess
params = PreprocessParams(image_size=64)
data, work = sys.argv[1], Path(sys.argv[2])
"""


@dataclass(frozen=True)
class Cost:
    """The processor time and the memory that a process used."""

    seconds: float
    peak_mb: float


def measure() -> list[Row]:
    """Compares the processor seconds of ten processes with those of one, and reports the highest peak memory."""
    num_photos = int(os.environ.get("DARKROOM_BENCH_PHOTOS", "1000"))
    with tempfile.TemporaryDirectory() as folder:
        photos, alone, parts = (Path(folder) / name for name in ("photos", "alone", "parts"))
        write_photos(photos, num_photos)
        whole = _run("preprocess(data, params, work / 'dataset')", photos, alone)
        listing = _run("list_photos(data, params, work / 'listing')", photos, parts)
        readers = [
            _run(f"read_photos(data, params, work / 'listing', {part}, {NUM_PARTS})", photos, parts)
            for part in range(NUM_PARTS)
        ]
        merge = _run("preprocess(data, params, work / 'dataset', listing_dir=work / 'listing')", photos, parts)
        names = [str(path.relative_to(alone)) for path in (alone / "dataset").rglob("*") if path.is_file()]
        assert cmpfiles(alone, parts, names, shallow=False) == (names, [], []), "the data sets must be equal"
    reading = sum(reader.seconds for reader in readers)
    seconds = listing.seconds + reading + merge.seconds
    largest = max(listing, *readers, merge, key=lambda cost: cost.peak_mb)
    reader_mb = max(reader.peak_mb for reader in readers)
    return [
        Row(
            f"processor seconds to prepare {num_photos:,} photos of 500 × 375 to 64 px in {NUM_PARTS} parts",
            f"{seconds:.1f} s ({listing.seconds:.1f} list + {reading:.1f} readers + {merge.seconds:.1f} merge)",
            f"{whole.seconds:.1f} s, one task",
            seconds / whole.seconds,
            "<= 1.15" if num_photos >= 100_000 else "<= 4",
            largest.peak_mb,
        ),
        Row(
            f"memory of the task that needs the most, {num_photos:,} photos",
            f"{largest.peak_mb:,.0f} MB, a reader {reader_mb:,.0f} MB",
            f"{whole.peak_mb:,.0f} MB, one task; {ALLOWED_MB:,.0f} MB allowed",
            largest.peak_mb / ALLOWED_MB,
            "<= 1",
            largest.peak_mb,
        ),
    ]


def _run(code: str, photos: Path, work: Path) -> Cost:
    """Runs Python code in a separate process."""
    work.mkdir(exist_ok=True)
    command = [sys.executable, "-c", IMPORTS + code, str(photos), str(work)]
    environment = os.environ | {"DARKROOM_CACHE": str(work / "cache")}
    process_id = os.posix_spawn(sys.executable, command, environment)
    _, status, usage = os.wait4(process_id, 0)
    assert status == 0, code
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
