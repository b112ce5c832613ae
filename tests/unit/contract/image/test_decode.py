"""The one decoder: what it reads, and how; every input comes from a real encoder.

What it refuses stands in tests/cases/bad_photos/.
"""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from components.contract.errors import ImageError
from components.contract.image.decode import Resize, decode, read_size
from tests.cases.bad_photos import BAD_PHOTOS
from tests.cases.bad_photos.encoding import encoded, scene

COLOUR = (200, 120, 40)
GREY = round(0.299 * 200 + 0.587 * 120 + 0.114 * 40)


def plain(mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (24, 16), COLOUR).convert(mode)


def with_palette(image: Image.Image) -> Image.Image:
    image.putpalette(bytes(range(48)))
    return image


def colour_of(data: bytes) -> np.ndarray:
    """The mean colour of a photo of one colour."""
    return decode(data, (16, 24)).pixels.mean(axis=(0, 1))


@pytest.mark.parametrize(
    ("mode", "file_format", "expected"),
    [
        ("RGB", "JPEG", COLOUR),
        ("RGB", "PNG", COLOUR),
        ("RGB", "WEBP", COLOUR),
        ("RGB", "BMP", COLOUR),
        ("RGB", "GIF", COLOUR),
        ("RGB", "TIFF", COLOUR),
        ("L", "JPEG", (GREY,) * 3),
        ("L", "PNG", (GREY,) * 3),
        ("LA", "PNG", (GREY,) * 3),
        ("P", "PNG", COLOUR),
        ("P", "BMP", COLOUR),
        ("PA", "TIFF", COLOUR),
        ("RGBA", "PNG", COLOUR),
        ("RGBA", "WEBP", COLOUR),
        ("RGBX", "TIFF", COLOUR),
        ("CMYK", "JPEG", COLOUR),
        ("CMYK", "TIFF", COLOUR),
        ("YCbCr", "JPEG", COLOUR),
        ("YCbCr", "TIFF", COLOUR),
        ("LAB", "TIFF", COLOUR),
    ],
)
def test_every_mode_becomes_the_same_colour(mode: str, file_format: str, expected: tuple[int, ...]) -> None:
    assert colour_of(encoded(plain(mode), file_format)) == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("mode", ["RGB", "L", "I;16", "F", "I", "P", "RGBA", "CMYK"])
def test_a_photo_that_is_converted_in_bands_is_the_same(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = scene(40, 30)
    if mode in ("I;16", "F", "I"):
        shades = np.asarray(image.convert("L")).astype({"I;16": np.uint16, "F": np.float32, "I": np.int32}[mode])
        image = Image.fromarray(shades * 250)
    else:
        image = image.convert(mode)
        if mode == "RGBA":
            image.putalpha(scene(40, 30, 1).convert("L"))
    data = encoded(image, "TIFF" if mode in ("F", "I", "CMYK") else "PNG")
    whole = decode(data, (40, 30)).pixels
    monkeypatch.setattr("components.contract.image.color_modes.BAND_PIXELS", 30 * 7)
    assert np.array_equal(decode(data, (40, 30)).pixels, whole)


def test_a_black_and_white_picture_keeps_both() -> None:
    bits = np.zeros((16, 24), bool)
    bits[:, 12:] = True
    for file_format in ("PNG", "TIFF", "BMP"):
        pixels = decode(encoded(Image.fromarray(bits), file_format), (16, 24)).pixels
        assert np.array_equal(pixels[..., 0], bits * 255)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_cut_off(file_format: str) -> None:
    shades = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    pixels = decode(encoded(Image.fromarray(shades), file_format), (16, 16)).pixels
    assert np.array_equal(pixels[..., 0].ravel(), np.arange(256))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 257.0, 65535.0], [0, 1, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, 5e5, 1e6], [0, 128, 255]),
        ([7.0, 7.0, 7.0], [7, 7, 7]),
        ([-7.0, -7.0, -7.0], [0, 0, 0]),
    ],
)
def test_floats_are_read_by_the_range_that_holds_them(values: list[float], expected: list[int]) -> None:
    picture = np.repeat(np.array(values, np.float32), 4).reshape(3, 4).repeat(2, axis=0)
    pixels = decode(encoded(Image.fromarray(picture), "TIFF"), (6, 4)).pixels
    assert pixels[::2, 0, 0].tolist() == pytest.approx(expected, abs=1)


