"""Photos that are too small or too large, and files with several photos."""

import struct
import zlib

from PIL import Image

from components.contract.image.formats import MAX_PIXELS
from tests.cases.bad_photos.encoding import animation, encoded, photo, png, png_chunk, with_size
from tests.cases.bad_photos.table import add

add("one pixel", ".png", "too_small", lambda: encoded(Image.new("RGB", (1, 1)), "PNG"))
add("a line of 20,000 pixels", ".png", "too_small", lambda: encoded(Image.new("RGB", (20_000, 1)), "PNG"))
add("a column of 20,000 pixels", ".jpg", "too_small", lambda: encoded(Image.new("RGB", (1, 20_000)), "JPEG"))
add("a decompression bomb: a PNG of 30,000 × 30,000", ".png", "too_large", lambda: png(30_000, 30_000))
add("a PNG just over the limit", ".png", "too_large", lambda: png(MAX_PIXELS // 10_000 + 1, 10_000))
add(
    "a JPEG that declares 65,000 × 65,000",
    ".jpg",
    "too_large",
    lambda: with_size(photo("JPEG"), struct.pack(">HH", 60, 80), struct.pack(">HH", 65_000, 65_000)),
)
add(
    "a GIF that declares 65,000 × 65,000",
    ".gif",
    "too_large",
    lambda: with_size(photo("GIF"), struct.pack("<HH", 80, 60), struct.pack("<HH", 65_000, 65_000)),
)
add(
    "a BMP that declares 2,000,000,000 × 60",
    ".bmp",
    "too_large",
    lambda: with_size(photo("BMP"), struct.pack("<ii", 80, 60), struct.pack("<ii", 2_000_000_000, 60)),
)
add(
    "a TIFF that declares 4,000,000 × 60",
    ".tif",
    "too_large",
    lambda: with_size(photo("TIFF"), struct.pack("<HHII", 256, 4, 1, 80), struct.pack("<HHII", 256, 4, 1, 4_000_000)),
)
add(
    "a PNG with a decompression bomb in its comment",
    ".png",
    "corrupt",
    lambda: png(8, 8, png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20 * 2**20))), pixels=bytes(200)),
)


add("a GIF animation", ".gif", "animated", lambda: animation("GIF"))
add("a WebP animation", ".webp", "animated", lambda: animation("WEBP"))
add("a PNG animation", ".png", "animated", lambda: animation("PNG"))
add("a TIFF of two pages", ".tif", "animated", lambda: animation("TIFF"))
