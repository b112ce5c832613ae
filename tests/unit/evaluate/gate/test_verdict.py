"""Verdicts with a real MLflow registry and bundles: their wording, and problems reported as reasons, not errors."""

from pathlib import Path
from typing import cast

import mlflow
import numpy as np
import pytest

from components.contract.artifacts.bundle import write_train_image_ids
from components.contract.artifacts.dataset import Split, open_split, read_info
from components.contract.params.pipeline import EvaluateParams, GateParams
from components.evaluate.examine import measure
from components.evaluate.gate.looks import hash_test_set
from components.evaluate.gate.verdict import Candidate, find_broken_floors
from components.evaluate.measure.predictions import Predictions
from tests.support.artifacts import make_bundle
from tests.unit.evaluate.gate.registry import register, verdict


def test_the_first_model_under_a_name_gets_the_verdict_first(folder: Path) -> None:
    gate_verdict = verdict(folder)
    assert (gate_verdict.verdict, gate_verdict.promotes, gate_verdict.champion, gate_verdict.looks) == (
        "first",
        True,
        None,
        1,
    )
    assert gate_verdict.reasons == ("No version of colors is the champion yet.",)


def test_versions_that_never_became_champion_do_not_count(folder: Path) -> None:
    register("colors", folder / "champion", champion=False)
    assert verdict(folder).verdict == "first"


def test_the_champion_of_another_model_name_does_not_count(folder: Path) -> None:
    register("letters", folder / "champion")
    assert verdict(folder).verdict == "first"


def test_a_worse_model_gets_the_verdict_worse_with_reasons_that_quantify_the_difference(folder: Path) -> None:
    register("colors", folder / "champion")
    gate_verdict = verdict(folder, wrong=12)
    assert (gate_verdict.verdict, gate_verdict.promotes, gate_verdict.champion) == ("worse", False, "1")
    assert "this model classifies 66.7 % correctly and the champion, version 1, 100 %" in gate_verdict.reasons[0]
    assert gate_verdict.comparison is not None
    assert (gate_verdict.comparison.num_won, gate_verdict.comparison.num_lost) == (0, 12)
    assert gate_verdict.comparison.p_value == pytest.approx(0.5**12)
    assert any("recall of blue falls from 100 % to 0 %" in reason for reason in gate_verdict.reasons)


def test_an_equally_good_model_gets_the_verdict_cannot_tell(folder: Path) -> None:
    register("colors", folder / "champion")
    for wrong in (0, 1):
        gate_verdict = verdict(folder, wrong=wrong)
        assert (gate_verdict.verdict, gate_verdict.promotes) == ("cannot tell", False)
        assert "it may be chance" in gate_verdict.reasons[1]


def test_a_better_model_gets_the_verdict_better(folder: Path, tmp_path: Path) -> None:
    make_bundle(tmp_path / "poor", read_info(folder / "dataset"), scale=0.0)  # it always predicts blue
    write_train_image_ids(tmp_path / "poor", ["x"])
    register("colors", tmp_path / "poor")
    gate_verdict = verdict(folder)
    assert (gate_verdict.verdict, gate_verdict.promotes) == ("better", True)
    assert ": significant." in gate_verdict.reasons[1]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:///{folder}/file/mlflow.db"])
def test_an_unreachable_registry_is_reported_in_the_verdict_without_an_error(
    uri: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(uri.format(folder=folder))
    gate_verdict = verdict(folder)
    assert (gate_verdict.verdict, gate_verdict.promotes, gate_verdict.looks) == ("not comparable", False, None)
    assert gate_verdict.reasons[0].startswith("The model registry did not report whether colors has a champion: ")


@pytest.mark.parametrize(
    ("params", "wrong", "word"),
    [
        ({"min_accuracy": 0.9}, 8, "min_accuracy"),
        ({"min_macro_f1": 0.9}, 8, "min_macro_f1"),
        ({"max_latency_ms": 4.9}, 0, "max_latency_ms"),
        ({"max_size_mb": 1.9}, 0, "max_size_mb"),
    ],
)
def test_a_model_that_violates_a_minimum_or_a_budget_is_worse(
    folder: Path, params: dict[str, float], wrong: int, word: str
) -> None:
    gate_verdict = verdict(folder, wrong, GateParams(**params))
    assert (gate_verdict.verdict, gate_verdict.promotes) == ("worse", False)
    assert f"evaluate.gate.{word}" in gate_verdict.reasons[-1]
    assert verdict(folder, 0, GateParams(min_accuracy=0.9, max_latency_ms=5.1, max_size_mb=2.1)).verdict == "first"


@pytest.mark.parametrize("wrong", [36, 30])
def test_a_first_model_that_does_not_beat_the_majority_class_is_worse(folder: Path, wrong: int) -> None:
    gate_verdict = verdict(folder, wrong)
    assert (gate_verdict.verdict, gate_verdict.promotes) == ("worse", False)
    assert "always predicting the majority class would reach 33.3 %" in gate_verdict.reasons[-1]


def test_a_model_that_recognizes_the_rare_class_may_be_less_accurate_than_a_constant_prediction() -> None:
    """The model is right on 72 % of all photos and most of each class; a constant prediction is right on 80 %."""
    predicted, labels = np.array([0] * 56 + [1] * 24 + [1] * 16 + [0] * 4), np.array([0] * 80 + [1] * 20)
    assert find_broken_floors(candidate(predicted, labels), GateParams()) == ()
    (reason,) = find_broken_floors(candidate(np.zeros_like(labels), labels), GateParams())
    assert "80.0 %" in reason
    single_class = np.zeros(3, np.int32)
    assert find_broken_floors(candidate(single_class, single_class), GateParams()) == ()


def candidate(predicted: np.ndarray, labels: np.ndarray) -> Candidate:
    logits = 5 * np.eye(2, dtype=np.float32)[predicted]
    predictions = Predictions(
        "test", [str(index) for index in range(len(labels))], labels.astype(np.int32), logits, logits
    )
    figures = measure({"test": predictions}, ("a", "b"), EvaluateParams(bootstrap_resamples=100))["test"]
    return Candidate(figures, predictions, cast(Split, None), latency_ms=5.0, size_bytes=2_000_000)


def test_the_params_determine_which_verdicts_promote(folder: Path) -> None:
    assert not verdict(folder, params=GateParams(promote=("better",))).promotes
    register("colors", folder / "champion")
    assert verdict(folder, params=GateParams(promote=("better", "cannot tell"))).promotes


def test_a_test_set_is_identified_by_its_photos_and_labels_in_any_order(folder: Path) -> None:
    from components.contract.artifacts.dataset import Split

    split = open_split(folder / "dataset", "test")
    pixels = split.gather(np.arange(36))
    turned = Split([pixels[::-1]], split.labels[::-1], list(split.image_ids)[::-1])
    relabelled = Split([pixels], (split.labels + 1) % 3, split.image_ids)
    assert hash_test_set(split) == hash_test_set(turned) != hash_test_set(relabelled)
