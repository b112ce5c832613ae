"""Decoded photos are resized to a given size by stretching, cropping or padding."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from components.contract.image.decode import decode
from components.contract.image.resize import Resize
from tests.cases.bad_photos.encoding import encoded, scene


@given(
    st.tuples(st.integers(1, 90), st.integers(1, 90)),
    st.tuples(st.integers(4, 90), st.integers(4, 90)),
    st.sampled_from(["stretch", "crop", "pad"]),
    st.sampled_from(["JPEG", "PNG"]),
)
@settings(max_examples=60, deadline=None)
def test_any_photo_can_be_resized_to_any_size(
    size: tuple[int, int], native: tuple[int, int], resize: Resize, file_format: str
) -> None:
    data = encoded(scene(*native), file_format)
    photo = decode(data, size, resize)
    assert photo.pixels.shape == (*size, 3)
    assert photo.pixels.dtype == np.uint8
    assert photo.native_size == native
    assert np.array_equal(photo.pixels, decode(data, size, resize).pixels)


def test_a_photo_of_the_target_size_is_unchanged() -> None:
    image = scene(30, 20)
    for resize in ("stretch", "crop", "pad"):
        assert np.array_equal(decode(encoded(image, "PNG"), (30, 20), resize).pixels, np.asarray(image))


def test_crop_keeps_the_center() -> None:
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = 255
    assert (decode(encoded(Image.fromarray(stripes), "PNG"), (10, 10), "crop").pixels == 255).all()
    assert (decode(encoded(Image.fromarray(stripes.swapaxes(0, 1).copy()), "PNG"), (9, 9), "crop").pixels == 255).all()


def test_pad_keeps_the_aspect_ratio_with_black_bars() -> None:
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


def test_shrinking_averages_pixels() -> None:
    checks = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert set(decode(encoded(Image.fromarray(checks), "PNG"), (16, 16)).pixels.ravel()) <= {127, 128}
    # One side shrinks while the other grows.
    tall = decode(encoded(Image.fromarray(checks), "PNG"), (128, 16)).pixels
    assert np.abs(tall.astype(int) - 127).max() <= 1


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_scaled_decoding_of_a_large_jpeg_produces_nearly_the_same_picture(resize: Resize, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(600, 800), "JPEG", quality=92, exif=exif)
    whole = encoded(ImageOps.exif_transpose(Image.open(io.BytesIO(data))), "PNG")
    photo, expected = decode(data, (60, 80), resize), decode(whole, (60, 80), resize)
    assert photo.native_size == expected.native_size
    assert np.abs(photo.pixels.astype(int) - expected.pixels).mean() < 1.5


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_the_full_size_pixels_are_returned_along_with_the_resized_ones(resize: Resize) -> None:
    photo = decode(encoded(scene(40, 80), "PNG"), (20, 20), resize)
    assert np.array_equal(photo.full_pixels, np.asarray(scene(40, 80)))
