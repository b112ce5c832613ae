"""The accepted picture formats, and the errors for files that are damaged or have other formats."""

import functools
import io
import re
import zlib
from typing import Final

from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from components.contract.errors import ImageError

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

MAX_PIXELS: Final = 100_000_000
"""Larger photos are rejected after reading only the header. Cameras with more than 100 megapixels are rare."""
MAX_PNG_CHUNKS: Final = 200_000
"""Real files have far fewer; a file with more is designed to keep a decoder busy."""

_MAGIC: Final = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"RIFF": "WEBP",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
"""The first bytes of files in the accepted formats."""

_FOREIGN_BRANDS: Final = {
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"hevc": "HEIC",
    b"mif1": "HEIF",
    b"msf1": "HEIF",
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"crx ": "a camera raw file",
}
_FOREIGN_PICTURES: Final = {
    b"8BPS": "a Photoshop file",
    b"\0\0\1\0": "an icon",
    b"icns": "an icon",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"P6": "a PPM picture",
    b"P5": "a PGM picture",
    b"%!PS": "a PostScript file",
    b"DDS ": "a DDS texture",
    b"v/1\x01": "an OpenEXR picture",
    b"FUJIFILMCCD-RAW": "a camera raw file",
    b"IIRO": "a camera raw file",
    b"IIU\0": "a camera raw file",
    b"II*\0\x10\0\0\0CR": "a camera raw file",
}
_REDUCED_PICTURE: Final = 1
"""The bit of a TIFF's NewSubfileType for a smaller version of another picture in the file."""
_PLANE_BY_PLANE: Final = 2
"""The value of a TIFF's PlanarConfiguration for colors that are stored plane by plane."""


@functools.cache
def reads_heif() -> bool:
    """Whether HEIC photos, such as those taken by iPhones, can be read; this needs the extra `heic`."""
    try:
        import pillow_heif
    except ImportError:
        return False
    # Thumbnails, depth maps and auxiliary pictures are skipped; only the photo is decoded.
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return True


def is_heif(start: bytes) -> bool:
    """Whether a file with these first bytes is a HEIC or HEIF photo, such as those taken by iPhones."""
    return start[4:8] == b"ftyp" and _FOREIGN_BRANDS.get(start[8:12], "").startswith("HEI")


def format_of(image: Image.Image) -> str:
    """The format of an opened picture: one of FORMATS, or HEIF."""
    # If a depth or gain map follows in a phone's JPEG, Pillow reads the file as MPO; the first picture is the photo.
    return "JPEG" if image.format == "MPO" else str(image.format)


def is_raw(image: Image.Image) -> bool:
    """Whether a picture is the thumbnail at the beginning of a camera raw file."""
    if image.format != "TIFF":
        return False
    tags = image.tag_v2  # type: ignore[attr-defined]
    kind = tags.get(ExifTags.Base.NewSubfileType, 0)
    return ExifTags.Base.DNGVersion in tags or (isinstance(kind, int) and bool(kind & _REDUCED_PICTURE))


def is_deep_and_planar(image: Image.Image) -> bool:
    """Whether a TIFF stores colors of more than 8 bits plane by plane, which Pillow does not read correctly."""
    if image.format != "TIFF":
        return False
    tags = image.tag_v2  # type: ignore[attr-defined]
    bits_per_sample = tags.get(ExifTags.Base.BitsPerSample, ())
    is_planar = tags.get(ExifTags.Base.PlanarConfiguration) == _PLANE_BY_PLANE
    return is_planar and len(bits_per_sample) > 1 and max(bits_per_sample) > 8


def not_allowed_error(kind: str) -> ImageError:
    """The error for a picture in a format that is not accepted."""
    return ImageError(
        "format_not_allowed",
        f"A photo must be one of {', '.join(FORMATS)}; this is {kind}. Save it as one of them.",
    )


def unreadable_error(data: bytes, error: Exception) -> ImageError:
    """The error for a file that no reader can open; it names the kind of file that the first bytes indicate.

    Args:
        data: the file's content.
        error: the reader's error.
    """
    if not data:
        return ImageError("empty", "A photo must not be empty; this file has 0 bytes. Copy it again from its source.")
    if is_heif(data) and not reads_heif():
        return ImageError(
            "format_not_allowed",
            f"A photo must be one of {', '.join(FORMATS)}; this is {_FOREIGN_BRANDS[data[8:12]]}, which "
            "needs the extra heic. Run pip install 'darkroom[heic]', or save it as JPEG.",
        )
    foreign = _foreign_picture(data)
    if foreign is not None:
        return not_allowed_error(foreign)
    name = "HEIC" if is_heif(data) else _allowed_format(data)
    if name is None:
        return ImageError("not_an_image", f"A photo must be one of {', '.join(FORMATS)}; this is {_other_kind(data)}.")
    if name == "TIFF" and _has_unknown_pixels(data):
        return not_allowed_error("a TIFF with unsupported pixels, such as 32-bit float colors")
    if isinstance(error, UnidentifiedImageError):  # its text contains a memory address
        error = ValueError("its header cannot be read")
    return damage_error(f"The {name}", error, ends_early=ends_early(name, data))


