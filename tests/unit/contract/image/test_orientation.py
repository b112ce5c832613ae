"""The EXIF orientation of a photo is applied in every format; damaged EXIF data is ignored."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from components.contract.image.decode import decode, read_size
from tests.cases.bad_photos.encoding import encoded, scene


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("file_format", "options"), [("JPEG", {}), ("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})]
)
def test_exif_orientation_is_applied(file_format: str, options: dict[str, object], orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(20, 32), file_format, exif=exif, **options)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    photo = decode(data, expected.shape[:2])
    assert np.array_equal(photo.pixels, expected)
    assert photo.native_size == read_size(data) == expected.shape[:2]


def test_exif_after_the_pixels_of_a_png_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(20, 32), "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    moved_exif = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert decode(moved_exif, (32, 20)).native_size == (32, 20)
    assert np.array_equal(decode(moved_exif, (32, 20)).pixels, decode(data, (32, 20)).pixels)


@pytest.mark.parametrize("damage", [b"\x00" * 6, b"MM\x00*\xff\xff\xff\xff", b"II*\x00\x08\x00\x00\x00\xff\xff"])
def test_a_photo_with_damaged_exif_is_unchanged(damage: bytes) -> None:
    data = encoded(scene(20, 32), "JPEG", exif=b"Exif\x00\x00" + damage)
    assert decode(data, (20, 32)).native_size == (20, 32)
