"""Planted leakage in real photos is found completely, and nothing else is reported."""

import io
import random
import shutil
from pathlib import Path

import pytest
from PIL import Image

from components.contract.artifacts.audit import read_audit
from components.contract.artifacts.dataset import SPLITS
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.step import preprocess


@pytest.mark.proof
def test_leakage_planted_for_5_percent_of_the_test_photos_is_found_completely(shared_dir: Path, tmp_path: Path) -> None:
    """One in twenty test photos is also in train: unchanged, recompressed, at half the size, or mirrored."""
    data = tmp_path / "clothing"
    shutil.copytree(shared_dir / "data" / "clothing-dataset-small", data)
    test_paths = sorted((data / "test").rglob("*.jpg"))
    sample = random.Random(0).sample(test_paths, len(test_paths) // 20)
    planted_paths = set()
    for number, path in enumerate(sample):
        target = data / "train" / path.parent.name / f"planted-{number}.jpg"
        target.write_bytes(change_photo(path, number % 4))
        planted_paths.add(target.relative_to(data).as_posix())
    info = preprocess(str(data), PreprocessParams(image_size=224), tmp_path / "dataset")
    (finding,) = [each for each in read_audit(tmp_path / "dataset").findings if each.kind == "leakage"]
    assert {photo.path for case in finding.cases for photo in case.photos if not photo.kept} == planted_paths
    assert info.rejected["leakage"] == len(planted_paths) == 18
    assert [info.num_images(split) for split in SPLITS] == [3066, 341, 372]


def change_photo(path: Path, how: int) -> bytes:
    if how == 0:
        return path.read_bytes()
    image = Image.open(path).convert("RGB")
    if how == 2:
        image = image.resize((image.width // 2, image.height // 2))
    if how == 3:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return file.getvalue()
