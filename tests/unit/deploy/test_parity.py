"""Which answers count as equal to the predictions of evaluation, and how golden photos are sent."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from components.contract.errors import ArtifactError, ServiceError
from components.deploy import parity
from components.deploy.client import Failure, Prediction
from components.deploy.parity import ExpectedPrediction, compare_answer, golden_photos, group_photos, read_expected
from tests.unit.deploy.conftest import Artifacts

NAMES = ("cat", "dog", "hat")
EXPECTED = ExpectedPrediction(1, np.array([0.25, 0.5, 0.25], np.float32), 1)


def answer(cat: float, dog: float, hat: float) -> Prediction:
    shares = sorted(zip((cat, dog, hat), NAMES, strict=True), reverse=True)
    return Prediction(
        id="b-0199f0c2d3e4-5f6a7b8c9d0e",
        abstained=False,
        unfamiliar=None,
        label=shares[0][1],
        confidence=shares[0][0],
        probabilities={name: share for share, name in shares},
    )


@pytest.mark.parametrize("shift", [0.0, 9e-5, -9e-5])
def test_an_answer_within_the_tolerance_is_accepted(shift: float) -> None:
    assert compare_answer(Path("a.png"), answer(0.25, 0.5 + shift, 0.25), EXPECTED, NAMES) == pytest.approx(abs(shift))


@pytest.mark.parametrize(
    ("answer_or_failure", "parts"),
    [
        (answer(0.25, 0.5002, 0.25), ("golden/a.png", "dog 0.500200", "0.500000")),
        (answer(0.2498, 0.5, 0.25), ("golden/a.png", "cat 0.249800", "0.250000")),
        (answer(0.5, 0.25, 0.25), ("golden/a.png", "cat", "dog (0.500000)")),
        (Failure("corrupt", "its scan is damaged"), ("golden/a.png", "its scan is damaged")),
    ],
)
def test_a_different_answer_is_reported_with_the_photo_and_both_values(
    answer_or_failure: Prediction | Failure, parts: tuple[str, ...]
) -> None:
    with pytest.raises(ServiceError) as error:
        compare_answer(Path("golden/a.png"), answer_or_failure, EXPECTED, NAMES)
    assert all(text in str(error.value) for text in parts)


def test_photos_are_grouped_into_requests_by_number_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "PHOTOS_PER_REQUEST", 3)
    monkeypatch.setattr(parity, "BYTES_PER_REQUEST", 100)
    sizes = [10, 10, 10, 10, 95, 10, 500, 1]
    paths = [tmp_path / str(number) for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(b"x" * size)
    groups = list(group_photos(paths))
    assert [path for group in groups for path in group] == paths
    assert [len(group) for group in groups] == [3, 1, 1, 1, 1, 1]


def test_the_expected_predictions_are_those_for_the_golden_photos(artifacts: Artifacts) -> None:
    expected = read_expected(artifacts.evaluation_dir)
    assert {path.stem for path in golden_photos(artifacts.dataset_dir)} == set(expected)
    assert all(entry.probabilities.argmax() == entry.label for entry in expected.values())


@pytest.mark.parametrize("content", [None, b"", b"no table"])
def test_unreadable_predictions_are_reported(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "predictions.parquet").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"predictions\.parquet.*Run evaluate again"):
        read_expected(tmp_path)


def test_a_data_set_without_golden_photos_is_reported(artifacts: Artifacts, tmp_path: Path) -> None:
    shutil.copytree(artifacts.dataset_dir, tmp_path / "dataset", ignore=shutil.ignore_patterns("*.png"))
    with pytest.raises(ArtifactError, match="golden"):
        golden_photos(tmp_path / "dataset")


def test_a_golden_photo_that_is_too_large_to_send_is_left_out_with_a_warning(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    paths = golden_photos(artifacts.dataset_dir)
    sizes = sorted(path.stat().st_size for path in paths)
    monkeypatch.setattr(parity, "MAX_PHOTO_BYTES", sizes[-2])
    left_out = {path for path in paths if path.stat().st_size > sizes[-2]}
    assert set(golden_photos(artifacts.dataset_dir)) == set(paths) - left_out
    assert all(str(path) in caplog.text for path in left_out)
