"""Photos of every color mode are converted to RGB."""

import io

import numpy as np
import pytest
from PIL import Image

from components.contract.image.decode import decode
from tests.cases.bad_photos.encoding import encoded, scene

COLOR = (200, 120, 40)
GRAY = round(0.299 * 200 + 0.587 * 120 + 0.114 * 40)


def mean_color(data: bytes) -> np.ndarray:
    """The mean color of a decoded single-color photo."""
    return decode(data, (16, 24)).pixels.mean(axis=(0, 1))


def plain(mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (24, 16), COLOR).convert(mode)


def with_palette(image: Image.Image) -> Image.Image:
    image.putpalette(bytes(range(48)))
    return image


@pytest.mark.parametrize(
    ("mode", "file_format", "expected"),
    [
        ("RGB", "JPEG", COLOR),
        ("RGB", "PNG", COLOR),
        ("RGB", "WEBP", COLOR),
        ("RGB", "BMP", COLOR),
        ("RGB", "GIF", COLOR),
        ("RGB", "TIFF", COLOR),
        ("L", "JPEG", (GRAY,) * 3),
        ("L", "PNG", (GRAY,) * 3),
        ("LA", "PNG", (GRAY,) * 3),
        ("P", "PNG", COLOR),
        ("P", "BMP", COLOR),
        ("PA", "TIFF", COLOR),
        ("RGBA", "PNG", COLOR),
        ("RGBA", "WEBP", COLOR),
        ("RGBX", "TIFF", COLOR),
        ("CMYK", "JPEG", COLOR),
        ("CMYK", "TIFF", COLOR),
        ("YCbCr", "JPEG", COLOR),
        ("YCbCr", "TIFF", COLOR),
        ("LAB", "TIFF", COLOR),
    ],
)
def test_every_mode_produces_the_same_color(mode: str, file_format: str, expected: tuple[int, ...]) -> None:
    assert mean_color(encoded(plain(mode), file_format)) == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("mode", ["RGB", "L", "I;16", "F", "I", "P", "RGBA", "CMYK"])
def test_converting_a_photo_in_bands_does_not_change_the_result(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_black_and_white_picture_keeps_both_colors() -> None:
    bits = np.zeros((16, 24), bool)
    bits[:, 12:] = True
    for file_format in ("PNG", "TIFF", "BMP"):
        pixels = decode(encoded(Image.fromarray(bits), file_format), (16, 24)).pixels
        assert np.array_equal(pixels[..., 0], bits * 255)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_values_are_scaled_not_truncated(file_format: str) -> None:
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
def test_floats_are_scaled_from_the_smallest_usual_range_that_fits(values: list[float], expected: list[int]) -> None:
    picture = np.repeat(np.array(values, np.float32), 4).reshape(3, 4).repeat(2, axis=0)
    pixels = decode(encoded(Image.fromarray(picture), "TIFF"), (6, 4)).pixels
    assert pixels[::2, 0, 0].tolist() == pytest.approx(expected, abs=1)


def test_32_bit_integers_are_scaled_from_the_smallest_usual_range_that_fits() -> None:
    for factor, expected in ((1, 100), (257, 100), (1 << 20, 128)):
        picture = np.array([[0] * 4, [100] * 4, [200] * 4, [200] * 4], np.int32) * factor
        pixels = decode(encoded(Image.fromarray(picture), "TIFF"), (4, 4)).pixels
        assert pixels[1, 0, 0] == pytest.approx(expected, abs=1)


def test_transparent_pixels_become_white() -> None:
    rgba = Image.new("RGBA", (24, 16), (*COLOR, 0))  # the color that a plain conversion would reveal
    assert mean_color(encoded(rgba, "PNG")).tolist() == [255, 255, 255]
    assert mean_color(encoded(rgba, "WEBP", lossless=True)).tolist() == [255, 255, 255]
    half = Image.new("RGBA", (24, 16), (0, 0, 0, 128))
    assert mean_color(encoded(half, "PNG")).tolist() == [127, 127, 127]
    assert mean_color(encoded(Image.new("LA", (24, 16), (0, 0)), "PNG")).tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("image", "key"),
    [
        (with_palette(Image.new("P", (24, 16), 3)), 3),
        (Image.new("L", (24, 16), 77), 77),
        (Image.new("RGB", (24, 16), COLOR), COLOR),
        (Image.fromarray(np.full((16, 24), 5000, np.uint16)), 5000),
    ],
    ids=["palette", "gray", "color", "16 bits"],
)
def test_a_transparent_color_becomes_white(image: Image.Image, key: object) -> None:
    assert mean_color(encoded(image, "PNG", transparency=key)).tolist() == [255, 255, 255]
    assert mean_color(encoded(image, "PNG")).tolist() != [255, 255, 255]


def test_cmyk_is_converted_as_in_pillow() -> None:
    data = encoded(scene(32, 48).convert("CMYK"), "JPEG", quality=95)
    assert np.array_equal(decode(data, (32, 48)).pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
