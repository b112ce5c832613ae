"""Encodes pictures with real encoders, or by hand if no encoder is available."""

import functools
import io
import struct
import zipfile
import zlib

import cv2
import numpy as np
from PIL import Image, PngImagePlugin


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """Encodes a picture."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


@functools.cache
def scene(height: int, width: int, seed: int = 0) -> Image.Image:
    """Returns a smooth colored picture with some noise. Callers must not change it."""
    rng = np.random.default_rng(seed)
    blobs = rng.integers(0, 256, (5, 7, 3)).astype(np.float32)
    smooth = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 3, (height, width, 3))
    return Image.fromarray(smooth.clip(0, 255).astype(np.uint8))


def photo(file_format: str, *, mode: str = "RGB", size: tuple[int, int] = (60, 80), **options: object) -> bytes:
    return encoded(scene(*size).convert(mode), file_format, **options)


def beginning(fraction: float, file_format: str, **options: object) -> bytes:
    """Returns the beginning of an intact photo file: this fraction of its bytes."""
    data = photo(file_format, **options)  # type: ignore[arg-type]
    return data[: round(len(data) * fraction)]


def with_flipped_bits(data: bytes, *places: float) -> bytes:
    """Flips one bit at each of `places`, which are fractions of the length of the data."""
    damaged = bytearray(data)
    for place in places:
        damaged[int(place * len(data))] ^= 0x10
    return bytes(damaged)


def animation(file_format: str) -> bytes:
    return encoded(scene(20, 20), file_format, save_all=True, append_images=[scene(20, 20, seed=1)])


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    """Returns a PNG whose header contains this size, with the given pixel bytes and extra chunks."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", header, *chunks, png_chunk(b"IDAT", zlib.compress(pixels)), png_chunk(b"IEND", b"")]
    )


def with_size(data: bytes, old: bytes, new: bytes) -> bytes:
    """Returns the same file with a different picture size in its header."""
    assert data.count(old) >= 1
    return data.replace(old, new, 1)


def in_zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.jpg", data)
    return file.getvalue()


def exif_orientation(orientation: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def encoded_by_opencv(suffix: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def looped_tiff(tiff: bytes) -> bytes:
    """Returns a TIFF whose list of pages never ends."""
    start = int.from_bytes(tiff[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(tiff[start : start + 2], "little")
    return tiff[:end] + tiff[4:8] + tiff[end + 4 :]


def heic() -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    return photo("HEIF")


def png_comment(text: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text)
    return info