def _allowed_format(data: bytes) -> str | None:
    for magic, name in _MAGIC.items():
        if data.startswith(magic) and (name != "WEBP" or data[8:12] == b"WEBP"):
            return name
    return None


def _foreign_picture(data: bytes) -> str | None:
    """The kind of a picture in a known format that is not in FORMATS; None for any other file."""
    if data[4:8] == b"ftyp" and not is_heif(data):
        return _FOREIGN_BRANDS.get(data[8:12])
    if b"<svg" in data[:1024].lower():
        return "an SVG drawing"
    return next((name for magic, name in _FOREIGN_PICTURES.items() if data.startswith(magic)), None)


def _other_kind(data: bytes) -> str:
    start = data[:1024].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if start.startswith(b"%pdf"):
        return "a PDF document"
    if not any(data):
        return "a file of zeros"
    return f"an unknown format that begins with {repr(data[:12])[1:]}"


def _has_unknown_pixels(data: bytes) -> bool:
    """Whether Pillow can read the header of a TIFF, but does not support its pixels."""
    try:
        TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    except SyntaxError as error:
        return str(error) == "unknown pixel mode"
    except Exception:  # with damaged bytes, Pillow may raise any error
        return False
    return False


def ends_early(name: str, data: bytes) -> bool:
    """Whether a file is certainly truncated."""
    if name == "JPEG":
        return b"\xff\xd9" not in data
    if name == "PNG":
        return b"IEND" not in data
    if name in ("WEBP", "BMP"):
        start = 4 if name == "WEBP" else 2
        return len(data) < int.from_bytes(data[start : start + 4], "little")
    if name == "TIFF":  # the directory may be after the pixels
        return int.from_bytes(data[4:8], "little" if data.startswith(b"II") else "big") >= len(data)
    return name == "HEIC" and _boxes_end(data) > len(data)


def _boxes_end(data: bytes) -> int:
    """The end of the last box of a HEIC, according to the sizes of its boxes."""
    end = 0
    while end + 8 <= len(data):
        size = int.from_bytes(data[end : end + 4], "big")
        if size == 1:  # the size follows, in eight bytes
            size = int.from_bytes(data[end + 8 : end + 16], "big")
        if size < 8:  # 0: up to the end of the file
            return len(data)
        end += size
    return end


def damage_error(subject: str, error: Exception, *, ends_early: bool = False) -> ImageError:
    """Converts a decoder's error to one that the user understands."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        pixels = re.search(r"\((\d+) pixels\)", reason)
        num_megapixels = f"{int(pixels[1]) / 1e6:,.0f}" if pixels else "more"
        return ImageError(
            "too_large",
            f"A photo may have at most {MAX_PIXELS // 1_000_000} megapixels; this one's header declares "
            f"{num_megapixels}. Save a smaller copy.",
        )
    if ends_early or isinstance(error, EOFError) or "premature end" in reason.lower() or "truncated" in reason.lower():
        return ImageError("truncated", f"{subject} is truncated: {reason}. Copy it again from its source.")
    return ImageError("corrupt", f"{subject} is damaged: {reason}. Copy it again from its source.")


def check_png(data: bytes) -> None:
    """Checks what Pillow does not check: the checksum of every chunk, and that the last chunk exists."""
    view = memoryview(data)
    start = 8
    for _ in range(MAX_PNG_CHUNKS):
        end = start + 8 + int.from_bytes(view[start : start + 4], "big")
        if end + 4 > len(data):
            raise ImageError(
                "truncated",
                f"The PNG is truncated at byte {len(data):,}: its last chunk, IEND, is missing. Copy it again from its "
                "source.",
            )
        if zlib.crc32(view[start + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise ImageError(
                "corrupt",
                f"The PNG is damaged: its chunk at byte {start:,} does not match its checksum. Copy it again from its "
                "source.",
            )
        if data[start + 4 : start + 8] == b"IEND":
            return
        start = end + 4
    raise ImageError("corrupt", f"A PNG may have at most {MAX_PNG_CHUNKS:,} chunks; this one has more.")
