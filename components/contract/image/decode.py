"""The only decoder, used for training and serving: converts the bytes of a file to RGB pixels.

Pillow first reads the format, the size, the mode and the EXIF orientation from the header, before anything is decoded.
JPEG is then decoded by libjpeg-turbo through simplejpeg, which rejects damaged scans and scales large photos while it
decodes them; all other formats are decoded by Pillow. The same bytes, size and resize mode produce the same pixels.

Transparency is blended with white. 16-bit values are scaled by the pixel range of the data set; see
components/contract/image/sample_depth.py. CMYK is converted without its color profile. Floats are scaled by their own
range; see components/contract/image/color_modes.py. Animations and files of several pages are rejected, because the
label may refer to any frame; the extra pictures that phones append to a JPEG are ignored. Camera raw files are
rejected: Pillow would read them as TIFF and decode only their thumbnail.

Damage is detected if the format allows it. Every file that is truncated before its final padding is rejected, and so is
every PNG with a flipped bit. Other formats have no checksums, so a flipped bit that leaves the file valid is not
detected.
"""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final, TypeVar

import numpy as np
import simplejpeg
from PIL import Image

from components.contract.artifacts.dataset import FULL_RANGE, PixelRange
from components.contract.errors import ImageError
from components.contract.image.color_modes import to_rgb
from components.contract.image.decoding_cost import DecodeCost, accept_any, header_cost
from components.contract.image.formats import (
    FORMATS,
    MAX_PIXELS,
    check_png,
    damage_error,
    ends_early,
    format_of,
    is_deep_and_planar,
    is_heif,
    is_raw,
    not_allowed_error,
    reads_heif,
    unreadable_error,
)
from components.contract.image.headers import check_header
from components.contract.image.orientation import read_orientation, turn_upright, upright_size
from components.contract.image.resize import Resize, fit, least_size
from components.contract.image.sample_depth import Depth, Samples, is_deep

Result = TypeVar("Result")

MAX_BYTES: Final = 256 * 2**20
MIN_SIDE: Final = 4
"""Nothing can be recognized in a photo whose shorter side is below this."""
MAX_JPEG_SCANS: Final = 200
"""Real files have far fewer; a file with more is designed to keep a decoder busy."""

# Pillow also checks this limit after opening a photo, for example for the tiles of a TIFF. Up to twice the limit, it
# only warns; `_open` rejects such photos.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Pillow's warnings about damaged tags do not name the file; files that cannot be read are rejected anyway.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


@dataclass(frozen=True)
class Photo:
    """One decoded photo.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, of the requested size.
        full_pixels: uint8 (height, width, 3), RGB, the complete upright photo before it was fitted; a large JPEG was
            already scaled while it was decoded.
        native_size: (height, width) of the upright photo in the file, in pixels.
        mode: the color mode of the file, by Pillow's name: RGB, L, P, CMYK, I;16 …
        format: one of FORMATS, or HEIF.
        clipped_share: for 16-bit photos, the fraction of values outside the pixel range; otherwise 0.
    """

    pixels: np.ndarray
    full_pixels: np.ndarray
    native_size: tuple[int, int]
    mode: str
    format: str
    clipped_share: float = 0.0


def decode(
    data: bytes,
    size: tuple[int, int],
    resize: Resize = "stretch",
    pixel_range: PixelRange = FULL_RANGE,
    *,
    admit: Callable[[DecodeCost], None] = accept_any,
) -> Photo:
    """Decodes a photo and fits it to a size.

    Args:
        data: the file's content.
        size: (height, width) in pixels.
        resize: whether to stretch the photo, to crop its center to the shape of `size` and scale that, or to scale the
            photo and pad it with black.
        pixel_range: for photos with more than 8 bits per value, the values that map to black and to white.
        admit: called with the cost before anything is decoded; it can raise an error to prevent decoding.

    Raises:
        ImageError: the bytes are not a usable photo. Possible codes: empty, not_an_image, format_not_allowed,
            truncated, corrupt, too_large, too_small, animated.
    """
    image = _open_bytes(data)
    mode, file_format = image.mode, format_of(image)
    cost = header_cost(data, image, size, resize)
    admit(cost)
    clipped_share = 0.0
    if file_format == "JPEG":
        stored_pixels = _decode_jpeg(data, image, size, resize)
    elif cost.is_deep:
        stored_pixels, clipped_share = _read_samples(data, image).to_rgb(pixel_range)
    else:
        stored_pixels = _read_by_pillow(data, image, lambda: _load_rgb(image))
    orientation, native_size = read_orientation(image), upright_size(image)
    image.close()  # frees Pillow's copy of the pixels
    full_pixels = turn_upright(stored_pixels, orientation)
    return Photo(fit(full_pixels, size, resize), full_pixels, native_size, mode, file_format, clipped_share)


