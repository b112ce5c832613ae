"""Photos with more than 8 bits per value: detects them, reads their values, and converts the values to 8 bits.

Cameras, X-ray scanners and microscopes measure 10, 12 or 14 bits and write them to 16-bit files, whose metadata rarely
states the number of bits: white is then 4,095, for example, although the file allows 65,535. Therefore one range is
determined for the whole data set, stored with the model, and applied to every photo. A separate range for each photo
would hide differences in brightness.
"""

import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import ExifTags, Image

from components.contract.artifacts.dataset import FULL_RANGE, PixelRange
from components.contract.image.color_modes import split_into_bands

NUM_VALUES: Final = 2**16
MIN_BITS: Final = 8
"""Pictures with only small values, such as masks, use the 8-bit range."""
PHOTOS_PER_OUTLIER: Final = 100
"""One in this many photos may be clipped, but only if it needs at least OUTLIER_BITS more bits than the others."""
PHOTOS_FOR_AN_OUTLIER: Final = 30
"""In a data set with at least this many photos, one may be clipped, even if there are fewer than PHOTOS_PER_OUTLIER."""
OUTLIER_BITS: Final = 2

_GRAY_RAW_MODES: Final = frozenset(("I;12", "I;16", "I;16B", "I;16N", "I;16R", "I;16S", "I;16BS"))
_SIGNED_RAW_MODES: Final = frozenset(("I;16S", "I;16BS"))
_OTHER_ORDER: Final = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_LOW_BYTES: Final = {
    f"{colors};16{order}": f"{colors};16{other}"
    for colors in ("RGB", "RGBX", "RGBA")
    for order, other in _OTHER_ORDER.items()
} | {"LA;16B": "RGBA"}
"""Pillow keeps only the high byte of each color value. The low bytes are obtained by reading the file again with the
opposite byte order. Gray with transparency has four bytes per pixel; the second and the last are the low bytes."""


@dataclass(frozen=True, slots=True)
class Depth:
    """The range of the values of one photo with more than 8 bits per value; transparent pixels do not count.

    Attributes:
        lowest, highest: the smallest and the largest value in any color channel.
        num_values: the number of distinct values.
        declared: the highest value according to the file's metadata; 0 if unknown.
    """

    lowest: int
    highest: int
    num_values: int
    declared: int


def is_deep(image: Image.Image) -> bool:
    """Whether a picture that is opened but not loaded has more than 8 bits per value."""
    return _raw_mode(image) in _GRAY_RAW_MODES or _raw_mode(image) in _LOW_BYTES


