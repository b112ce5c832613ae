"""Limits the cost of reading a photo's header, and reads the facts of a JPEG that determine its decoding cost.

Pillow reads headers in Python, and keeps what it reads. A small file can make it copy the same bytes thousands of
times, or walk through millions of empty blocks. The files of real cameras and encoders are far below these limits.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from components.contract.errors import ImageError

MAX_SEGMENTS: Final = 10_000
"""The maximum number of segments of a JPEG before its pixels, and of chunks of a PNG that contain no pixels."""
MAX_EXTENSION_BYTES: Final = 2**18
"""The maximum size of the extensions of a GIF, such as comments, and of the EXIF data of a JPEG, which Pillow
concatenates piece by piece."""
MIN_BLOCK_BYTES: Final = 64
"""The minimum average size of a GIF's blocks. Encoders write blocks of 255 bytes, except the last of each sequence."""
MAX_TAG_VALUES: Final = 2**18
"""The maximum number of values in a tag of a TIFF; even one strip per row needs fewer."""
_OPAQUE_TYPES: Final = (1, 2, 7)
"""The TIFF types BYTE, ASCII and UNDEFINED, which Pillow keeps as bytes instead of a tuple of numbers."""
_START_OF_SCAN: Final = 0xDA
_FRAME_MARKERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE_MARKERS: Final = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_BARE_MARKERS: Final = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a length."""


@dataclass(frozen=True)
class JpegFrame:
    """The facts of a JPEG that determine the cost of decoding it.

    Attributes:
        is_buffered: whether the decoder keeps the coefficients of the whole photo in memory, because the JPEG is
            progressive or each color has its own scan.
        coefficients_per_pixel: the sum over all colors: 3 without subsampling, 1.5 if the height and width of both
            chroma planes are halved.
        num_scans: the number of passes over the photo.
    """

    is_buffered: bool
    coefficients_per_pixel: float
    num_scans: int


def check_header(data: bytes) -> None:
    """Checks that the header of a file does not need far more memory and time than its size suggests.

    Args:
        data: the file's content, in any format; only JPEG, PNG, TIFF and GIF are checked.

    Raises:
        ImageError: the header exceeds a limit; the code is `corrupt`.
    """
    if data.startswith(b"\xff\xd8"):
        _check_jpeg(data)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        _check_png(data)
    elif data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        _check_tiff(data)
    elif data.startswith(b"GIF8"):
        _check_gif(data)


def jpeg_frame(data: bytes) -> JpegFrame:
    """Reads the header of a JPEG; a damaged header is treated as the most expensive kind."""
    num_scans = max(1, data.count(b"\xff\xda"))
    frame: tuple[int, bytes] | None = None
    for marker, start, end in _jpeg_segments(data):
        if marker in _FRAME_MARKERS and frame is None:
            frame = marker, data[start + 5 : end]
        elif marker == _START_OF_SCAN:
            if frame is None or not frame[1] or end - start < 1:
                break
            factors = [(byte >> 4, byte & 15) for byte in frame[1][2 : 1 + 3 * frame[1][0] : 3]]
            most = max(factors, default=(1, 1))[0] * max((low for _, low in factors), default=1)
            share = sum(across * down for across, down in factors) / max(1, most)
            return JpegFrame(frame[0] in _PROGRESSIVE_MARKERS or data[start] < frame[1][0], max(1.0, share), num_scans)
    return JpegFrame(is_buffered=True, coefficients_per_pixel=4.0, num_scans=num_scans)


def _check_jpeg(data: bytes) -> None:
    num_exif_bytes = 0
    for number, (marker, start, end) in enumerate(_jpeg_segments(data), 1):
        num_exif_bytes += (end - start) * (marker == 0xE1 and data.startswith(b"Exif\0\0", start))
        if number > MAX_SEGMENTS:
            raise _excess_error(f"have at most {MAX_SEGMENTS:,} segments")
        if num_exif_bytes > MAX_EXTENSION_BYTES:
            raise _excess_error(f"have at most {MAX_EXTENSION_BYTES:,} bytes of EXIF data")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of the content of each segment, up to the header of the first scan or to damaged bytes."""
    start, marker = 2, 0
    while marker != _START_OF_SCAN:
        start = data.find(b"\xff", start)
        while start >= 0 and data[start : start + 2] == b"\xff\xff":  # fill bytes
            start += 1
        if start < 0 or start + 4 > len(data):
            return
        marker = data[start + 1]
        length = 0 if marker == 0 or marker in _BARE_MARKERS else int.from_bytes(data[start + 2 : start + 4], "big")
        yield marker, start + 4, max(start + 4, start + 2 + length)
        start += 2 + length


def _check_png(data: bytes) -> None:
    start, num_chunks = 8, 0
    while start + 12 <= len(data):
        num_chunks += data[start + 4 : start + 8] != b"IDAT"
        start += 12 + int.from_bytes(data[start : start + 4], "big")
        if num_chunks > MAX_SEGMENTS:
            raise _excess_error(f"have at most {MAX_SEGMENTS:,} chunks that contain no pixels")


def _check_gif(data: bytes) -> None:
    """Reads up to the second picture, as Pillow does to detect an animation."""
    start = 13 + _palette_bytes(data[10:11])
    num_pictures = num_blocks = num_extension_bytes = 0
    max_blocks = MAX_SEGMENTS + len(data) // MIN_BLOCK_BYTES
    while start + 10 <= len(data) and num_pictures < 2:
        introducer = data[start]
        start += {0x21: 2, 0x2C: 11 + _palette_bytes(data[start + 9 : start + 10])}.get(introducer, 1)
        num_pictures += introducer == 0x2C
        num_blocks += 1
        while introducer in (0x21, 0x2C) and start < len(data) and num_blocks <= max_blocks:
            size = data[start]
            start += 1 + size
            if size == 0:
                break
            num_blocks += 1
            num_extension_bytes += size * (introducer == 0x21)
        if num_extension_bytes > MAX_EXTENSION_BYTES:
            raise _excess_error(f"have at most {MAX_EXTENSION_BYTES:,} bytes of comments and extensions")
        if num_blocks > max_blocks:
            raise _excess_error(f"have at most one block for every {MIN_BLOCK_BYTES} bytes")


def _palette_bytes(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _check_tiff(data: bytes) -> None:
    """Limits the number of values per tag: Pillow limits a tag's bytes, but creates a Python object for each value."""
    order = "<" if data.startswith(b"II") else ">"
    is_big = 43 in data[2:4]
    entry = struct.Struct(order + ("HHQ8x" if is_big else "HHL4x"))
    pointer = data[8:16] if is_big else data[4:8]
    byte_order: Literal["little", "big"] = "little" if order == "<" else "big"
    start = int.from_bytes(pointer, byte_order)
    head = 8 if is_big else 2
    num_entries = int.from_bytes(data[start : start + head], byte_order)
    for place in range(start + head, start + head + num_entries * entry.size, entry.size):
        if place + entry.size > len(data):
            return
        _, kind, count = entry.unpack_from(data, place)
        if MAX_TAG_VALUES < count <= len(data) and kind not in _OPAQUE_TYPES:
            raise _excess_error(f"have at most {MAX_TAG_VALUES:,} numbers in each tag")


def _excess_error(rule: str) -> ImageError:
    text = f"The header of a photo must {rule}; this photo's header exceeds that. Save it again without its metadata."
    return ImageError("corrupt", text)