def measure_depth(data: bytes) -> Depth | None:
    """Measures the range of values of a photo with more than 8 bits per value; None for other photos.

    Raises:
        ImageError: the bytes are not a usable photo.
    """
    image = _open_bytes(data)
    return _read_samples(data, image).depth() if is_deep(image) else None


def decode_cost(data: bytes, size: tuple[int, int], resize: Resize = "stretch") -> DecodeCost:
    """The cost of `decode` with the same arguments, estimated from the header.

    Raises:
        ImageError: the header is not that of a usable photo.
    """
    return header_cost(data, _open_bytes(data), size, resize)


def read_size(source: bytes | BinaryIO) -> tuple[int, int]:
    """The height and width of a photo in pixels, after EXIF rotation, from its header.

    Args:
        source: the file's content, or the file opened for reading. Only the header of an open file is read, so EXIF
            data after the pixels of a PNG is ignored.

    Raises:
        ImageError: the header is not that of a usable photo.
    """
    return upright_size(_open(source))


def _open_bytes(data: bytes) -> Image.Image:
    if len(data) > MAX_BYTES:
        raise ImageError("too_large", f"A photo may have at most {MAX_BYTES:,} bytes; this one has {len(data):,}.")
    check_header(data)
    return _open(data)


def _open(source: bytes | BinaryIO) -> Image.Image:
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        start = file.read(12)
        file.seek(0)
        formats = (*FORMATS, "HEIF") if is_heif(start) and reads_heif() else FORMATS
        image = Image.open(file, formats=formats)
        frames_follow = getattr(image, "is_animated", False) and image.format not in ("MPO", "HEIF")
    except MemoryError:
        raise
    except Exception as error:  # with damaged bytes, Pillow's readers may raise any error
        file.seek(0)
        raise unreadable_error(file.read(MAX_BYTES), error) from None
    if is_raw(image):
        raise not_allowed_error("a camera raw file")
    if is_deep_and_planar(image):
        raise not_allowed_error("a TIFF whose colors have more than 8 bits and are stored plane by plane")
    _check_size(image.width, image.height)
    if frames_follow:
        frame_kind = "pages" if image.format == "TIFF" else "frames"
        raise ImageError(
            "animated",
            f"A photo must be a single still picture; this {image.format} contains several {frame_kind}. "
            "Save the picture that you want as a separate file.",
        )
    return image


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(
            "too_large",
            f"A photo may have at most {MAX_PIXELS // 1_000_000} megapixels; this one's header declares "
            f"{width} × {height} pixels. Save a smaller copy.",
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            "too_small", f"Each side of a photo must have at least {MIN_SIDE} pixels; this one has {width} × {height}."
        )


def _decode_jpeg(data: bytes, image: Image.Image, size: tuple[int, int], resize: Resize) -> np.ndarray:
    """RGB pixels before rotation, at full size or at the smallest size from libjpeg-turbo that suffices for `fit`."""
    if data.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise ImageError("corrupt", f"A JPEG may have at most {MAX_JPEG_SCANS} scans; this one has more.")
    min_height, min_width = least_size(image, size, resize)
    try:
        height, width, stored_colors, _ = simplejpeg.decode_jpeg_header(data)
        _check_equal_sizes(image.size, (width, height))
        color_space = "CMYK" if stored_colors in ("CMYK", "YCCK") else "RGB"
        pixels: np.ndarray = simplejpeg.decode_jpeg(data, color_space, min_height=min_height, min_width=min_width)
    except ValueError as error:
        if "subsampling" in str(error):  # rare sampling factors that TurboJPEG does not support, but libjpeg does
            return _read_by_pillow(data, image, lambda: _load_rgb(image))
        raise damage_error("The JPEG", error, ends_early=ends_early("JPEG", data)) from None
    if color_space == "CMYK":
        # Stored inverted, which is Adobe's de facto standard: 255 means no ink.
        inks = pixels.astype(np.uint16)
        pixels = ((inks[..., :3] * inks[..., 3:] + 127) // 255).astype(np.uint8)
    return pixels


def _check_equal_sizes(size: tuple[int, int], decoder_size: tuple[int, int]) -> None:
    """Rejects a photo whose (width, height) is not the same in Pillow and libjpeg-turbo."""
    if decoder_size != size:
        raise ValueError(f"it has two sizes, {size} and {decoder_size}")


def _read_by_pillow(data: bytes, image: Image.Image, read: Callable[[], Result]) -> Result:
    if image.format == "PNG":
        check_png(data)
    try:
        return read()
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # with damaged bytes, Pillow's readers may raise any error
        raise damage_error(f"The {image.format}", error) from None


def _load_rgb(image: Image.Image) -> np.ndarray:
    image.load()
    return to_rgb(image)


def _read_samples(data: bytes, image: Image.Image) -> Samples:
    return _read_by_pillow(data, image, lambda: Samples(image, data, lambda: _open_bytes(data)))