def settle_range(depths: Sequence[Depth]) -> PixelRange:
    """Determines one range for all photos of a data set: 0 to 2^n - 1, with the smallest n ≥ 8 that covers all values.

    Sensors have an integer number of bits, so the range usually stays the same when photos are added, and a few bright
    pixels do not shift it. A maximum in the metadata is treated as one more value, because the actual values may
    exceed it: some programs that write PNG's sBIT scale the values to 16 bits, as the standard requires, and others do
    not. A few photos that are far brighter than all others are ignored. If there are negative values, the range begins
    at a negative power of two.
    """
    if not depths:
        return FULL_RANGE
    highest = sorted(max(depth.highest, depth.declared) for depth in depths)
    num_outliers = max(len(highest) // PHOTOS_PER_OUTLIER, int(len(highest) >= PHOTOS_FOR_AN_OUTLIER))
    num_bits, usual_bits = highest[-1].bit_length(), highest[-1 - num_outliers].bit_length()
    num_bits = usual_bits if num_bits - usual_bits >= OUTLIER_BITS else num_bits
    lowest = min(depth.lowest for depth in depths)
    black = 0 if lowest >= 0 else -(1 << (-lowest - 1).bit_length())
    return black, (1 << max(MIN_BITS, num_bits)) - 1


class Samples:
    """The values of one photo with more than 8 bits per value."""

    def __init__(self, image: Image.Image, data: bytes, open_again: Callable[[], Image.Image]):
        """Loads the photo.

        Args:
            image: the photo, opened but not loaded; `is_deep(image)` must be true.
            data: the file's content.
            open_again: opens the same file again, for the low bytes of colors.
        """
        raw_mode = _raw_mode(image)
        self._declared = _declared_maximum(image, data)
        self._is_signed = raw_mode in _SIGNED_RAW_MODES
        self._low_channels: slice | list[int] = [1, 1, 1, 3] if raw_mode == "LA;16B" else slice(None)
        image.load()
        self._image = image
        self._low_bytes: Image.Image | None = None
        if raw_mode in _LOW_BYTES:
            self._low_bytes = open_again()
            self._low_bytes.tile = [_with_raw_mode(tile, _LOW_BYTES[raw_mode]) for tile in self._low_bytes.tile]  # type: ignore[attr-defined]
            self._low_bytes.load()

    def to_rgb(self, pixel_range: PixelRange) -> tuple[np.ndarray, float]:
        """The photo in RGB, with transparency blended with white, and the share of clipped values.

        Returns:
            uint8 (height, width, 3), and a number from 0 to 1.
        """
        table = _level_table(pixel_range, self._is_signed)
        rgb, top = np.empty((self._image.height, self._image.width, 3), np.uint8), 0
        num_clipped = num_values = 0
        for values, opacity in self._bands():
            numbers = values.view(np.int16) if self._is_signed else values
            num_clipped += int(np.count_nonzero((numbers < pixel_range[0]) | (numbers > pixel_range[1])))
            num_values += values.size
            levels = table[values]
            if opacity is not None:
                levels = np.rint(255 - (255 - levels.astype(np.float32)) * opacity[..., np.newaxis]).astype(np.uint8)
            rgb[top : top + len(levels)] = levels
            top += len(levels)
        return rgb, num_clipped / num_values

    def depth(self) -> Depth:
        """The range of the values."""
        is_used = np.zeros(NUM_VALUES, bool)
        for values, opacity in self._bands():
            is_used[values if opacity is None else values[opacity > 0]] = True
        numbers = np.arange(NUM_VALUES, dtype=np.uint16)
        used = (numbers.view(np.int16) if self._is_signed else numbers)[is_used]
        lowest, highest = (int(used.min()), int(used.max())) if used.size else (0, 0)
        return Depth(lowest, highest, used.size, self._declared)

    def _bands(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Reads the photo in bands of rows.

        Yields:
            The values modulo 65,536: uint16 (rows, width, 1 or 3); and the opacity: float32 (rows, width), or None.
        """
        transparent_color = self._image.info.get("transparency")
        low_bands = itertools.repeat(None) if self._low_bytes is None else split_into_bands(self._low_bytes)
        for band, low_band in zip(split_into_bands(self._image), low_bands, strict=False):
            values = np.asarray(band).astype(np.uint16)
            opacity: np.ndarray | None = None
            if low_band is None:
                values = values[..., np.newaxis]
            else:
                values = values << 8 | np.asarray(low_band)[..., self._low_channels]
            if values.shape[-1] == 4:
                values, opacity = values[..., :3], values[..., 3].astype(np.float32) / (NUM_VALUES - 1)
            elif transparent_color is not None:
                opacity = (values != np.array(transparent_color)).any(axis=-1).astype(np.float32)
            yield values, opacity


@functools.lru_cache(maxsize=8)
def _level_table(pixel_range: PixelRange, is_signed: bool) -> np.ndarray:
    """The gray level of each value modulo 65,536: uint8 (65536,)."""
    numbers = np.arange(NUM_VALUES, dtype=np.uint16)
    values = (numbers.view(np.int16) if is_signed else numbers).astype(np.int64)
    black, white = pixel_range
    span = white - black
    return np.asarray(((510 * (values - black) + span) // (2 * span)).clip(0, 255), np.uint8)  # rounded, half up


def _raw_mode(image: Image.Image) -> str:
    """The raw mode, which determines how Pillow reads the file's values; empty for formats without a raw mode."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else ""
    raw_mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw_mode if isinstance(raw_mode, str) else ""


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:
    """A copy of one of Pillow's tiles with a different raw mode."""
    return tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)


def _declared_maximum(image: Image.Image, data: bytes) -> int:
    """The highest value according to PNG's sBIT, or TIFF's BitsPerSample and MaxSampleValue; 0 if unknown.

    65,535 counts as unknown, because programs also write it if they do not know the maximum.
    """
    if image.format == "PNG":
        maxima = [2**bits - 1 for bits in _significant_bits(data) if bits <= 16]
    else:
        tags = image.tag_v2  # type: ignore[attr-defined]
        maxima = [2**bits - 1 for bits in _numbers(tags.get(ExifTags.Base.BitsPerSample)) if 0 < bits <= 16]
        for tag in (ExifTags.Base.MaxSampleValue, ExifTags.Base.SMaxSampleValue):
            maxima += _numbers(tags.get(tag))
    return max((maximum for maximum in maxima if 0 < maximum < FULL_RANGE[1]), default=0)


def _significant_bits(data: bytes) -> bytes:
    """The significant bits of each color of a PNG, from its sBIT chunk; empty if no sBIT precedes the pixels."""
    start = 8
    while (kind := data[start + 4 : start + 8]) not in (b"IDAT", b""):
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        if kind == b"sBIT":
            content = data[start + 8 : end]
            return content[:1] if len(content) <= 2 else content[:3]  # without those of the alpha channel
        start = end + 4
    return b""


def _numbers(tag: object) -> list[int]:
    """The numbers in a tag, as integers; values of other types and numbers beyond 16 bits are ignored."""
    values = tag if isinstance(tag, tuple) else (tag,)
    return [int(value) for value in values if isinstance(value, int | float) and abs(value) < NUM_VALUES]
