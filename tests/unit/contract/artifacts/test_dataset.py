"""The data set on disk: shards are memory-mapped, and equal content produces equal bytes."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.dataset import SHARD_BYTES, num_shards, open_split, read_info, shard_of, write_shard
from components.contract.errors import ArtifactError
from components.contract.system import memory_map
from tests.support.artifacts import make_dataset


def test_a_split_is_read_back_unchanged(tmp_path: Path) -> None:
    info = make_dataset(tmp_path / "dataset", per_class=4, side=6)
    assert read_info(tmp_path / "dataset") == info
    split = open_split(tmp_path / "dataset", "train")
    assert len(split) == info.num_images("train") == 12
    assert split.image_shape == (6, 6, 3)
    assert split.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    for index, image_id in enumerate(split.image_ids):
        assert hashlib.sha256(split.image(index).tobytes()).hexdigest()[:32] == image_id
        assert split.index_of[image_id] == index
    assert np.array_equal(split.gather(np.array([7, 2]))[1], split.image(2))


def test_pixels_are_views_of_the_mapped_file(tmp_path: Path) -> None:
    make_dataset(tmp_path / "dataset", per_class=4, side=6)
    split = open_split(tmp_path / "dataset", "train")
    image = split.image(3)
    assert not image.flags.owndata
    assert not image.flags.writeable
    # The view shares the file's bytes, so a change to the file is visible in the view.
    path = tmp_path / "dataset" / "train-00000.arrow"
    content = path.read_bytes()
    start = content.index(image.tobytes())
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes([image.flat[0] ^ 0xFF]))
    assert image.flat[0] == content[start] ^ 0xFF


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux reports the resident size of a mapping")
def test_read_pages_are_released_from_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dataset(tmp_path / "dataset", per_class=100, side=32)
    split = open_split(tmp_path / "dataset", "train")

    def held_kb() -> int:
        """Returns how many kB of this shard are in memory; other tests' shards with the same name may be mapped."""
        maps = Path("/proc/self/smaps").read_text().split("\n")
        shard = str(tmp_path / "dataset" / "train-00000.arrow")
        (place,) = (number for number, line in enumerate(maps) if line.endswith(shard))
        return next(int(line.split()[1]) for line in maps[place:] if line.startswith("Rss:"))

    everything = np.arange(300)
    before = split.gather(everything)
    assert held_kb() >= 900
    monkeypatch.setattr(memory_map, "MAX_MAPPED_BYTES", 2_000_000)
    assert np.array_equal(split.gather(everything), before)
    assert split.gather(everything).shape == before.shape
    assert held_kb() == 0
    assert np.array_equal(split.gather(everything), before)


def test_a_split_can_have_several_shards(tmp_path: Path) -> None:
    info = make_dataset(tmp_path / "dataset", per_class=4, side=6)
    whole = open_split(tmp_path / "dataset", "test")
    (tmp_path / "dataset" / "test-00000.arrow").unlink()
    for number, rows in enumerate((slice(0, 5), slice(5, 6), slice(6, 12))):
        pixels = np.stack([whole.image(index) for index in range(*rows.indices(12))])
        path = tmp_path / "dataset" / f"test-{number:05d}.arrow"
        write_shard(path, pixels, whole.labels[rows], whole.image_ids[rows])
    split = open_split(tmp_path / "dataset", "test")
    assert len(split) == info.num_images("test")
    assert split.image_ids == whole.image_ids
    everything = np.arange(12)
    assert np.array_equal(split.gather(everything), whole.gather(everything))


def test_equal_content_produces_equal_bytes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    labels = np.array([2, 0, 1], np.int32)
    for name in ("a.arrow", "b.arrow"):
        write_shard(tmp_path / name, pixels, labels, ["x", "y", "z"])
    assert (tmp_path / "a.arrow").read_bytes() == (tmp_path / "b.arrow").read_bytes()


@pytest.mark.parametrize(
    ("num_images", "expected"), [(0, 1), (1, 1), (445, 1), (446, 2), (891, 2), (892, 4), (3068, 8)]
)
def test_the_number_of_shards_doubles_as_a_split_grows(num_images: int, expected: int) -> None:
    assert num_shards(num_images, (224, 224)) == expected
    assert num_images * 224 * 224 * 3 <= expected * SHARD_BYTES


def test_photos_are_assigned_to_shards_only_by_content() -> None:
    image_ids = [hashlib.sha256(bytes([number])).hexdigest()[:32] for number in range(200)]
    counts = np.bincount([shard_of(image_id, 4) for image_id in image_ids], minlength=4)
    assert counts.min() > 25
    # Doubling the number of shards splits each shard in two, without moving photos between the original shards.
    assert all(shard_of(image_id, 8) % 4 == shard_of(image_id, 4) for image_id in image_ids)


def damage_shard(dataset_dir: Path) -> None:
    path = dataset_dir / "train-00000.arrow"
    path.write_bytes(path.read_bytes()[:100])


def remove_shard(dataset_dir: Path) -> None:
    (dataset_dir / "train-00000.arrow").unlink()


def other_size(dataset_dir: Path) -> None:
    path = dataset_dir / "train-00000.arrow"
    write_shard(path, np.zeros((12, 3, 3, 3), np.uint8), np.zeros(12, np.int32), ["x"] * 12)


@pytest.mark.parametrize("spoil", [damage_shard, remove_shard, other_size])
def test_a_missing_or_damaged_shard_is_reported(spoil, tmp_path: Path) -> None:
    make_dataset(tmp_path / "dataset", per_class=4, side=6)
    spoil(tmp_path / "dataset")
    with pytest.raises(ArtifactError, match="Run preprocess again"):
        open_split(tmp_path / "dataset", "train")


@pytest.mark.parametrize("content", [None, "", "{}", '{"format_version": 2}'])
def test_a_missing_or_damaged_dataset_json_is_reported(content: str | None, tmp_path: Path) -> None:
    make_dataset(tmp_path / "dataset", per_class=4, side=6)
    path = tmp_path / "dataset" / "dataset.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ArtifactError, match="data set"):
        read_info(tmp_path / "dataset")