def test_32_bit_integers_are_read_by_the_range_that_holds_them() -> None:
    for factor, expected in ((1, 100), (257, 100), (1 << 20, 128)):
        picture = np.array([[0] * 4, [100] * 4, [200] * 4, [200] * 4], np.int32) * factor
        pixels = decode(encoded(Image.fromarray(picture), "TIFF"), (4, 4)).pixels
        assert pixels[1, 0, 0] == pytest.approx(expected, abs=1)


def test_transparency_is_laid_on_white() -> None:
    rgba = Image.new("RGBA", (24, 16), (*COLOUR, 0))  # the colour that conversion alone would reveal
    assert colour_of(encoded(rgba, "PNG")).tolist() == [255, 255, 255]
    assert colour_of(encoded(rgba, "WEBP", lossless=True)).tolist() == [255, 255, 255]
    half = Image.new("RGBA", (24, 16), (0, 0, 0, 128))
    assert colour_of(encoded(half, "PNG")).tolist() == [127, 127, 127]
    assert colour_of(encoded(Image.new("LA", (24, 16), (0, 0)), "PNG")).tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("image", "key"),
    [
        (with_palette(Image.new("P", (24, 16), 3)), 3),
        (Image.new("L", (24, 16), 77), 77),
        (Image.new("RGB", (24, 16), COLOUR), COLOUR),
        (Image.fromarray(np.full((16, 24), 5000, np.uint16)), 5000),
    ],
    ids=["palette", "grey", "colour", "16 bits"],
)
def test_a_transparent_colour_becomes_white(image: Image.Image, key: object) -> None:
    assert colour_of(encoded(image, "PNG", transparency=key)).tolist() == [255, 255, 255]
    assert colour_of(encoded(image, "PNG")).tolist() != [255, 255, 255]


def test_cmyk_is_multiplied_out_as_pillow_does() -> None:
    data = encoded(scene(32, 48).convert("CMYK"), "JPEG", quality=95)
    assert np.array_equal(decode(data, (32, 48)).pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


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


def test_exif_behind_the_pixels_of_a_png_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene(20, 32), "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert decode(moved, (32, 20)).native_size == (32, 20)
    assert np.array_equal(decode(moved, (32, 20)).pixels, decode(data, (32, 20)).pixels)


@pytest.mark.parametrize("damage", [b"\x00" * 6, b"MM\x00*\xff\xff\xff\xff", b"II*\x00\x08\x00\x00\x00\xff\xff"])
def test_damaged_exif_leaves_a_photo_as_it_is(damage: bytes) -> None:
    data = encoded(scene(20, 32), "JPEG", exif=b"Exif\x00\x00" + damage)
    assert decode(data, (20, 32)).native_size == (20, 32)


def test_the_pictures_behind_a_phones_jpeg_are_ignored() -> None:
    photo, depth = scene(40, 60), scene(10, 15, seed=1)
    data = encoded(photo, "MPO", save_all=True, append_images=[depth])
    decoded = decode(data, (40, 60))
    assert decoded.format == "JPEG"
    assert np.abs(decoded.pixels.astype(int) - np.asarray(photo)).mean() < 8


def test_a_jpeg_with_rare_sampling_is_read_by_pillow() -> None:
    data = jpeg_of_grey_blocks(sampling=(0x31, 0x11, 0x11))
    with pytest.raises(ValueError, match="subsampling"):
        simplejpeg.decode_jpeg_header(data)
    assert colour_of(data).tolist() == [128, 128, 128]


def jpeg_of_grey_blocks(sampling: tuple[int, int, int]) -> bytes:
    """A JPEG of 24 × 8 pixels whose every code is one zero bit: all coefficients are 0."""

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


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(4, 90), st.integers(4, 90)),
    st.sampled_from(["stretch", "crop", "pad"]),
    st.sampled_from(["JPEG", "PNG"]),
)
@settings(max_examples=60, deadline=None)
def test_any_photo_takes_any_size(
    size: tuple[int, int], native: tuple[int, int], resize: Resize, file_format: str
) -> None:
    data = encoded(scene(*native), file_format)
    photo = decode(data, size, resize)
    assert photo.pixels.shape == (*size, 3)
    assert photo.pixels.dtype == np.uint8
    assert photo.native_size == native
    assert np.array_equal(photo.pixels, decode(data, size, resize).pixels)


def test_a_photo_of_the_wanted_size_is_not_touched() -> None:
    image = scene(30, 20)
    for resize in ("stretch", "crop", "pad"):
        assert np.array_equal(decode(encoded(image, "PNG"), (30, 20), resize).pixels, np.asarray(image))


def test_crop_takes_the_middle() -> None:
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = 255
    assert (decode(encoded(Image.fromarray(stripes), "PNG"), (10, 10), "crop").pixels == 255).all()
    assert (decode(encoded(Image.fromarray(stripes.swapaxes(0, 1).copy()), "PNG"), (9, 9), "crop").pixels == 255).all()


