"""Photos with more than 8 bits per value: one range per data set maps them to 8 bits."""

import io
import struct
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from components.contract.artifacts.dataset import FULL_RANGE
from components.contract.errors import ImageError
from components.contract.image.decode import decode, decode_cost, measure_depth
from components.contract.image.sample_depth import Depth, settle_range
from tests.cases.bad_photos.encoding import encoded, encoded_by_opencv, png_chunk, scene

HEIGHT, WIDTH = 20, 30
TWELVE_BITS = (0, 4095)


def values(channels: int = 1, bits: int = 12) -> np.ndarray:
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    picture = np.random.default_rng(bits).integers(0, 2**bits, shape, dtype=np.uint16)
    picture[0, 0] = 2**bits - 1
    return picture


def with_opaque_alpha(colors: np.ndarray) -> np.ndarray:
    return np.dstack([colors, np.full((HEIGHT, WIDTH), 65535, np.uint16)])


def gray_alpha_png(gray: np.ndarray, alpha: np.ndarray) -> bytes:
    """A gray PNG with alpha, built by hand because no available encoder writes this kind."""
    import zlib

    rows = np.stack([gray, alpha], axis=-1).astype(">u2").reshape(len(gray), -1)
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", gray.shape[1], gray.shape[0], 16, 4, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(pixels)) + png_chunk(b"IEND", b"")


def gray_file(picture: np.ndarray, file_format: str, **options: object) -> bytes:
    return encoded(Image.fromarray(picture), file_format, **options)


def tiff_with(picture: np.ndarray, **tags: int) -> bytes:
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    names = {"bits": 258, "max_sample": 281, "s_max_sample": 341}
    for name, value in tags.items():
        directory[names[name]] = value
    return gray_file(picture, "TIFF", tiffinfo=directory)


def packed_tiff(picture: np.ndarray) -> bytes:
    """A TIFF with 12 bits per value, two values in three bytes."""
    first, second = picture.reshape(-1, 2).astype(np.uint32).T
    triples = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1).astype(np.uint8)
    height, width = picture.shape
    entries = [(256, 3, width), (257, 3, height), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 200), (277, 3, 1)]
    entries += [(278, 3, height), (279, 4, triples.size)]
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries
    )
    return (b"II*\0" + struct.pack("<I", 8) + directory + bytes(4)).ljust(200, b"\0") + triples.tobytes()


def planar_tiff(colors: np.ndarray) -> bytes:
    """A TIFF whose colors are stored plane by plane."""
    height, width = colors.shape[:2]
    num_bytes = 2 * height * width
    entries = [(256, 1, width), (257, 1, height), (258, 3, 300), (259, 1, 1), (262, 1, 2), (277, 1, 3), (284, 1, 2)]
    shorts = [(tag, 3, count, value) for tag, count, value in entries]
    longs = [(273, 4, 3, 310), (278, 4, 1, height), (279, 4, 3, 330)]
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(shorts + longs))
    header = (b"II*\0" + struct.pack("<IH", 8, len(shorts + longs)) + directory).ljust(300, b"\0")
    header = (header + struct.pack("<3H", 16, 16, 16)).ljust(310, b"\0")
    header = (header + struct.pack("<3I", 400, 400 + num_bytes, 400 + 2 * num_bytes)).ljust(330, b"\0")
    header = (header + struct.pack("<3I", num_bytes, num_bytes, num_bytes)).ljust(400, b"\0")
    return header + colors.transpose(2, 0, 1).astype("<u2").tobytes()


def with_significant_bits(png: bytes, content: bytes) -> bytes:
    return png[:33] + png_chunk(b"sBIT", content) + png[33:]


def scaled(picture: np.ndarray, white: int) -> np.ndarray:
    levels = np.floor(picture.astype(float) * 255 / white + 0.5).clip(0, 255).astype(np.uint8)
    return levels if levels.ndim == 3 else np.dstack([levels] * 3)


GRAY, COLORS = values(), values(3)
RAW = [cv2.IMWRITE_TIFF_COMPRESSION, 1]


