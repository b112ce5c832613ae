"""Headers that take too long to read are rejected, and the cost of decoding is estimated in advance."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.contract.errors import ImageError
from components.contract.image.decode import decode, decode_cost
from tests.cases.bad_photos.encoding import encoded_by_opencv
from tests.cases.decode_bombs import HEADER_BOMBS, chunk, encoded, jpeg_of_many_scans, png_with

ROOT = Path(__file__).parents[4]
SIZE = (32, 32)
SIDE = 2_000
OVERHEAD_BYTES = 12 * 2**20
"""Memory for libraries that are loaded while a photo is decoded, and for buffers of a few rows of pixels."""

MEASURE = """
import sys
from pathlib import Path
from components.contract.image.decode import decode
from tests.cases.decode_bombs import encoded
def resident(name):
    return 1024 * int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name)))
data, size = Path(sys.argv[1]).read_bytes(), (32, 32)
for file_format in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"):
    decode(encoded("RGB", 64, file_format), size)
Path("/proc/self/clear_refs").write_text("5")
before = resident("VmRSS")
decode(data, size)
print(resident("VmHWM") - before)
"""


@pytest.mark.parametrize("name", HEADER_BOMBS)
def test_a_header_that_takes_too_long_is_rejected(name: str) -> None:
    with pytest.raises(ImageError, match="header of a photo must have at most") as caught:
        decode(HEADER_BOMBS[name](), SIZE)
    assert caught.value.code == "corrupt"


def test_a_png_with_nearly_the_maximum_number_of_chunks_is_read() -> None:
    assert decode(png_with(chunk(b"prVt", b"") * 9_990), SIZE).native_size == (64, 64)


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="only Linux can reset the peak memory of a process"
)
@pytest.mark.parametrize(
    "make",
    [
        lambda: encoded("RGB", SIDE, "PNG"),
        lambda: encoded("1", SIDE, "PNG"),
        lambda: encoded_by_opencv(".png", np.full((SIDE, SIDE), 4095, np.uint16)),
        lambda: encoded_by_opencv(".png", np.full((SIDE, SIDE, 3), 4095, np.uint16)),
        lambda: encoded_by_opencv(".tif", np.full((SIDE, SIDE, 3), 4095, np.uint16)),
        lambda: encoded("RGB", SIDE, "WEBP"),
        lambda: encoded("RGB", SIDE, "JPEG"),
        lambda: encoded("RGB", SIDE, "JPEG", progressive=True, subsampling=0),
        lambda: encoded("CMYK", SIDE, "TIFF", compression="tiff_lzw"),
        lambda: encoded("L", SIDE, "GIF"),
        lambda: encoded("RGB", SIDE, "BMP"),
        lambda: jpeg_of_many_scans(SIDE, 20),
    ],
    ids=[
        "PNG",
        "1-bit PNG",
        "16-bit PNG",
        "16-bit color PNG",
        "16-bit color TIFF",
        "WebP",
        "JPEG",
        "progressive JPEG",
        "CMYK TIFF",
        "GIF",
        "BMP",
        "JPEG with 20 scans",
    ],
)
def test_decoding_needs_no_more_memory_than_estimated(make: Callable[[], bytes], tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(make())
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "photo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert int(result.stdout) <= decode_cost(make(), SIZE).num_bytes + OVERHEAD_BYTES


def test_the_cost_grows_with_the_scans_of_a_progressive_jpeg() -> None:
    few, many = (decode_cost(jpeg_of_many_scans(SIDE, number), SIZE) for number in (10, 180))
    assert many.seconds > 5 * few.seconds
    assert few.num_bytes == many.num_bytes
    assert decode(jpeg_of_many_scans(64, 180), SIZE).native_size == (64, 64), "the scans must be valid"


def test_a_small_photo_has_a_small_cost() -> None:
    cost = decode_cost(encoded("RGB", 500, "JPEG"), SIZE)
    assert cost.num_bytes < 2 * 2**20
    assert cost.seconds < 0.01
    assert cost.text == "a JPEG of 500 × 500 pixels"
