"""What people put among their photos: one table of files by real encoders, whole, damaged and disguised.

Each has the verdict that the scan of a data set and the prediction service must both give: a reason code, or None where
the file is a photo after all. The few that no encoder at hand writes are put together by their format's own rules.
"""

import base64
import functools
import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from PIL import ExifTags, Image, PngImagePlugin

from components.contract.image.formats import MAX_PIXELS


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


@functools.cache
def scene(height: int, width: int, seed: int = 0) -> Image.Image:
    """A smooth coloured picture with some noise; not to be changed."""
    rng = np.random.default_rng(seed)
    blobs = rng.integers(0, 256, (5, 7, 3)).astype(np.float32)
    smooth = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 3, (height, width, 3))
    return Image.fromarray(smooth.clip(0, 255).astype(np.uint8))


@dataclass(frozen=True)
class BadPhoto:
    """A file, and what must be said of it.

    Attributes:
        suffix: of its name, as people would find it.
        make: gives its content.
        verdict: the reason code; None where it is taken.
    """

    suffix: str
    make: Callable[[], bytes]
    verdict: str | None


BAD_PHOTOS: Final[dict[str, BadPhoto]] = {}


def _add(name: str, suffix: str, verdict: str | None, make: Callable[[], bytes] | bytes) -> None:
    assert name not in BAD_PHOTOS, name
    content = (lambda: make) if isinstance(make, bytes) else make
    BAD_PHOTOS[name] = BadPhoto(suffix, functools.cache(content), verdict)


def _photo(file_format: str, *, mode: str = "RGB", size: tuple[int, int] = (60, 80), **options: object) -> bytes:
    return encoded(scene(*size).convert(mode), file_format, **options)


def _part(fraction: float, file_format: str, **options: object) -> bytes:
    """The first bytes of a whole file."""
    data = _photo(file_format, **options)  # type: ignore[arg-type]
    return data[: round(len(data) * fraction)]


def _flipped(data: bytes, *places: float) -> bytes:
    """With one bit turned over at each place, a fraction of the length."""
    damaged = bytearray(data)
    for place in places:
        damaged[int(place * len(data))] ^= 0x10
    return bytes(damaged)


