"""Pairs of classes that are mirror images of each other are found, and no other pairs."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from components.contract.artifacts.audit import AuditInfo
from components.contract.params.pipeline import PreprocessParams
from components.contract.system.atomic_files import read_json
from components.preprocess.audit.mirror_pairs import find_mirror_pairs
from components.preprocess.manifest import Record
from components.preprocess.step import preprocess

SIDE = 64


def arrow(direction: int, rng: np.random.Generator) -> np.ndarray:
    """An arrow that points left (0), right (1) or up (2)."""
    tail, head = [((50, 32), (14, 32)), ((14, 32), (50, 32)), ((32, 50), (32, 14))][direction]
    shift = rng.integers(-6, 7, 2)
    picture = np.full((SIDE, SIDE), rng.integers(150, 256), np.uint8)
    ends = [tuple(int(value) for value in point + shift) for point in (tail, head)]
    cv2.arrowedLine(picture, *ends, int(rng.integers(0, 90)), int(rng.integers(2, 6)), tipLength=0.4)
    return picture


def letter(text: str, rng: np.random.Generator) -> np.ndarray:
    picture = np.full((SIDE, SIDE), 255, np.uint8)
    place = (int(rng.integers(8, 24)), int(rng.integers(40, 56)))
    font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
    cv2.putText(picture, text, place, font, float(rng.uniform(1.2, 1.9)), 0, int(rng.integers(2, 4)))
    return picture


def ramp(side: int, rng: np.random.Generator) -> np.ndarray:
    """A photo lit from one side."""
    values = np.linspace(0, 200, SIDE)[:: 1 if side else -1] + rng.normal(0, 12, (SIDE, SIDE))
    return values.clip(0, 255).astype(np.uint8)


def noise(_label: object, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)


def one_sided(label: int, rng: np.random.Generator) -> np.ndarray:
    """A small square or a large one, on either side: neither class prefers a side."""
    picture, size = np.full((SIDE, SIDE), 220, np.uint8), 26 if label else 10
    left = int(rng.choice([4, SIDE - size - 4]))
    picture[10 : 10 + size, left : left + size] = 30
    return picture


Draw = Callable[..., np.ndarray]


@pytest.mark.parametrize(
    ("draw", "classes", "counts", "pairs"),
    [
        pytest.param(arrow, [0, 1, 2], [14, 14, 14], [("0", "1")], id="arrows that point left, right and up"),
        pytest.param(arrow, [0, 1], [6, 6], [("0", "1")], id="six photos of each class"),
        pytest.param(arrow, [0, 1], [120, 8], [("0", "1")], id="many photos of one class, few of the other"),
        pytest.param(arrow, [0, 1], [3, 3], [], id="too few photos to be sure"),
        pytest.param(arrow, [0, 1], [40, 1], [], id="a single photo of the other class"),
        pytest.param(arrow, [0, 2], [14, 14], [], id="left and up, which are not mirror images"),
        pytest.param(arrow, [0], [14], [], id="one class"),
        pytest.param(letter, [*"bdpq"], [14] * 4, [("b", "d"), ("p", "q")], id="letters that form two pairs"),
        pytest.param(letter, [*"AHMT"], [14] * 4, [], id="letters that mirroring does not change"),
        pytest.param(ramp, [0, 1], [14, 14], [("0", "1")], id="light from the left and the right"),
        pytest.param(one_sided, [0, 1], [40, 40], [], id="squares on either side in both classes"),
        pytest.param(noise, [0, 1], [40, 40], [], id="noise, which is the same in both classes"),
    ],
)
def test_classes_that_are_mirror_images_of_each_other_are_found(
    draw: Draw, classes: list[object], counts: list[int], pairs: list[object]
) -> None:
    rng = np.random.default_rng(0)
    labels = [label for label, count in zip(classes, counts, strict=True) for _ in range(count)]
    sketches = np.stack([cv2.resize(draw(label, rng), (32, 32), interpolation=cv2.INTER_AREA) for label in labels])
    records = [
        Record(path=f"{row}.png", class_name=str(label), split="train", sha256=f"{row * 7919 % 10_007:064}")
        for row, label in enumerate(labels)
    ]
    assert find_mirror_pairs(records, sketches) == pairs
    held_out = [Record(path=record.path, class_name=record.class_name, split="test") for record in records]
    assert find_mirror_pairs(held_out, sketches) == []


def test_pictures_of_one_color_form_no_mirror_pair() -> None:
    records = [Record(path=f"{row}", class_name=f"{row % 2}", split="train", sha256=f"{row:064}") for row in range(20)]
    assert find_mirror_pairs(records, np.zeros((20, 32, 32), np.uint8)) == []


def test_the_data_set_and_the_audit_list_mirror_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for label, name in enumerate(("left", "right", "up")):
        (tmp_path / "arrows" / name).mkdir(parents=True)
        for number in range(20):
            pixels = arrow(label, rng).repeat(3).reshape(SIDE, SIDE, 3)
            Image.fromarray(pixels).save(tmp_path / "arrows" / name / f"{number}.png")
    info = preprocess(str(tmp_path / "arrows"), PreprocessParams(image_size=24), tmp_path / "dataset")
    assert info.mirror_pairs == (("left", "right"),)
    audit = read_json(tmp_path / "dataset" / "audit.json", AuditInfo, "audit")
    (finding,) = (finding for finding in audit.findings if finding.kind == "mirror_pairs")
    assert "left and right" in finding.message
    assert "Classes that are mirror images" in (tmp_path / "dataset" / "audit.html").read_text()
