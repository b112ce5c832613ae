"""Estimates from a photo's header the memory and time for decoding, so that the photo can be rejected or postponed."""

from dataclasses import dataclass
from typing import Final

from PIL import ExifTags, Image

from components.contract.image.formats import format_of
from components.contract.image.headers import jpeg_frame
from components.contract.image.resize import Resize, least_size
from components.contract.image.sample_depth import is_deep

_EXTRA_BYTES: Final = {"WEBP": 9.5, "HEIF": 3.0, "BMP": 1.0}
"""Bytes per pixel that the decoder of the format needs in addition to Pillow's copy and the result."""
_TURNING_BYTES: Final = 6
"""Bytes per pixel that are needed to turn a photo upright."""


@dataclass(frozen=True)
class DecodeCost:
    """The estimated cost of decoding a photo.

    Attributes:
        num_bytes: the peak memory.
        seconds: the time on one core of a typical processor.
        text: a description of the photo, such as `a PNG of 9,000 × 9,000 pixels`.
        is_deep: whether the photo has more than 8 bits per value.
    """

    num_bytes: int
    seconds: float
    text: str
    is_deep: bool = False


def accept_any(cost: DecodeCost) -> None:
    """Accepts every photo, regardless of its cost."""


def header_cost(data: bytes, image: Image.Image, size: tuple[int, int], resize: Resize) -> DecodeCost:
    """Estimates, from its header, the cost of decoding a photo.

    The constants were measured on files of 16 megapixels in each format and mode; test_headers.py checks the memory
    estimates.
    """
    num_pixels, file_format = image.width * image.height, format_of(image)
    deep = is_deep(image)
    if file_format == "JPEG":
        num_bytes, nanoseconds = _jpeg_cost(data, image, size, resize)
    else:
        # The memory is for Pillow's copy and for the result in RGB.
        num_readings = 2 if deep and image.mode.startswith("RGB") else 1  # high and low bytes are read separately
        bytes_per_pixel = 1 if image.mode in ("1", "L", "P") else 2 if image.mode.startswith("I;16") else 4
        bytes_per_pixel *= num_readings
        num_bytes = num_pixels * max(bytes_per_pixel + 3 + _EXTRA_BYTES.get(file_format, 0), _TURNING_BYTES)
        num_bytes += _strip_pixels(image) * bytes_per_pixel if file_format == "TIFF" else 0
        nanoseconds = 40.0 * num_pixels * num_readings + 5.0 * len(data) + 3000.0 * data.count(b"IDAT")
        if file_format == "BMP" and image.tile[0][0] == "bmp_rle":  # type: ignore[attr-defined]
            nanoseconds += 500.0 * len(data)  # Pillow unpacks it in Python
    text = f"a {file_format} of {image.width:,} × {image.height:,} pixels"
    return DecodeCost(round(num_bytes), nanoseconds / 1e9, text, deep)


def _strip_pixels(image: Image.Image) -> int:
    """The number of pixels of a TIFF that libtiff unpacks at a time."""
    tags = image.tag_v2  # type: ignore[attr-defined]
    width = tags.get(ExifTags.Base.TileWidth, image.width)
    height = tags.get(ExifTags.Base.TileLength, tags.get(ExifTags.Base.RowsPerStrip, image.height))
    is_sound = isinstance(width, int) and isinstance(height, int)
    return min(width, image.width) * min(height, image.height) if is_sound else image.width * image.height


def _jpeg_cost(data: bytes, image: Image.Image, size: tuple[int, int], resize: Resize) -> tuple[float, float]:
    """The (bytes, nanoseconds) that decoding a JPEG takes."""
    frame, (height, width) = jpeg_frame(data), least_size(image, size, resize)
    num_pixels = image.width * image.height
    reserve = min(image.height // max(1, height), image.width // max(1, width))
    num_decoded = num_pixels / max(scale for scale in (1, 2, 4, 8) if scale <= max(1, reserve)) ** 2
    num_coefficients = num_pixels * frame.coefficients_per_pixel * frame.is_buffered
    num_bytes = num_decoded * (24 if image.mode == "CMYK" else 7) + 2 * num_coefficients
    return num_bytes, 15.0 * (num_decoded + len(data)) + num_pixels + num_coefficients * (1 + 0.5 * frame.num_scans)
