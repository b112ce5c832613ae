"""The decoder: which files it reads, and how. Nearly all inputs come from real encoders.

For the files that the decoder refuses, see tests/cases/bad_photos/.
"""

import struct
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from components.contract.errors import ImageError
from components.contract.image.decode import decode, read_size
from tests.cases.bad_photos import BAD_PHOTOS
from tests.cases.bad_photos.encoding import encoded, scene


def test_additional_pictures_in_a_phones_jpeg_are_ignored() -> None:
    photo, depth = scene(40, 60), scene(10, 15, seed=1)
    data = encoded(photo, "MPO", save_all=True, append_images=[depth])
    decoded = decode(data, (40, 60))
    assert decoded.format == "JPEG"
    assert np.abs(decoded.pixels.astype(int) - np.asarray(photo)).mean() < 8


def test_a_jpeg_with_rare_chroma_subsampling_is_read_by_pillow() -> None:
    data = jpeg_of_gray_blocks(sampling=(0x31, 0x11, 0x11))
    with pytest.raises(ValueError, match="subsampling"):
        simplejpeg.decode_jpeg_header(data)
    assert decode(data, (8, 24)).pixels.mean(axis=(0, 1)).tolist() == [128, 128, 128]


def jpeg_of_gray_blocks(sampling: tuple[int, int, int]) -> bytes:
    """A JPEG of 24 × 8 pixels in which every code is a single zero bit: all coefficients are 0."""

    def segment(marker: int, content: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content

    components = b"".join(bytes([number, factors, 0]) for number, factors in enumerate(sampling, 1))
    one_code = bytes([1, *[0] * 15, 0])
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xDB, b"\x00" + b"\x01" * 64),
            segment(0xC0, b"\x08\x00\x08\x00\x18\x03" + components),
            segment(0xC4, b"\x00" + one_code),
            segment(0xC4, b"\x10" + one_code),
            segment(0xDA, b"\x03\x01\x00\x02\x00\x03\x00\x00\x3f\x00"),
            b"\x00\x3f",
            b"\xff\xd9",
        ]
    )


def test_mode_and_format_are_those_of_the_file() -> None:
    photo = decode(encoded(scene(16, 24).convert("L"), "JPEG"), (8, 8))
    assert (photo.mode, photo.format) == ("L", "JPEG")


@pytest.mark.parametrize(
    "what",
    [
        "a decompression bomb: a PNG of 30,000 × 30,000",
        "one pixel",
        "a web page",
        "an empty file",
        "a GIF animation",
        "an AVIF",
    ],
)
def test_reading_only_the_header_rejects_a_photo_for_the_same_reason_as_decoding(what: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(BAD_PHOTOS[what].make())
    with pytest.raises(ImageError) as refusal, path.open("rb") as file:
        read_size(file)
    assert refusal.value.code == BAD_PHOTOS[what].verdict


def test_only_the_header_of_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(scene(900, 1200), "JPEG"))
    with path.open("rb", buffering=0) as file:
        assert read_size(file) == (900, 1200)  # type: ignore[arg-type]
        assert file.tell() < 10_000


WHOLE = {
    "jpeg": encoded(scene(18, 25), "JPEG"),
    "progressive jpeg": encoded(scene(18, 25), "JPEG", progressive=True),
    "png": encoded(scene(18, 25), "PNG"),
    "webp": encoded(scene(18, 25), "WEBP"),
    "lossless webp": encoded(scene(18, 25), "WEBP", lossless=True),
    "gif": encoded(scene(18, 25), "GIF"),
    "bmp": encoded(scene(18, 25), "BMP"),
    "tiff": encoded(scene(18, 25), "TIFF"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_truncated_anywhere_is_rejected_or_only_lacks_padding(name: str) -> None:
    data = WHOLE[name]
    whole = decode(data, (18, 25)).pixels
    for length in range(len(data)):
        try:
            photo = decode(data[:length], (18, 25))
        except ImageError as refusal:
            assert refusal.code in ("empty", "not_an_image", "truncated", "corrupt")
        else:
            assert length >= len(data) - 3, "at most a few bytes of padding may be missing"
            assert np.array_equal(photo.pixels, whole)


@given(st.integers(0, len(WHOLE["png"]) - 1), st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_every_flipped_bit_of_a_png_is_detected(position: int, bit: int) -> None:
    damaged = bytearray(WHOLE["png"])
    damaged[position] ^= 1 << bit
    with pytest.raises(ImageError):
        decode(bytes(damaged), (18, 25))


@given(
    st.sampled_from(sorted(set(WHOLE) - {"tiff"})), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=8)
)
@settings(max_examples=200, deadline=None)
def test_a_damaged_file_is_decoded_or_rejected(name: str, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(WHOLE[name])
    for position, value in changes:
        damaged[position % len(damaged)] = value
    try:
        assert decode(bytes(damaged), (18, 25)).pixels.shape == (18, 25, 3)
    except ImageError as refusal:
        assert refusal.code in {bad.verdict for bad in BAD_PHOTOS.values()}


def test_a_file_with_too_many_bytes_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.contract.image.decode.MAX_BYTES", 100)
    with pytest.raises(ImageError, match="at most 100 bytes") as refusal:
        decode(WHOLE["png"], (8, 8))
    assert refusal.value.code == "too_large"


@pytest.fixture
def heic() -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(scene(40, 60), "HEIF", exif=exif)


def test_iphone_photos_are_decoded_as_image_viewers_show_them(heic: bytes) -> None:
    """HEIF has its own rotation, which the reader applies; the rotation in EXIF is ignored."""
    photo = decode(heic, (40, 60))
    assert (photo.format, photo.native_size, read_size(heic)) == ("HEIF", (40, 60), (40, 60))
    expected = np.asarray(scene(40, 60))
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 10


def test_a_damaged_heic_is_refused(heic: bytes) -> None:
    for end in (20, 200, len(heic) // 2, len(heic) - 30):
        with pytest.raises(ImageError):
            decode(heic[:end], (60, 40))


def test_without_its_extra_a_heic_photo_is_rejected_with_advice(heic: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.contract.image.formats.reads_heif", lambda: False)
    monkeypatch.setattr("components.contract.image.decode.reads_heif", lambda: False)
    with pytest.raises(ImageError, match=r"pip install 'darkroom\[heic\]'") as refusal:
        decode(heic, (60, 40))
    assert refusal.value.code == "format_not_allowed"
