"""Small files that take a lot of time or memory to decode, built by hand according to their format."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Final

from PIL import Image

TIFF_LONG: Final = 4


def encoded(mode: str, side: int, file_format: str, **options: object) -> bytes:
    """Returns a picture of a single color."""
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, file_format, **options)
    return file.getvalue()


def jpeg_of_many_scans(side: int, num_scans: int) -> bytes:
    """Returns a progressive gray JPEG whose scans are valid but add nothing."""
    num_blocks = (-(-side // 8)) ** 2
    runs, num_blocks_left = [], num_blocks
    while num_blocks_left:
        run = min(num_blocks_left, 32767) if num_blocks_left >= 16384 else 1
        runs.append("00" + format(run - 16384, "014b") if run > 1 else "01")
        num_blocks_left -= run
    empty = _packed("".join(runs))
    scans = [_segment(0xDA, b"\1\1\0\0\0\0") + _packed("0" * num_blocks)]
    for band in range(1, 64):
        for low in range(13, -1, -1):
            high = 0 if low == 13 else low + 1
            scans.append(_segment(0xDA, bytes((1, 1, 0, band, band, high << 4 | low))) + empty)
    header = [
        _segment(0xDB, b"\0" + b"\1" * 64),
        _segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0"),
        _segment(0xC4, b"\0\1" + bytes(15) + b"\0"),  # DC table with one code: no difference
        _segment(0xC4, b"\x10\0\2" + bytes(14) + b"\xe0\0"),  # AC table: end of band in many blocks, and in one block
    ]
    return b"\xff\xd8" + b"".join([*header, *scans[:num_scans]]) + b"\xff\xd9"


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


def _packed(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")


def jpeg_with(*segments: bytes) -> bytes:
    photo = encoded("RGB", 64, "JPEG")
    return photo[:2] + b"".join(segments) + photo[2:]


def tiff_of_many_strips(number: int) -> bytes:
    """Returns a TIFF that lists this number of strips."""
    own = [
        (256, 1, 8),
        (257, 1, 8),
        (258, 1, 8),
        (259, 1, 1),
        (262, 1, 1),
        (273, number, 8),
        (277, 1, 1),
        (278, 1, 8),
        (279, number, 8),
    ]
    entries = [struct.pack("<HHLL", tag, TIFF_LONG, count, value) for tag, count, value in own]
    body = b"II*\0" + struct.pack("<L", 8 + 4 * number) + bytes(4 * number)
    return body + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def gif_with(*blocks: bytes) -> bytes:
    still = encoded("L", 8, "GIF")
    start = still.index(b"\x2c", 13 + 3 * 2 ** ((still[10] & 7) + 1) if still[10] & 0x80 else 13)
    return still[:start] + b"".join(blocks) + still[start:]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def png_with(*chunks: bytes) -> bytes:
    photo = encoded("RGB", 64, "PNG")
    return photo[:33] + b"".join(chunks) + photo[33:]


HEADER_BOMBS: Final[dict[str, Callable[[], bytes]]] = {
    "a JPEG with EXIF in 1,000 segments": lambda: jpeg_with(*[_segment(0xE1, b"Exif\0\0" + bytes(1_000))] * 1_000),
    "a JPEG with 100,000 segments": lambda: jpeg_with(*[_segment(0xFE, b"")] * 100_000),
    "a TIFF with a million strips": lambda: tiff_of_many_strips(1_000_000),
    "a PNG with 50,000 chunks": lambda: png_with(chunk(b"prVt", b"") * 50_000),
    "a GIF with a long comment": lambda: gif_with(b"\x21\xfe" + (b"\xff" + bytes(255)) * 8_000 + b"\0"),
    "a GIF with many comments": lambda: gif_with((b"\x21\xfe" + (b"\xff" + bytes(255)) * 8 + b"\0") * 1_000),
    "a GIF whose comment has blocks of one byte": lambda: gif_with(b"\x21\xfe" + b"\1a" * 500_000 + b"\0"),
    "a GIF with garbage before its picture": lambda: gif_with(b"\0" * 1_000_000),
}