def test_pad_keeps_the_shape_between_black_bars() -> None:
    white = Image.new("RGB", (60, 20), "white")
    pixels = decode(encoded(white, "PNG"), (30, 30), "pad").pixels
    assert (pixels[10:20] == 255).all()
    assert (pixels[:10] == 0).all()
    assert (pixels[20:] == 0).all()


def test_stretch_uses_the_whole_photo() -> None:
    halves = np.zeros((20, 60, 3), np.uint8)
    halves[:, 30:] = 255
    pixels = decode(encoded(Image.fromarray(halves), "PNG"), (10, 10), "stretch").pixels
    assert (pixels[:, :5] == 0).all()
    assert (pixels[:, 5:] == 255).all()


def test_shrinking_averages_and_does_not_pick() -> None:
    checks = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert set(decode(encoded(Image.fromarray(checks), "PNG"), (16, 16)).pixels.ravel()) <= {127, 128}
    # One side shrinks while the other grows.
    tall = decode(encoded(Image.fromarray(checks), "PNG"), (128, 16)).pixels
    assert np.abs(tall.astype(int) - 127).max() <= 1


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_scaled_decoding_of_a_large_jpeg_shows_the_same(resize: Resize, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(600, 800), "JPEG", quality=92, exif=exif)
    whole = encoded(ImageOps.exif_transpose(Image.open(io.BytesIO(data))), "PNG")
    photo, expected = decode(data, (60, 80), resize), decode(whole, (60, 80), resize)
    assert photo.native_size == expected.native_size
    assert np.abs(photo.pixels.astype(int) - expected.pixels).mean() < 1.5


def test_mode_and_format_are_the_files_own() -> None:
    photo = decode(encoded(plain("L"), "JPEG"), (8, 8))
    assert (photo.mode, photo.format) == ("L", "JPEG")


@pytest.mark.parametrize(
    "what",
    ["a bomb: a PNG of 30,000 × 30,000", "one pixel", "a web page", "an empty file", "a GIF animation", "an AVIF"],
)
def test_the_header_alone_is_refused_for_the_same_reason(what: str, tmp_path: Path) -> None:
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
def test_a_file_cut_anywhere_is_refused_or_has_lost_padding_only(name: str) -> None:
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
def test_every_flipped_bit_of_a_png_is_found(position: int, bit: int) -> None:
    damaged = bytearray(WHOLE["png"])
    damaged[position] ^= 1 << bit
    with pytest.raises(ImageError):
        decode(bytes(damaged), (18, 25))


@given(
    st.sampled_from(sorted(set(WHOLE) - {"tiff"})), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=8)
)
@settings(max_examples=200, deadline=None)
def test_damage_gives_a_photo_or_an_image_error_and_nothing_else(name: str, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(WHOLE[name])
    for position, value in changes:
        damaged[position % len(damaged)] = value
    try:
        assert decode(bytes(damaged), (18, 25)).pixels.shape == (18, 25, 3)
    except ImageError as refusal:
        assert refusal.code in {bad.verdict for bad in BAD_PHOTOS.values()}


def test_a_file_of_too_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_what_iphones_make_is_read_as_viewers_do(heic: bytes) -> None:
    """HEIF has its own turn, which the reader applies; EXIF's does not count beside it."""
    photo = decode(heic, (40, 60))
    assert (photo.format, photo.native_size, read_size(heic)) == ("HEIF", (40, 60), (40, 60))
    expected = np.asarray(scene(40, 60))
    assert np.abs(photo.pixels.astype(int) - expected).mean() < 10


def test_a_damaged_heic_is_refused(heic: bytes) -> None:
    for end in (20, 200, len(heic) // 2, len(heic) - 30):
        with pytest.raises(ImageError):
            decode(heic[:end], (60, 40))


def test_without_the_extra_a_heic_is_refused_with_the_way_to_get_it(
    heic: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.contract.image.formats.reads_heif", lambda: False)
    monkeypatch.setattr("components.contract.image.decode.reads_heif", lambda: False)
    with pytest.raises(ImageError, match=r"pip install 'darkroom\[heic\]'") as refusal:
        decode(heic, (60, 40))
    assert refusal.value.code == "format_not_allowed"


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_the_whole_photo_is_given_as_well(resize: Resize) -> None:
    photo = decode(encoded(scene(40, 80), "PNG"), (20, 20), resize)
    assert np.array_equal(photo.whole, np.asarray(scene(40, 80)))