def _animation(file_format: str) -> bytes:
    return encoded(scene(20, 20), file_format, save_all=True, append_images=[scene(20, 20, seed=1)])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    """A PNG of a stated size that holds the given bytes of pixels, and chunks before them."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", header, *chunks, _chunk(b"IDAT", zlib.compress(pixels)), _chunk(b"IEND", b"")]
    )


def _with_size(data: bytes, old: bytes, new: bytes) -> bytes:
    """The same file with another size in its header."""
    assert data.count(old) >= 1
    return data.replace(old, new, 1)


def _in_zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("photo.jpg", data)
    return file.getvalue()


def _exif(orientation: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def _by_opencv(suffix: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def _looped(tiff: bytes) -> bytes:
    """A TIFF whose list of pictures never ends."""
    start = int.from_bytes(tiff[4:8], "little")
    end = start + 2 + 12 * int.from_bytes(tiff[start : start + 2], "little")
    return tiff[:end] + tiff[4:8] + tiff[end + 4 :]


def _heic() -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener()
    return _photo("HEIF")


# --- no photos at all -----------------------------------------------------------------------------------------------

_add("an empty file", ".jpg", "empty", b"")
_add("text", ".jpg", "not_an_image", b"this is no picture\n" * 20)
_add("zeros, as a failed disk leaves them", ".jpg", "not_an_image", bytes(5000))
_add("noise", ".jpg", "not_an_image", np.random.default_rng(3).bytes(5000))
_add("a web page", ".jpg", "not_an_image", b"<!DOCTYPE html><html><body>404</body></html>")
_add("a web page after blanks", ".jpg", "not_an_image", b"\n\n  <html><head></head></html>")
_add("an error message in JSON", ".jpg", "not_an_image", b'{"error": "rate limit"}')
_add(
    "a pointer of Git LFS",
    ".jpg",
    "not_an_image",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n",
)
_add("a photo in base64", ".jpg", "not_an_image", lambda: base64.b64encode(_photo("JPEG")))
_add("a photo packed by gzip", ".jpg", "not_an_image", lambda: gzip.compress(_photo("JPEG")))
_add("a zip", ".jpg", "not_an_image", lambda: _in_zip(_photo("JPEG")))
_add("a PDF with a photo in it", ".jpg", "not_an_image", lambda: _photo("PDF"))
_add("sound", ".webp", "not_an_image", b"RIFF\x24\x00\x00\x00WAVEfmt " + b"0" * 40)
_add("the magic of a JPEG and nothing else", ".jpg", "truncated", b"\xff\xd8\xff")
_add("the magic of a PNG and nothing else", ".png", "truncated", b"\x89PNG\r\n\x1a\n")

# --- pictures of formats that are not taken -------------------------------------------------------------------------

_SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
_add("an SVG drawing", ".jpg", "format_not_allowed", _SVG)
_add("an AVIF", ".avif", "format_not_allowed", lambda: _photo("AVIF"))
_add("an icon", ".ico", "format_not_allowed", lambda: _photo("ICO"))
_add("an icon of Apple", ".icns", "format_not_allowed", lambda: _photo("ICNS", size=(64, 64)))
_add("JPEG 2000", ".jp2", "format_not_allowed", lambda: _photo("JPEG2000"))
_add("a bare code stream of JPEG 2000", ".j2k", "format_not_allowed", lambda: _photo("JPEG2000", no_jp2=True))
_add("a PPM", ".ppm", "format_not_allowed", lambda: _photo("PPM"))
_add(
    "a Photoshop file",
    ".psd",
    "format_not_allowed",
    b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(14) + bytes(192),
)
_add("an EPS", ".eps", "format_not_allowed", lambda: _photo("EPS"))
_add("a DDS texture", ".dds", "format_not_allowed", lambda: _photo("DDS"))
_add("a picture of OpenEXR", ".exr", "format_not_allowed", b"v/1\x01\x02\0\0\0" + bytes(300))
_add(
    "a colour TIFF of floats",
    ".tif",
    "format_not_allowed",
    lambda: _by_opencv(".tif", np.asarray(scene(60, 80)).astype(np.float32) / 255),
)
_add(
    "a camera's raw file in a TIFF's clothes",
    ".nef",
    "format_not_allowed",
    lambda: _photo("TIFF", tiffinfo={ExifTags.Base.NewSubfileType: 1}),
)
_add("a DNG", ".dng", "format_not_allowed", lambda: _photo("TIFF", tiffinfo={ExifTags.Base.DNGVersion: b"\1\4\0\0"}))
_add("a raw file of Canon", ".cr2", "format_not_allowed", b"II*\0\x10\0\0\0CR\2\0" + bytes(500))
_add("a film", ".jpg", "not_an_image", b"\0\0\0\x18ftypmp42" + bytes(300))
_add("a JPEG XL", ".jxl", "format_not_allowed", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100))

# --- files that end early -------------------------------------------------------------------------------------------

for _format, _suffix in {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "GIF": ".gif",
}.items():
    _add(f"half a {_format}", _suffix, "truncated", functools.partial(_part, 0.5, _format))
_add("the head of a JPEG", ".jpg", "truncated", lambda: _part(0.02, "JPEG"))
_add("nine tenths of a JPEG", ".jpg", "truncated", lambda: _part(0.9, "JPEG"))
_add("a JPEG without its last two bytes", ".jpg", "truncated", lambda: _photo("JPEG")[:-2])
_add("a progressive JPEG cut short", ".jpg", "truncated", lambda: _part(0.9, "JPEG", progressive=True))
_add("half a CMYK JPEG", ".jpg", "truncated", lambda: _part(0.5, "JPEG", mode="CMYK"))
_add(
    "a JPEG cut behind its thumbnail",
    ".jpg",
    "truncated",
    lambda: _photo("JPEG", exif=b"Exif\0\0" + _exif(1)[6:] + _photo("JPEG", size=(8, 8)))[:-300],
)
_add(
    "a JPEG whose second half is zeros",
    ".jpg",
    "truncated",
    lambda: (data := _photo("JPEG"))[: len(data) // 2] + bytes(len(data) // 2),
)
_add("a PNG without its end", ".png", "truncated", lambda: _photo("PNG")[:-12])
_add(
    "an interlaced PNG cut short",
    ".png",
    "truncated",
    lambda: (data := _by_opencv(".png", np.asarray(scene(60, 80))))[: len(data) // 3],
)
_add("half a TIFF by LZW", ".tif", "truncated", lambda: _part(0.5, "TIFF", compression="tiff_lzw"))
_add("half a HEIC", ".heic", "truncated", lambda: (data := _heic())[: len(data) // 2])

# --- damage ---------------------------------------------------------------------------------------------------------

_add("a PNG with one bit turned in its pixels", ".png", "corrupt", lambda: _flipped(_photo("PNG"), 0.5))
_add("a PNG with one bit turned in its header", ".png", "corrupt", lambda: _flipped(_photo("PNG"), 0.0012))
_add("a PNG of too few pixels", ".png", "truncated", lambda: png(80, 60, pixels=bytes(99)))
_add(
    "a PNG whose pixels do not unpack",
    ".png",
    "corrupt",
    lambda: _photo("PNG")[:33] + _chunk(b"IDAT", b"no deflate stream") + _chunk(b"IEND", b""),
)
_add(
    "a JPEG with bits turned all over",
    ".jpg",
    "corrupt",
    lambda: _flipped(_photo("JPEG", quality=95), *np.linspace(0.4, 0.95, 40).tolist()),
)
_add(
    "a JPEG with bytes too many in its scan",
    ".jpg",
    "corrupt",
    lambda: _photo("JPEG")[:-2] + b"\x12\x34\x56" * 20 + b"\xff\xd9",
)
_add(
    "a JPEG with another's scan",
    ".jpg",
    "corrupt",
    lambda: _photo("JPEG", quality=95)[:700] + _photo("JPEG", quality=5)[600:],
)
_add("a JPEG sent as text", ".jpg", "corrupt", lambda: _photo("JPEG", size=(300, 400)).replace(b"\n", b"\r\n"))
_add("a JPEG of 500 scans", ".jpg", "corrupt", lambda: _photo("JPEG")[:-2] + b"\xff\xda" * 500 + b"\xff\xd9")
_add(
    "a WebP with bits turned",
    ".webp",
    "corrupt",
    lambda: _flipped(_photo("WEBP", lossless=True), *np.linspace(0.1, 0.9, 30).tolist()),
)
_add("a TIFF of NaN", ".tif", "corrupt", lambda: encoded(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF"))
# --- sizes ----------------------------------------------------------------------------------------------------------

_add("one pixel", ".png", "too_small", lambda: encoded(Image.new("RGB", (1, 1)), "PNG"))
_add("a line of 20,000 pixels", ".png", "too_small", lambda: encoded(Image.new("RGB", (20_000, 1)), "PNG"))
_add("a column of 20,000 pixels", ".jpg", "too_small", lambda: encoded(Image.new("RGB", (1, 20_000)), "JPEG"))
_add("a bomb: a PNG of 30,000 × 30,000", ".png", "too_large", lambda: png(30_000, 30_000))
_add("a PNG just over the limit", ".png", "too_large", lambda: png(MAX_PIXELS // 10_000 + 1, 10_000))
_add(
    "a JPEG that says 65,000 × 65,000",
    ".jpg",
    "too_large",
    lambda: _with_size(_photo("JPEG"), struct.pack(">HH", 60, 80), struct.pack(">HH", 65_000, 65_000)),
)
_add(
    "a GIF that says 65,000 × 65,000",
    ".gif",
    "too_large",
    lambda: _with_size(_photo("GIF"), struct.pack("<HH", 80, 60), struct.pack("<HH", 65_000, 65_000)),
)
_add(
    "a BMP that says 2,000,000,000 × 60",
    ".bmp",
    "too_large",
    lambda: _with_size(_photo("BMP"), struct.pack("<ii", 80, 60), struct.pack("<ii", 2_000_000_000, 60)),
)
_add(
    "a TIFF that says 4,000,000 × 60",
    ".tif",
    "too_large",
    lambda: _with_size(_photo("TIFF"), struct.pack("<HHII", 256, 4, 1, 80), struct.pack("<HHII", 256, 4, 1, 4_000_000)),
)
_add(
    "a PNG with a bomb in its comment",
    ".png",
    "corrupt",
    lambda: png(8, 8, _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20 * 2**20))), pixels=bytes(200)),
)

# --- several pictures in one file -----------------------------------------------------------------------------------

_add("a GIF animation", ".gif", "animated", lambda: _animation("GIF"))
_add("a WebP animation", ".webp", "animated", lambda: _animation("WEBP"))
_add("a PNG animation", ".png", "animated", lambda: _animation("PNG"))
_add("a TIFF of two pages", ".tif", "animated", lambda: _animation("TIFF"))

# --- odd, and photos all the same -----------------------------------------------------------------------------------

_add("a JPEG with a zip behind it", ".jpg", None, lambda: _photo("JPEG") + _in_zip(b"another"))
_add(
    "a PNG with a web page in its comment",
    ".png",
    None,
    lambda: _photo("PNG", pnginfo=_comment("<script>alert(1)</script>")),
)
_add(
    "a JPEG with a depth map behind it",
    ".jpg",
    None,
    lambda: encoded(scene(40, 60), "MPO", save_all=True, append_images=[scene(10, 15, seed=1)]),
)
_add("a PNG named as a JPEG", ".jpg", None, lambda: _photo("PNG"))
_add("a JPEG named as a text", ".txt", None, lambda: _photo("JPEG", quality=60))
_add(
    "a PNG of 16 bits",
    ".png",
    None,
    lambda: encoded(Image.fromarray(np.linspace(0, 65535, 4800, dtype=np.uint16).reshape(60, 80)), "PNG"),
)
_add(
    "a colour PNG of 16 bits",
    ".png",
    None,
    lambda: _by_opencv(".png", np.asarray(scene(60, 80)).astype(np.uint16) * 257),
)
_add(
    "a colour TIFF of 16 bits",
    ".tif",
    None,
    lambda: _by_opencv(".tif", np.asarray(scene(60, 80)).astype(np.uint16) * 257),
)
_add(
    "a TIFF of floats",
    ".tif",
    None,
    lambda: encoded(Image.fromarray(np.asarray(scene(60, 80).convert("L"), np.float32) / 255), "TIFF"),
)
_add(
    "a TIFF of 32 bits",
    ".tif",
    None,
    lambda: encoded(Image.fromarray(np.asarray(scene(60, 80, 4).convert("L"), np.int32) * 99), "TIFF"),
)
_add("a big TIFF", ".tif", None, lambda: _photo("TIFF", big_tiff=True))
_add("a TIFF whose list of pages never ends", ".tif", None, lambda: _looped(_photo("TIFF", compression="tiff_deflate")))
_add("a fax", ".tif", None, lambda: _photo("TIFF", mode="1", compression="group4"))
_add("a JPEG in a TIFF", ".tif", None, lambda: _photo("TIFF", compression="jpeg"))
_add("a CMYK JPEG", ".jpg", None, lambda: _photo("JPEG", mode="CMYK"))
_add("a CMYK TIFF", ".tif", None, lambda: _photo("TIFF", mode="CMYK"))
_add(
    "a palette with transparency",
    ".png",
    None,
    lambda: encoded(scene(60, 80).quantize(16), "PNG", transparency=bytes(range(0, 256, 16))),
)
_add("a still GIF", ".gif", None, lambda: _photo("GIF"))
_add("a wide strip of 800 × 8", ".png", None, lambda: _photo("PNG", size=(8, 800)))
_add(
    "a JPEG whose EXIF points nowhere",
    ".jpg",
    None,
    lambda: _photo("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff", quality=70),
)
_add("a JPEG whose EXIF is cut short", ".jpg", None, lambda: _photo("JPEG", exif=_exif(6)[:20], quality=71))
_add("a JPEG turned by 77", ".jpg", None, lambda: _photo("JPEG", exif=_exif(77), quality=72))
_add(
    "a JPEG with a broken colour profile",
    ".jpg",
    None,
    lambda: _photo("JPEG", icc_profile=b"no profile" * 9, quality=73),
)
_add("a HEIC", ".heic", None, _heic)
_add(
    "25 megapixels of 16 bits in 50 KB",
    ".png",
    None,
    lambda: encoded(Image.fromarray(np.full((5_000, 5_000), 9_000, np.uint16)), "PNG"),
)


def _comment(text: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text)
    return info


def needs_heic(name: str) -> bool:
    """Whether the kind can only be made where the extra is installed."""
    return BAD_PHOTOS[name].suffix == ".heic"