@pytest.mark.parametrize(
    ("data", "picture"),
    [
        (gray_file(GRAY, "PNG"), GRAY),
        (gray_file(GRAY, "TIFF"), GRAY),
        (gray_file(GRAY.astype(">u2"), "TIFF"), GRAY),
        (gray_file(GRAY, "TIFF", compression="tiff_lzw"), GRAY),
        (gray_file(GRAY.astype(">u2"), "TIFF", compression="tiff_lzw"), GRAY),
        (packed_tiff(GRAY), GRAY),
        (gray_alpha_png(GRAY, np.full_like(GRAY, 65535)), GRAY),
        (encoded_by_opencv(".png", COLORS), COLORS[..., ::-1]),
        (encoded_by_opencv(".png", with_opaque_alpha(COLORS)), COLORS[..., ::-1]),
        (encoded_by_opencv(".tif", COLORS), COLORS[..., ::-1]),
        (cv2.imencode(".tif", COLORS, RAW)[1].tobytes(), COLORS[..., ::-1]),
        (encoded_by_opencv(".tif", with_opaque_alpha(COLORS)), COLORS[..., ::-1]),
    ],
    ids=[
        "PNG",
        "TIFF",
        "big-endian TIFF",
        "LZW-compressed TIFF",
        "LZW-compressed big-endian TIFF",
        "12-bit TIFF",
        "gray PNG with alpha",
        "color PNG",
        "color PNG with alpha",
        "LZW-compressed color TIFF",
        "color TIFF",
        "color TIFF with alpha",
    ],
)
def test_twelve_bit_values_are_mapped_to_8_bits_in_every_kind_of_file(data: bytes, picture: np.ndarray) -> None:
    assert np.array_equal(decode(data, (HEIGHT, WIDTH), pixel_range=TWELVE_BITS).pixels, scaled(picture, 4095))
    assert np.array_equal(decode(data, (HEIGHT, WIDTH)).pixels, scaled(picture, 65535)), "must default to full range"
    depth = measure_depth(data)
    assert depth is not None
    assert (depth.lowest, depth.highest, depth.num_values) == (picture.min(), 4095, len(np.unique(picture)))


def test_values_outside_the_range_are_clipped_and_counted() -> None:
    picture = np.array([[0, 99, 100, 200], [300, 301, 65535, 200]] * 2, np.uint16)
    photo = decode(gray_file(picture, "PNG"), (4, 4), pixel_range=(100, 300))
    assert photo.pixels[:2, :, 0].tolist() == [[0, 0, 0, 128], [255, 255, 255, 128]]
    assert photo.clipped_share == 4 / 8
    assert decode(gray_file(picture, "PNG"), (4, 4)).clipped_share == 0


def test_photos_without_16_bit_values_have_no_depth_and_ignore_the_range() -> None:
    for mode, file_format in (
        ("RGB", "JPEG"),
        ("L", "PNG"),
        ("RGB", "TIFF"),
        ("P", "GIF"),
        ("1", "PNG"),
        ("F", "TIFF"),
    ):
        data = encoded(scene(20, 30).convert(mode), file_format)
        assert measure_depth(data) is None
        expected = decode(data, (20, 30))
        photo = decode(data, (20, 30), pixel_range=(0, 1))
        assert np.array_equal(photo.pixels, expected.pixels)
        assert photo.clipped_share == 0


def test_the_range_of_signed_values_begins_at_a_negative_power_of_two() -> None:
    hounsfield = np.linspace(-1024, 3071, HEIGHT * WIDTH).astype(np.int16).reshape(HEIGHT, WIDTH)
    data = cv2.imencode(".tif", hounsfield)[1].tobytes()
    depth = measure_depth(data)
    assert depth is not None
    assert (depth.lowest, depth.highest) == (-1024, 3071)
    assert settle_range([depth]) == (-1024, 4095)
    pixels = decode(data, (HEIGHT, WIDTH), pixel_range=(-1024, 3071)).pixels[..., 0]
    assert (pixels[0, 0], pixels[-1, -1]) == (0, 255)
    assert len(np.unique(pixels)) == 256


