"""Scores do not depend on the batch size, and invalid outputs of the export are refused."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.contract.artifacts.dataset import open_split, read_info
from components.contract.errors import ArtifactError
from components.contract.inference.graph import InferenceGraph
from components.evaluate.measure import predictions
from components.evaluate.measure.metrics import confused_pairs
from components.evaluate.measure.mistakes import pair_mistakes, right_answers, worst_mistakes
from components.evaluate.measure.predictions import Predictions, score, write_predictions
from tests.support.artifacts import make_bundle, make_dataset
from tests.unit.evaluate.datasets import rewrite_split


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, InferenceGraph]:
    info = make_dataset(tmp_path / "dataset")
    make_bundle(tmp_path / "model", info)
    return tmp_path / "dataset", InferenceGraph(tmp_path / "model" / "export")


@pytest.mark.parametrize("batch_size", [1, 7, 36, 64])
def test_scores_do_not_depend_on_the_batch_size(
    inputs: tuple[Path, InferenceGraph], batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset_dir, graph = inputs
    monkeypatch.setattr(predictions, "BATCH_SIZE", batch_size)
    split = open_split(dataset_dir, "test")
    scored = score(graph, split, "test", 3)
    one_by_one = np.concatenate([graph.run(split.image(index)[None]).logits for index in range(len(split))])
    assert np.allclose(scored.logits, one_by_one, atol=1e-4)
    assert scored.logits.dtype == np.float32
    assert scored.probabilities.dtype == np.float32
    assert np.array_equal(scored.predicted, split.labels)
    assert np.allclose(scored.probabilities.sum(axis=1), 1)


def test_progress_is_reported_with_rate_and_time_left(
    inputs: tuple[Path, InferenceGraph], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(predictions, "BATCH_SIZE", 10)
    monkeypatch.setattr("components.contract.system.progress.EVERY_SECONDS", 0.0)
    with caplog.at_level(logging.INFO, "components"):
        score(inputs[1], open_split(inputs[0], "test"), "test", 3)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("10 of 36 test photos, ")
    assert lines[0].endswith(" s left.")
    assert lines[-1].startswith("Scored 36 test photos")


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_rejected(tmp_path: Path, scale: float) -> None:
    info = make_dataset(tmp_path / "dataset", per_class=4)
    make_bundle(tmp_path / "model", info, scale=scale)
    split = open_split(tmp_path / "dataset", "test")
    with pytest.raises(ArtifactError, match=f"12 of 12 test photos it returned NaN or infinity.*{split.image_ids[0]}"):
        score(InferenceGraph(tmp_path / "model" / "export"), split, "test", 3)


def test_a_graph_with_the_wrong_number_of_classes_is_refused(inputs: tuple[Path, InferenceGraph]) -> None:
    with pytest.raises(ArtifactError, match="must return 4 numbers per photo, one per class; it returns 3"):
        score(inputs[1], open_split(inputs[0], "test"), "test", 4)


def test_an_empty_split_is_refused(inputs: tuple[Path, InferenceGraph]) -> None:
    dataset_dir, graph = inputs
    rewrite_split(dataset_dir, "test", indices=[], labels=[])
    with pytest.raises(ArtifactError, match="The test split must have at least one photo"):
        score(graph, open_split(dataset_dir, "test"), "test", 3)


def test_predictions_are_written_for_later_comparisons(inputs: tuple[Path, InferenceGraph], tmp_path: Path) -> None:
    dataset_dir, graph = inputs
    scored = [score(graph, open_split(dataset_dir, name), name, 3) for name in ("validation", "test")]
    write_predictions(tmp_path / "predictions.parquet", scored)
    table = pq.read_table(tmp_path / "predictions.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "split": "string",
        "image_id": "string",
        "label": "int32",
        "predicted": "int32",
        "probabilities": "list<element: float>",
    }
    assert table["split"].to_pylist() == ["validation"] * 36 + ["test"] * 36
    assert table["image_id"].to_pylist()[36:] == list(scored[1].image_ids)
    assert np.array_equal(np.array(table["probabilities"].to_pylist(), np.float32)[36:], scored[1].probabilities)
    assert read_info(dataset_dir).num_images("test") == 36


def make_predictions(labels: list[int], probabilities: list[list[float]]) -> Predictions:
    logits = np.log(np.array(probabilities, np.float32))
    ids = list("abcdefgh"[: len(labels)])
    return Predictions("test", ids, np.array(labels, np.int32), logits, np.zeros((len(labels), 1), np.float32))


def test_the_worst_mistakes_are_the_most_confident_ones() -> None:
    mistakes = worst_mistakes(
        make_predictions([0, 0, 0, 1, 0], [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7], [0.1, 0.9]]), 2
    )
    assert [(answer.image_id, answer.index, answer.label, answer.predicted) for answer in mistakes] == [
        ("e", 4, 0, 1),
        ("b", 1, 0, 1),
    ]
    assert mistakes[0].probability == pytest.approx(0.9)
    assert mistakes[0].true_probability == pytest.approx(0.1)


def test_if_all_answers_are_correct_no_mistakes_are_shown() -> None:
    assert worst_mistakes(make_predictions([1], [[0.1, 0.9]]), 12) == []


def test_sample_correct_answers_cover_several_classes_and_have_typical_confidence() -> None:
    scored = make_predictions([0, 0, 0, 1, 1], [[0.99, 0.01], [0.8, 0.2], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])
    assert [(answer.image_id, answer.label) for answer in right_answers(scored, 4)] == [("b", 0), ("d", 1)]
    assert right_answers(make_predictions([0], [[0.1, 0.9]]), 4) == []


def test_the_photos_of_a_confused_pair_are_those_of_its_cell_in_the_matrix() -> None:
    scored = make_predictions([0, 0, 0, 1], [[0.4, 0.6], [0.1, 0.9], [0.9, 0.1], [0.8, 0.2]])
    pairs = confused_pairs(np.array([[1, 2], [1, 0]]), ("cat", "dog"))
    pair_answers = pair_mistakes(scored, pairs, ("cat", "dog"), 4)
    assert {
        pair.class_name: [answer.image_id for answer in photo_answers]
        for pair, photo_answers in zip(pairs, pair_answers, strict=True)
    } == {
        "cat": ["b", "a"],
        "dog": ["d"],
    }


def test_temperature_changes_the_confidence_but_never_the_predicted_class() -> None:
    uncalibrated = make_predictions([0, 1], [[0.9, 0.1], [0.2, 0.8]])
    cooled = replace(uncalibrated, temperature=2.0)
    assert np.array_equal(uncalibrated.predicted, cooled.predicted)
    assert (cooled.probabilities.max(axis=1) < uncalibrated.probabilities.max(axis=1)).all()


def test_features_are_the_means_of_the_feature_map_if_requested(
    inputs: tuple[Path, InferenceGraph],
) -> None:
    split = open_split(inputs[0], "test")
    scored = score(inputs[1], split, "test", 3, with_features=True)
    assert scored.features is not None
    assert np.allclose(
        scored.features, [split.image(index).mean(axis=(0, 1)) for index in range(len(split))], atol=1e-2
    )
    assert score(inputs[1], split, "test", 3).features is None
