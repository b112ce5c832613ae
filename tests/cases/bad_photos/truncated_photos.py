"""Truncated photos."""

import functools

import numpy as np

from tests.cases.bad_photos.encoding import beginning, encoded_by_opencv, exif_orientation, heic, photo, scene
from tests.cases.bad_photos.table import add

for file_format, suffix in {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "GIF": ".gif",
}.items():
    add(f"half a {file_format}", suffix, "truncated", functools.partial(beginning, 0.5, file_format))
add("only the beginning of a JPEG", ".jpg", "truncated", lambda: beginning(0.02, "JPEG"))
add("nine tenths of a JPEG", ".jpg", "truncated", lambda: beginning(0.9, "JPEG"))
add("a JPEG without its last two bytes", ".jpg", "truncated", lambda: photo("JPEG")[:-2])
add("a truncated progressive JPEG", ".jpg", "truncated", lambda: beginning(0.9, "JPEG", progressive=True))
add("half a CMYK JPEG", ".jpg", "truncated", lambda: beginning(0.5, "JPEG", mode="CMYK"))
add(
    "a JPEG truncated after its thumbnail",
    ".jpg",
    "truncated",
    lambda: photo("JPEG", exif=b"Exif\0\0" + exif_orientation(1)[6:] + photo("JPEG", size=(8, 8)))[:-300],
)
add(
    "a JPEG whose second half is zeros",
    ".jpg",
    "truncated",
    lambda: (data := photo("JPEG"))[: len(data) // 2] + bytes(len(data) // 2),
)
add("a PNG without its last chunk", ".png", "truncated", lambda: photo("PNG")[:-12])
add(
    "a truncated interlaced PNG",
    ".png",
    "truncated",
    lambda: (data := encoded_by_opencv(".png", np.asarray(scene(60, 80))))[: len(data) // 3],
)
add("half an LZW-compressed TIFF", ".tif", "truncated", lambda: beginning(0.5, "TIFF", compression="tiff_lzw"))
add("half a HEIC", ".heic", "truncated", lambda: (data := heic())[: len(data) // 2])
