"""The calibration: what it computes, and how it is written and read; errors name damaged files."""

from pathlib import Path

import numpy as np
import pytest

from components.contract.errors import ArtifactError
from components.contract.inference.calibration import (
    Abstention,
    Calibration,
    CalibrationFacts,
    Familiarity,
    neighbor_distance,
    read_calibration,
    to_unit_length,
    write_calibration,
)
from components.contract.inference.graph import softmax


def make_calibration(*, temperature: float = 2.0, threshold: float | None = 0.6) -> Calibration:
    reference = to_unit_length(np.eye(4, dtype=np.float32)[:3])
    abstention = Abstention(target_accuracy=0.95, threshold=threshold, coverage=0.8, accuracy=0.96)
    familiarity = Familiarity(num_neighbours=1, threshold=0.5, familiar_share=0.95, num_reference=3)
    return Calibration(
        CalibrationFacts(
            export_sha256="e" * 64, temperature=temperature, abstention=abstention, familiarity=familiarity
        ),
        reference,
    )


def test_a_calibration_is_read_as_written_and_identical_content_gives_identical_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_calibration(tmp_path / name, make_calibration())
    calibration = read_calibration(tmp_path / "a")
    assert calibration.facts == make_calibration().facts
    assert np.array_equal(calibration.reference, make_calibration().reference)
    assert calibration.reference.dtype == np.float32
    for name in ("calibration.json", "familiarity.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_temperature_changes_the_confidence_but_never_the_predicted_class() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (50, 5)).astype(np.float32)
    plain, same = softmax(logits), make_calibration(temperature=1.0)
    cooled = make_calibration(temperature=3.0).probabilities(logits)
    assert np.array_equal(plain.argmax(axis=1), cooled.argmax(axis=1))
    assert (cooled.max(axis=1) < plain.max(axis=1)).all()
    assert np.array_equal(same.probabilities(logits), plain)
    assert cooled.dtype == np.float32
    assert np.allclose(cooled.sum(axis=1), 1)


@pytest.mark.parametrize(("threshold", "withheld"), [(0.6, [True, False]), (0.9, [True, True]), (None, [False, False])])
def test_the_model_abstains_below_the_threshold(threshold: float | None, withheld: list[bool]) -> None:
    probabilities = np.array([[0.55, 0.45], [0.7, 0.3]], np.float32)
    assert make_calibration(threshold=threshold).abstains(probabilities).tolist() == withheld


@pytest.mark.parametrize("threshold", [0.6, 0.7, float(np.float32(0.7)), 1.0])
def test_the_model_answers_at_exactly_the_threshold(threshold: float) -> None:
    confidence = np.array([np.nextafter(threshold, 0), threshold, np.nextafter(threshold, 2)])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    assert make_calibration(threshold=threshold).abstains(probabilities).tolist() == [True, False, False]


def test_with_a_threshold_of_0_the_model_never_abstains() -> None:
    assert make_calibration(threshold=0.0).abstains(np.array([[0.0, 0.0], [0.5, 0.5]])).tolist() == [False, False]


def test_a_photo_at_exactly_the_familiarity_threshold_is_familiar() -> None:
    embeddings = np.array([[1, 0, 0, 1]], np.float32)
    distance = float(make_calibration().unfamiliarity(embeddings)[0])
    for threshold, unfamiliar in ((np.nextafter(np.float32(distance), np.float32(0)), True), (distance, False)):
        calibration = make_calibration()
        familiarity = calibration.facts.familiarity.model_copy(update={"threshold": float(threshold)})
        facts = calibration.facts.model_copy(update={"familiarity": familiarity})
        assert Calibration(facts, calibration.reference).is_unfamiliar(embeddings).tolist() == [unfamiliar]


def test_unfamiliarity_is_the_distance_of_the_embedding_from_the_reference() -> None:
    embeddings = np.array([[5, 0, 0, 0], [0, 0, 0, 2], [-1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0]], np.float32)
    distances = make_calibration().unfamiliarity(embeddings)
    assert distances == pytest.approx([0, 1, 1, 1, 1 - np.sqrt(0.5)], abs=1e-6)
    assert make_calibration().is_unfamiliar(embeddings).tolist() == [False, True, True, True, False]


def test_the_distance_is_to_the_kth_neighbor_or_to_the_farthest_in_a_small_reference() -> None:
    reference = to_unit_length(np.array([[1, 0], [1, 1], [0, 1], [-1, 0]], np.float32))
    distances = [float(neighbor_distance(np.array([[2, 0]]), reference, k)[0]) for k in (1, 2, 3, 4, 9)]
    assert distances == pytest.approx([0, 1 - np.sqrt(0.5), 1, 2, 2], abs=1e-6)


def test_embeddings_with_height_and_width_are_flattened() -> None:
    assert to_unit_length(np.ones((2, 2, 3, 4))).shape == (2, 24)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("calibration.json", None, "must contain calibration.json"),
        ("calibration.json", b"{}", "damaged, or from another version"),
        ("familiarity.npz", None, r"familiarity.npz cannot be read"),
        ("familiarity.npz", b"PK no archive", "cannot be read"),
        ("familiarity.npz", b"", "cannot be read"),
    ],
)
def test_a_damaged_calibration_is_reported(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    write_calibration(tmp_path, make_calibration())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=message):
        read_calibration(tmp_path)


def test_a_reference_whose_size_differs_from_calibration_json_is_rejected(tmp_path: Path) -> None:
    write_calibration(tmp_path, make_calibration())
    np.savez(tmp_path / "familiarity.npz", reference=np.ones((2, 4), np.float16))
    with pytest.raises(ArtifactError, match="must contain 3 embeddings"):
        read_calibration(tmp_path)
