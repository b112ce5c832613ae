"""Which picture formats are taken, and what is wrong with a file that is none, or not whole."""

import functools
import zlib
from typing import Final

from PIL import Image, UnidentifiedImageError

from components.contract.errors import ImageError

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

MAX_PIXELS: Final = 100_000_000
"""Larger photos are refused by their header alone; 100 megapixels are the largest cameras' full size."""

MAX_PNG_CHUNKS: Final = 200_000
"""Real files hold far fewer; more are made to keep a decoder busy."""

_MAGIC: Final = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF", b"RIFF": "WEBP", b"BM": "BMP",
    b"II*\0": "TIFF", b"MM\0*": "TIFF",
}  # fmt: skip
"""How files of the allowed formats begin."""

_FOREIGN_BRANDS: Final = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF", b"avif": "AVIF"}
_FOREIGN_PICTURES: Final = {
    b"8BPS": "a Photoshop file", b"\0\0\1\0": "an icon", b"\0\0\0\x0cjP  ": "JPEG 2000", b"\xff\x4f\xff\x51":
    "JPEG 2000", b"\0\0\0\x0cJXL ": "JPEG XL", b"\xff\x0a": "JPEG XL", b"P6": "a PPM picture", b"P5": "a PGM picture",
}  # fmt: skip


@functools.cache
def reads_heif() -> bool:
    """Whether photos of iPhones can be read: where the extra `heic` is installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    # No thumbnails, depth maps or auxiliary pictures: only the photo is decoded.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return True


def is_heif(start: bytes) -> bool:
    """Whether a file that begins so is what iPhones make."""
    return start[4:8] == b"ftyp" and _FOREIGN_BRANDS.get(start[8:12], "").startswith("HEI")


def unreadable(data: bytes, error: Exception) -> ImageError:
    """Says what a file that no allowed reader opens is, as far as its first bytes tell.

    Args:
        data: the file's content.
        error: what the reader complained of.
    """
    if not data:
        return ImageError("empty", "A photo must hold data; this file has 0 bytes. Copy it again from its origin.")
    for magic, name in _MAGIC.items():
        if data.startswith(magic) and (name != "WEBP" or data[8:12] == b"WEBP"):
            if isinstance(error, UnidentifiedImageError):  # its text names the object in memory
                error = ValueError("its header cannot be read")
            return damage(f"The {name}", error, ends_early=ends_early(name, data))
    if is_heif(data):
        if reads_heif():
            return damage("The HEIC", ValueError("its header cannot be read"))
        return ImageError(
            "format_not_allowed",
            f"A photo must be one of {', '.join(FORMATS)}; this is "
            f"{_FOREIGN_BRANDS[data[8:12]]}, which is read where the extra heic is "
            "installed: pip install 'darkroom[heic]'. Or save it as JPEG.",
        )
    start = data[:1024].lstrip().lower()
    picture = _FOREIGN_BRANDS.get(data[8:12]) if data[4:8] == b"ftyp" else None
    picture = picture or next((name for magic, name in _FOREIGN_PICTURES.items() if data.startswith(magic)), None)
    if b"<svg" in start:
        picture = "an SVG drawing"
    if picture:
        return ImageError("format_not_allowed", f"A photo must be one of {', '.join(FORMATS)}; this is {picture}. "
                                                "Save it as one of them.")  # fmt: skip
    if start.startswith((b"<!doctype html", b"<html")):
        found = "a web page"
    elif start.startswith(b"%pdf"):
        found = "a PDF document"
    else:
        found = f"something else, which begins with {data[:12]!r}"
    return ImageError("not_an_image", f"A photo must be one of {', '.join(FORMATS)}; this is {found}.")


def ends_early(name: str, data: bytes) -> bool:
    """Whether a file lacks its end for certain."""
    if name == "JPEG":
        return b"\xff\xd9" not in data
    if name == "PNG":
        return b"IEND" not in data
    if name in ("WEBP", "BMP"):
        start = 4 if name == "WEBP" else 2
        return len(data) < int.from_bytes(data[start : start + 4], "little")
    return False


def damage(what: str, error: Exception, *, ends_early: bool = False) -> ImageError:
    """What a decoder's own complaint means to the user."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return ImageError("too_large", f"A photo may have at most {MAX_PIXELS // 1_000_000} megapixels: {reason}.")
    if ends_early or isinstance(error, EOFError) or "premature end" in reason.lower() or "truncated" in reason.lower():
        return ImageError("truncated", f"{what} must be whole; it ends early: {reason}. Copy it again from its origin.")
    return ImageError("corrupt", f"{what} must be intact; it is damaged: {reason}. Copy it again from its origin.")


def check_png(data: bytes) -> None:
    """Checks what Pillow leaves out: the checksum of every chunk, and that the last one is there."""
    view = memoryview(data)
    start = 8
    for _ in range(MAX_PNG_CHUNKS):
        end = start + 8 + int.from_bytes(view[start : start + 4], "big")
        if end + 4 > len(data):
            raise ImageError("truncated", f"A PNG must end with its IEND chunk; this one ends early, at byte "
                                          f"{len(data):,}. Copy it again from its origin.")  # fmt: skip
        if zlib.crc32(view[start + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise ImageError("corrupt", "Each chunk of a PNG must match its checksum; the one at byte "
                                        f"{start:,} does not. Copy the file again from its origin.")  # fmt: skip
        if data[start + 4 : start + 8] == b"IEND":
            return
        start = end + 4
    raise ImageError("corrupt", f"A PNG may hold at most {MAX_PNG_CHUNKS:,} chunks; this one holds more.")
