"""A user trains on 12 photos per class, adds 10 per class and trains again; the better model becomes champion."""

import hashlib
import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.contract.artifacts.bundle import read_train_image_ids, write_train_image_ids
from components.contract.artifacts.dataset import DatasetInfo, open_split, read_info
from components.contract.artifacts.evaluation import Verdict
from components.contract.params.pipeline import EvaluateParams, PreprocessParams
from components.evaluate.step import evaluate
from components.preprocess.step import preprocess
from tests.support.artifacts import CLASS_NAMES, make_bundle, make_photos
from tests.unit.evaluate.gate.registry import register

COLORS = {"blue": (40, 60, 200), "green": (40, 180, 60), "red": (200, 50, 40)}
PATTERNS = ("columns", "rows")
FIRST_NETWORK = ("--set", "train.model.layers=[GlobalAveragePooling2D]")
"""It sees colors but no patterns, so it classifies about half of the photos correctly."""
SECOND_NETWORK = (
    "--set",
    "train.model.layers=[{Conv2D: {filters: 16, kernel_size: 5, activation: relu}}, GlobalMaxPooling2D]",
)
SETTINGS = (
    "--set",
    "preprocess.image_size=16",
    "--set",
    "train.epochs=60",
    "--set",
    "train.early_stopping=null",
    "--set",
    "train.batch_size=16",
    "--set",
    "train.learning_rate=0.01",
    "--set",
    "train.augmentation=none",
    "--set",
    "evaluate.robustness_photos=0",
)


PARAMS = PreprocessParams(image_size=(16, 16))


