"""Photos with flipped bits, wrong bytes or invalid pixels."""

import numpy as np
from PIL import Image

from tests.cases.bad_photos.encoding import encoded, photo, png, png_chunk, with_flipped_bits
from tests.cases.bad_photos.table import add

add("a PNG with one flipped bit in its pixels", ".png", "corrupt", lambda: with_flipped_bits(photo("PNG"), 0.5))
add("a PNG with one flipped bit in its header", ".png", "corrupt", lambda: with_flipped_bits(photo("PNG"), 0.0012))
add("a PNG with too few pixels", ".png", "truncated", lambda: png(80, 60, pixels=bytes(99)))
add(
    "a PNG whose pixels cannot be decompressed",
    ".png",
    "corrupt",
    lambda: photo("PNG")[:33] + png_chunk(b"IDAT", b"no deflate stream") + png_chunk(b"IEND", b""),
)
add(
    "a JPEG with bits flipped throughout",
    ".jpg",
    "corrupt",
    lambda: with_flipped_bits(photo("JPEG", quality=95), *np.linspace(0.4, 0.95, 40).tolist()),
)
add(
    "a JPEG with extra bytes in its scan",
    ".jpg",
    "corrupt",
    lambda: photo("JPEG")[:-2] + b"\x12\x34\x56" * 20 + b"\xff\xd9",
)
add(
    "a JPEG with the scan of another JPEG",
    ".jpg",
    "corrupt",
    lambda: photo("JPEG", quality=95)[:700] + photo("JPEG", quality=5)[600:],
)
add("a JPEG transferred as text", ".jpg", "corrupt", lambda: photo("JPEG", size=(300, 400)).replace(b"\n", b"\r\n"))
add("a JPEG with 500 scans", ".jpg", "corrupt", lambda: photo("JPEG")[:-2] + b"\xff\xda" * 500 + b"\xff\xd9")
add(
    "a WebP with flipped bits",
    ".webp",
    "corrupt",
    lambda: with_flipped_bits(photo("WEBP", lossless=True), *np.linspace(0.1, 0.9, 30).tolist()),
)
add("a TIFF of NaNs", ".tif", "corrupt", lambda: encoded(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF"))
