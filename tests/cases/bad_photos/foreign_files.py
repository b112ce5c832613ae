"""Files that are not photos, and pictures in formats that are not allowed."""

import base64
import gzip
import struct

import numpy as np
from PIL import ExifTags

from tests.cases.bad_photos.encoding import encoded_by_opencv, in_zip, photo, scene
from tests.cases.bad_photos.table import add

add("an empty file", ".jpg", "empty", b"")
add("text", ".jpg", "not_an_image", b"this is no picture\n" * 20)
add("zeros, as left by a failed disk", ".jpg", "not_an_image", bytes(5000))
add("noise", ".jpg", "not_an_image", np.random.default_rng(3).bytes(5000))
add("a web page", ".jpg", "not_an_image", b"<!DOCTYPE html><html><body>404</body></html>")
add("a web page after blank lines", ".jpg", "not_an_image", b"\n\n  <html><head></head></html>")
add("an error message in JSON", ".jpg", "not_an_image", b'{"error": "rate limit"}')
add(
    "a Git LFS pointer",
    ".jpg",
    "not_an_image",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 1234\n",
)
add("a photo in base64", ".jpg", "not_an_image", lambda: base64.b64encode(photo("JPEG")))
add("a photo compressed with gzip", ".jpg", "not_an_image", lambda: gzip.compress(photo("JPEG")))
add("a zip", ".jpg", "not_an_image", lambda: in_zip(photo("JPEG")))
add("a PDF with a photo in it", ".jpg", "not_an_image", lambda: photo("PDF"))
add("a sound file", ".webp", "not_an_image", b"RIFF\x24\x00\x00\x00WAVEfmt " + b"0" * 40)
add("only the magic bytes of a JPEG", ".jpg", "truncated", b"\xff\xd8\xff")
add("only the magic bytes of a PNG", ".png", "truncated", b"\x89PNG\r\n\x1a\n")


_SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
add("an SVG drawing", ".jpg", "format_not_allowed", _SVG)
add("an AVIF", ".avif", "format_not_allowed", lambda: photo("AVIF"))
add("an icon", ".ico", "format_not_allowed", lambda: photo("ICO"))
add("an Apple icon", ".icns", "format_not_allowed", lambda: photo("ICNS", size=(64, 64)))
add("JPEG 2000", ".jp2", "format_not_allowed", lambda: photo("JPEG2000"))
add("a bare JPEG 2000 codestream", ".j2k", "format_not_allowed", lambda: photo("JPEG2000", no_jp2=True))
add("a PPM", ".ppm", "format_not_allowed", lambda: photo("PPM"))
add(
    "a Photoshop file",
    ".psd",
    "format_not_allowed",
    b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 8, 8, 8, 3) + bytes(14) + bytes(192),
)
add("an EPS", ".eps", "format_not_allowed", lambda: photo("EPS"))
add("a DDS texture", ".dds", "format_not_allowed", lambda: photo("DDS"))
add("an OpenEXR picture", ".exr", "format_not_allowed", b"v/1\x01\x02\0\0\0" + bytes(300))
add(
    "a color TIFF of floats",
    ".tif",
    "format_not_allowed",
    lambda: encoded_by_opencv(".tif", np.asarray(scene(60, 80)).astype(np.float32) / 255),
)
add(
    "a camera's raw file that looks like a TIFF",
    ".nef",
    "format_not_allowed",
    lambda: photo("TIFF", tiffinfo={ExifTags.Base.NewSubfileType: 1}),
)
add("a DNG", ".dng", "format_not_allowed", lambda: photo("TIFF", tiffinfo={ExifTags.Base.DNGVersion: b"\1\4\0\0"}))
add("a Canon raw file", ".cr2", "format_not_allowed", b"II*\0\x10\0\0\0CR\2\0" + bytes(500))
add("a video", ".jpg", "not_an_image", b"\0\0\0\x18ftypmp42" + bytes(300))
add("a JPEG XL", ".jxl", "format_not_allowed", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100))