def add_photos(folder: Path, numbers: range) -> None:
    """Writes striped 24 × 24 pictures in six classes, which differ in the color and the direction of the stripes."""
    for (color, values), pattern in product(COLORS.items(), PATTERNS):
        class_dir = folder / f"{color} {pattern}"
        class_dir.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            rng = np.random.default_rng([number, *values, PATTERNS.index(pattern)])
            stripes = np.where((np.arange(24) + rng.integers(6)) // 3 % 2, 40, -40)
            shade = np.broadcast_to(stripes[:, None] if pattern == "rows" else stripes, (24, 24))
            pixels = np.array(values) + shade[..., None] + rng.integers(-30, 31, (24, 24, 3))
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(class_dir / f"{number}.png")


def run(folder: Path, *settings: str) -> dict[str, Any]:
    process = subprocess.run(
        [sys.executable, "-P", "-m", "pipelines.cli.main", "run", "--data", "photos", *settings, "--json"],
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=900,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-4000:]
    summary: dict[str, Any] = json.loads(process.stdout)
    return summary


def make_champion(folder: Path, info: DatasetInfo, *, scale: float) -> None:
    """Registers a champion that counts as trained on `dataset/`'s training split; at scale 0, it predicts only blue."""
    make_bundle(folder / "champion", info, scale=scale)
    write_train_image_ids(folder / "champion", open_split(folder / "dataset", "train").image_ids)
    register(info.name, folder / "champion")


def evaluate_candidate(folder: Path, info: DatasetInfo) -> Verdict:
    """Returns the verdict on a perfect model that counts as trained on the training split of `dataset/`."""
    make_bundle(folder / "model", info)
    write_train_image_ids(folder / "model", open_split(folder / "dataset", "train").image_ids)
    params = EvaluateParams(bootstrap_resamples=200, robustness_photos=0)
    return evaluate(folder / "dataset", folder / "model", params, info.name, folder / "evaluation").gate


def test_a_champion_trained_on_fewer_photos_is_compared_on_unseen_photos(tmp_path: Path, mlflow_store: str) -> None:
    folder = make_photos(tmp_path / "photos", per_class=12)
    info = preprocess(str(folder), PARAMS, tmp_path / "dataset")
    assert info.counts["test"] == dict.fromkeys(CLASS_NAMES, 2)
    learned_ids = frozenset(open_split(tmp_path / "dataset", "train").image_ids)
    make_champion(tmp_path, info, scale=0.0)

    for path in make_photos(tmp_path / "more", per_class=10, seed=1).glob("*/*"):
        path.rename(folder / path.parent.name / f"more {path.name}")
    info = preprocess(str(folder), PARAMS, tmp_path / "dataset")
    assert info.counts["test"] == dict.fromkeys(CLASS_NAMES, 3)
    num_left_out = len(learned_ids.intersection(open_split(tmp_path / "dataset", "test").image_ids))
    verdict = evaluate_candidate(tmp_path, info)
    assert (verdict.verdict, verdict.promotes, verdict.champion) == ("better", True, "1"), verdict.reasons
    assert verdict.comparison is not None
    assert (verdict.comparison.num_images, verdict.comparison.num_left_out) == (9 - num_left_out, num_left_out)


def test_the_comparison_leaves_out_near_duplicates_of_training_photos(tmp_path: Path, mlflow_store: str) -> None:
    """A slightly brighter copy of each photo is added, so test photos may be near-duplicates of training photos."""
    folder = make_photos(tmp_path / "photos", per_class=12)
    info = preprocess(str(folder), PARAMS, tmp_path / "dataset")
    learned_ids = frozenset(open_split(tmp_path / "dataset", "train").image_ids)
    make_champion(tmp_path, info, scale=0.05)

    originals = {}
    for path in sorted(folder.glob("*/*.png")):
        copy = path.with_name(f"a {path.name}")
        with Image.open(path) as picture:
            Image.fromarray(np.clip(np.asarray(picture, np.int16) + 3, 0, 255).astype(np.uint8)).save(copy)
        originals[file_id(copy)] = file_id(path)
    info = preprocess(str(folder), PARAMS, tmp_path / "dataset")
    test_ids = open_split(tmp_path / "dataset", "test").image_ids
    unseen_ids = [each for each in test_ids if not learned_ids.intersection((each, originals.get(each, each)))]
    assert len(unseen_ids) < len(test_ids), "some test photos must be left out"
    comparison = evaluate_candidate(tmp_path, info).comparison
    assert comparison is not None
    assert comparison.num_images == len(unseen_ids)


def file_id(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


@pytest.mark.proof
def test_a_better_model_trained_on_more_photos_becomes_champion(tmp_path: Path) -> None:
    add_photos(tmp_path / "photos", range(12))
    first = run(tmp_path, *SETTINGS, *FIRST_NETWORK)
    assert first["dataset"]["kept"] == {"train": 48, "validation": 12, "test": 12}
    assert (first["gate"]["verdict"], first["promoted"]) == ("first", True), first["gate"]

    add_photos(tmp_path / "photos", range(12, 22))
    second = run(tmp_path, *SETTINGS, *SECOND_NETWORK)
    assert second["dataset"]["kept"] == {"train": 96, "validation": 18, "test": 18}
    gate = second["gate"]
    assert (gate["verdict"], gate["champion"], second["promoted"]) == ("better", "1", True), gate

    runs_dir = tmp_path / "runs"
    learned_ids = read_train_image_ids(runs_dir / first["run_id"] / "model")
    assert learned_ids is not None
    split = open_split(runs_dir / second["run_id"] / "dataset", "test")
    num_left_out = len(learned_ids.intersection(split.image_ids))
    comparison = gate["comparison"]
    assert (comparison["num_images"], comparison["num_left_out"]) == (18 - num_left_out, num_left_out)
    assert num_left_out <= 3, "only a few photos may move from train to test"
    assert f"scored on {18 - num_left_out} test photos that neither was trained on" in gate["reasons"][0]
    report = (runs_dir / second["run_id"] / "evaluation" / "report.html").read_text()
    assert f"{18 - num_left_out} test photos that neither was trained on" in report
    assert read_info(runs_dir / second["run_id"] / "dataset").num_kept == 6 * 22