def test_transparent_pixels_become_white_and_are_not_measured() -> None:
    picture = np.full((8, 8), 100, np.uint16)
    picture[:4] = 60_000
    depth = measure_depth(gray_file(picture, "PNG", transparency=60_000))
    assert depth is not None
    assert depth.highest == 100
    assert decode(gray_file(picture, "PNG", transparency=60_000), (8, 8)).pixels[0, 0, 0] == 255
    alpha = np.where(picture == 60_000, 0, 65535).astype(np.uint16)
    alpha[0] = 32768
    photo = decode(gray_alpha_png(np.zeros_like(picture), alpha), (8, 8))
    assert photo.pixels[[0, 1, 7], 0, 0].tolist() == [127, 255, 0]
    color = np.dstack([picture, picture, picture])
    pixels = decode(encoded_by_opencv(".png", np.dstack([color, alpha])), (8, 8), pixel_range=(0, 100)).pixels
    assert pixels[[1, 7], 0, 0].tolist() == [255, 255]


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        (gray_file(GRAY, "PNG"), 0),
        (with_significant_bits(gray_file(GRAY, "PNG"), b"\x0c"), 4095),
        (with_significant_bits(gray_file(GRAY, "PNG"), b"\x10"), 0),
        (with_significant_bits(gray_file(GRAY, "PNG"), b"\xff"), 0),
        (with_significant_bits(gray_file(GRAY, "PNG"), b""), 0),
        (with_significant_bits(encoded_by_opencv(".png", COLORS), b"\x0a\x0e\x0c"), 16383),
        (with_significant_bits(encoded_by_opencv(".png", with_opaque_alpha(COLORS)), b"\x0a\x0a\x0a\x0f"), 1023),
        (packed_tiff(GRAY), 4095),
        (tiff_with(GRAY, max_sample=16383), 16383),
        (tiff_with(GRAY, s_max_sample=1023), 1023),
        (tiff_with(GRAY, max_sample=65535), 0),
        (tiff_with(GRAY), 0),
    ],
)
def test_metadata_can_declare_the_highest_value(data: bytes, declared: int) -> None:
    depth = measure_depth(data)
    assert depth is not None
    assert depth.declared == declared


def depths(*highest: int, lowest: int = 0, declared: int = 0) -> list[Depth]:
    return [Depth(lowest, value, 1, declared) for value in highest]


@pytest.mark.parametrize(
    ("photos", "expected"),
    [
        ([], FULL_RANGE),
        (depths(0), (0, 255)),
        (depths(3), (0, 255)),
        (depths(255), (0, 255)),
        (depths(256), (0, 511)),
        (depths(600, 1023), (0, 1023)),
        (depths(1024, 10), (0, 2047)),
        (depths(4095), (0, 4095)),
        (depths(4096), (0, 8191)),
        (depths(16_383), (0, 16_383)),
        (depths(65_535), FULL_RANGE),
        (depths(900, declared=4095), (0, 4095)),
        (depths(60_000, declared=4095), FULL_RANGE),  # scaled to 16 bits, as the PNG standard requires for sBIT
        (depths(*[900] * 11, 4095), (0, 4095)),
        (depths(*[4095] * 99, 65_535), (0, 4095)),  # clipping one percent of the photos gains four bits for the others
        (depths(*[4095] * 98, 65_535, 65_535), FULL_RANGE),
        (depths(*[4095] * 29, 65_535), (0, 4095)),
        (depths(*[4095] * 28, 65_535), FULL_RANGE),
        (depths(*[4095] * 197, *[65_535] * 3), FULL_RANGE),
        (depths(*[4095] * 198, *[65_535] * 2), (0, 4095)),
        (depths(*[4095] * 99, 8191), (0, 8191)),  # no photo is clipped to gain only one bit
        (depths(3071, lowest=-1), (-1, 4095)),
        (depths(3071, lowest=-1024), (-1024, 4095)),
        (depths(3071, lowest=-1025), (-2048, 4095)),
        (depths(-5, lowest=-32_768), (-32_768, 255)),
    ],
)
def test_one_range_is_determined_for_all_photos(photos: list[Depth], expected: tuple[int, int]) -> None:
    assert settle_range(photos) == expected


def test_planar_colors_are_rejected() -> None:
    for read in (lambda data: decode(data, (8, 8)), measure_depth):
        with pytest.raises(ImageError, match="stored plane by plane") as caught:
            read(planar_tiff(COLORS))
        assert caught.value.code == "format_not_allowed"


def test_measuring_the_depth_rejects_a_damaged_photo() -> None:
    for data in (gray_file(GRAY, "PNG"), encoded_by_opencv(".tif", COLORS), packed_tiff(GRAY)):
        with pytest.raises(ImageError):
            measure_depth(data[: len(data) * 2 // 3])


@pytest.mark.parametrize("make", [lambda: encoded_by_opencv(".png", COLORS), lambda: gray_file(GRAY, "PNG")])
def test_the_cost_includes_reading_16_bit_colors_twice(make: Callable[[], bytes]) -> None:
    data = make()
    with Image.open(io.BytesIO(data)) as image:
        expected = 11 if image.mode == "RGB" else 6
    assert decode_cost(data, (8, 8)).num_bytes == expected * HEIGHT * WIDTH
