"""The sample photos on the service's page: from all classes, small, and without camera metadata."""

from pathlib import Path

import numpy as np
from PIL import Image

from components.deploy.bento.samples import choose_samples, write_samples
from tests.support.artifacts import photo


def test_samples_are_chosen_from_the_classes_in_turn() -> None:
    labels = {f"{label}{number}": label for label, count in ((0, 5), (1, 1), (2, 3)) for number in range(count)}
    assert choose_samples(labels, 6) == ["00", "10", "20", "01", "21", "02"]
    assert choose_samples(labels, 0) == []
    assert len(choose_samples(labels, 100)) == 9


def test_a_16_bit_sample_is_scaled_to_8_bits_by_the_pixel_range(tmp_path: Path) -> None:
    picture = np.repeat(np.linspace(0, 4095, 16).astype(np.uint16)[np.newaxis], 16, axis=0)
    Image.fromarray(picture).save(tmp_path / "a.png")
    write_samples([tmp_path / "a.png"], {"a": 0}, ("red",), tmp_path / "samples", (0, 4095))
    with Image.open(tmp_path / "samples" / "00.png") as sample:
        assert np.asarray(sample)[0, :, 0].tolist() == [17 * column for column in range(16)]


def test_a_sample_is_upright_small_and_free_of_camera_metadata(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    exif[0x010F] = "Maker of cameras"
    Image.fromarray(photo("red", rng, (900, 1200))).save(tmp_path / "a.jpg", exif=exif)
    Image.fromarray(photo("blue", rng, (8, 8))).save(tmp_path / "b.png")
    write_samples([tmp_path / "a.jpg", tmp_path / "b.png"], {"b": 1, "a": 0}, ("red", "blue"), tmp_path / "samples")
    with Image.open(tmp_path / "samples" / "00.png") as tiny:
        assert tiny.size == (8, 8)
    content = (tmp_path / "samples" / "01.jpg").read_bytes()
    assert b"Maker" not in content
    with Image.open(tmp_path / "samples" / "01.jpg") as large:
        assert large.size == (480, 640)
        assert not large.getexif()
