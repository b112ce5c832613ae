"""Photos with flipped bits, foreign bytes or invalid pixels."""

import numpy as np
from PIL import Image

from tests.cases.bad_photos.encoding import encoded, photo, png, png_chunk, with_flipped_bits
from tests.cases.bad_photos.table import add

add("a PNG with one bit turned in its pixels", ".png", "corrupt", lambda: with_flipped_bits(photo("PNG"), 0.5))
add("a PNG with one bit turned in its header", ".png", "corrupt", lambda: with_flipped_bits(photo("PNG"), 0.0012))
add("a PNG of too few pixels", ".png", "truncated", lambda: png(80, 60, pixels=bytes(99)))
add(
    "a PNG whose pixels do not unpack",
    ".png",
    "corrupt",
    lambda: photo("PNG")[:33] + png_chunk(b"IDAT", b"no deflate stream") + png_chunk(b"IEND", b""),
)
add(
    "a JPEG with bits turned all over",
    ".jpg",
    "corrupt",
    lambda: with_flipped_bits(photo("JPEG", quality=95), *np.linspace(0.4, 0.95, 40).tolist()),
)
add(
    "a JPEG with bytes too many in its scan",
    ".jpg",
    "corrupt",
    lambda: photo("JPEG")[:-2] + b"\x12\x34\x56" * 20 + b"\xff\xd9",
)
add(
    "a JPEG with another's scan",
    ".jpg",
    "corrupt",
    lambda: photo("JPEG", quality=95)[:700] + photo("JPEG", quality=5)[600:],
)
add("a JPEG sent as text", ".jpg", "corrupt", lambda: photo("JPEG", size=(300, 400)).replace(b"\n", b"\r\n"))
add("a JPEG of 500 scans", ".jpg", "corrupt", lambda: photo("JPEG")[:-2] + b"\xff\xda" * 500 + b"\xff\xd9")
add(
    "a WebP with bits turned",
    ".webp",
    "corrupt",
    lambda: with_flipped_bits(photo("WEBP", lossless=True), *np.linspace(0.1, 0.9, 30).tolist()),
)
add("a TIFF of NaN", ".tif", "corrupt", lambda: encoded(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF"))
