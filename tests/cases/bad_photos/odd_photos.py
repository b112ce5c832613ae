"""Unusual files, all of which are valid photos."""

import numpy as np
from PIL import Image

from tests.cases.bad_photos.encoding import (
    encoded,
    encoded_by_opencv,
    exif_orientation,
    heic,
    in_zip,
    looped_tiff,
    photo,
    png_comment,
    scene,
)
from tests.cases.bad_photos.table import add

add("a JPEG followed by a zip", ".jpg", None, lambda: photo("JPEG") + in_zip(b"another"))
add(
    "a PNG with a web page in its comment",
    ".png",
    None,
    lambda: photo("PNG", pnginfo=png_comment("<script>alert(1)</script>")),
)
add(
    "a JPEG followed by a depth map",
    ".jpg",
    None,
    lambda: encoded(scene(40, 60), "MPO", save_all=True, append_images=[scene(10, 15, seed=1)]),
)
add("a PNG named as a JPEG", ".jpg", None, lambda: photo("PNG"))
add("a JPEG with the extension .txt", ".txt", None, lambda: photo("JPEG", quality=60))
add(
    "a 16-bit PNG",
    ".png",
    None,
    lambda: encoded(Image.fromarray(np.linspace(0, 65535, 4800, dtype=np.uint16).reshape(60, 80)), "PNG"),
)
add(
    "a 16-bit color PNG",
    ".png",
    None,
    lambda: encoded_by_opencv(".png", np.asarray(scene(60, 80)).astype(np.uint16) * 257),
)
add(
    "a 16-bit color TIFF",
    ".tif",
    None,
    lambda: encoded_by_opencv(".tif", np.asarray(scene(60, 80)).astype(np.uint16) * 257),
)
add(
    "a TIFF of floats",
    ".tif",
    None,
    lambda: encoded(Image.fromarray(np.asarray(scene(60, 80).convert("L"), np.float32) / 255), "TIFF"),
)
add(
    "a 32-bit TIFF",
    ".tif",
    None,
    lambda: encoded(Image.fromarray(np.asarray(scene(60, 80, 4).convert("L"), np.int32) * 99), "TIFF"),
)
add("a BigTIFF", ".tif", None, lambda: photo("TIFF", big_tiff=True))
add(
    "a TIFF whose list of pages never ends",
    ".tif",
    None,
    lambda: looped_tiff(photo("TIFF", compression="tiff_deflate")),
)
add("a fax", ".tif", None, lambda: photo("TIFF", mode="1", compression="group4"))
add("a JPEG in a TIFF", ".tif", None, lambda: photo("TIFF", compression="jpeg"))
add("a CMYK JPEG", ".jpg", None, lambda: photo("JPEG", mode="CMYK"))
add("a CMYK TIFF", ".tif", None, lambda: photo("TIFF", mode="CMYK"))
add(
    "a palette PNG with transparency",
    ".png",
    None,
    lambda: encoded(scene(60, 80).quantize(16), "PNG", transparency=bytes(range(0, 256, 16))),
)
add("a still GIF", ".gif", None, lambda: photo("GIF"))
add("a wide strip of 800 × 8 pixels", ".png", None, lambda: photo("PNG", size=(8, 800)))
add(
    "a JPEG whose EXIF has an invalid offset",
    ".jpg",
    None,
    lambda: photo("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff", quality=70),
)
add("a JPEG whose EXIF is truncated", ".jpg", None, lambda: photo("JPEG", exif=exif_orientation(6)[:20], quality=71))
add("a JPEG with the orientation 77", ".jpg", None, lambda: photo("JPEG", exif=exif_orientation(77), quality=72))
add(
    "a JPEG with a broken color profile",
    ".jpg",
    None,
    lambda: photo("JPEG", icc_profile=b"no profile" * 9, quality=73),
)
add("a HEIC", ".heic", None, heic)
add(
    "a 16-bit PNG with 25 megapixels in 50 KB",
    ".png",
    None,
    lambda: encoded(Image.fromarray(np.full((5_000, 5_000), 9_000, np.uint16)), "PNG"),
)
