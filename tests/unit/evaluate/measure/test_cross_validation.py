"""Cross-validation on features: which photos are included, and that no fold is tested on its training photos."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.contract.artifacts.bundle import BundleInfo, read_bundle
from components.contract.artifacts.dataset import SplitName, open_split, read_info
from components.contract.artifacts.figures import read_figures
from components.contract.params.pipeline import EvaluateParams
from components.contract.system.atomic_files import write_json
from components.evaluate.measure.cross_validation import corrected_interval, cross_validate, has_frozen_features
from components.evaluate.measure.predictions import Predictions
from components.evaluate.step import evaluate
from tests.support.artifacts import make_bundle, make_dataset

POOLED = ["GlobalAveragePooling2D", {"Dropout": {"rate": 0.2}}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_bundle(tmp_path / "model", make_dataset(tmp_path / "dataset"))
    return tmp_path


def pretend(
    folder: Path, *, kind: str = "pretrained", trained: tuple[str, ...] = ("logits",), **model: Any
) -> BundleInfo:
    """Changes the bundle so that it describes a head on a backbone, like a bundle from the train step."""
    bundle = read_bundle(folder / "model")
    facts = bundle.model.model_copy(update={"kind": kind, "name": "MobileNetV2", "trained_layers": trained})
    params = {"model": {"name": "MobileNetV2", "weights": "imagenet", "head": POOLED, **model}}
    changed_bundle = bundle.model_copy(update={"model": facts, "params": params})
    write_json(folder / "model" / "bundle.json", changed_bundle)
    return changed_bundle


@pytest.mark.parametrize(
    ("changes", "frozen"),
    [
        ({}, True),
        ({"head": [*POOLED, {"Dense": {"units": 8}}], "trained": ("dense", "logits")}, True),
        ({"head": [*POOLED, {"Dense": {"units": 8, "name": "own"}}], "trained": ("own", "logits")}, True),
        ({"trained": ("block_16_project", "logits")}, False),
        ({"weights": None}, False),
        ({"weights": "none"}, False),
        ({"kind": "layers"}, False),
        ({"head": [{"Conv2D": {"filters": 8, "kernel_size": 1}}, *POOLED], "trained": ("conv2d", "logits")}, False),
    ],
)
def test_features_are_frozen_if_only_the_head_was_trained(folder: Path, changes: dict[str, Any], frozen: bool) -> None:
    assert has_frozen_features(pretend(folder, **changes)) is frozen


def fold(folder: Path) -> tuple[int, str, set[str]]:
    """Evaluates with 3 folds.

    Returns:
        The number of photos in the folds, the report's description of the folds, and the splits with doubtful labels.
    """
    evaluate(
        folder / "dataset",
        folder / "model",
        EvaluateParams(
            bootstrap_resamples=100,
            folds=3,
            robustness_photos=0,
            report_photos=0,
        ),
        "colors",
        folder / "evaluation",
    )
    folds = read_figures(folder / "evaluation").folds
    assert folds is not None
    lines = (folder / "evaluation" / "label_errors.csv").read_text().splitlines()[1:]
    return folds.num_images, folds.what, {line.split(",")[4] for line in lines}


def test_on_a_frozen_backbone_all_photos_and_labels_are_checked(folder: Path, mlflow_store: str) -> None:
    from tests.unit.evaluate.datasets import rewrite_split

    split = open_split(folder / "dataset", "train")
    rewrite_split(folder / "dataset", "train", indices=list(range(36)), labels=[2, *split.labels[1:].tolist()])
    num_images, what, doubted = fold(folder)
    assert (num_images, doubted) == (72, {"train"}), "cross-fitted heads must find the wrong training label"
    assert "only validation and test photos" in what
    pretend(folder)
    num_images, what, doubted = fold(folder)
    assert (num_images, doubted) == (108, {"train"})
    assert "including the training photos" in what
    assert read_info(folder / "dataset").num_kept == 108


def predictions(name: SplitName, features: np.ndarray, labels: np.ndarray) -> Predictions:
    logits = np.zeros((len(labels), 2), np.float32)
    return Predictions(name, [f"{name} {index}" for index in range(len(labels))], labels, logits, features)


def test_no_fold_is_tested_on_its_training_photos() -> None:
    """Random labels can only be memorized; having more features than photos makes that easy."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(200, 400)).astype(np.float32), rng.integers(0, 2, 200).astype(np.int32)
    splits = predictions("validation", features[:90], labels[:90]), predictions("test", features[90:], labels[90:])
    cross_validation = cross_validate(splits, 5, frozen=False, num_classes=2, seed=0)
    assert cross_validation is not None
    assert 0.35 < cross_validation.accuracy.value < 0.65
    assert cross_validation.accuracy.low < 0.5 < cross_validation.accuracy.high
    separable = cross_validate(
        [predictions("test", features + 3 * labels[:, None], labels)], 5, frozen=False, num_classes=2, seed=0
    )
    assert separable is not None
    assert separable.accuracy.value > 0.95


def test_the_interval_for_scores_of_folds_is_wider_than_for_independent_scores() -> None:
    """The expected interval is Nadeau and Bengio's; 2.776 is the 97.5 % quantile of Student's t for 5 folds."""
    scores = [0.74, 0.78, 0.80, 0.82, 0.86]
    deviation = np.sqrt((0.06**2 + 0.02**2 + 0.02**2 + 0.06**2) / 4)
    interval = corrected_interval(scores)
    assert interval.value == pytest.approx(0.8)
    assert interval.high - interval.value == pytest.approx(2.776 * deviation * np.sqrt(1 / 5 + 1 / 4), rel=1e-3)
    assert interval.high - interval.value > 1.4 * 2.776 * deviation / np.sqrt(5), (
        "the interval must be wider than for independent scores"
    )
