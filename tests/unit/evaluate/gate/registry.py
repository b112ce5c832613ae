"""Test helpers: a real MLflow registry with a champion, and the verdict on a candidate."""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow import MlflowClient

from components.contract.artifacts.bundle import read_bundle, write_train_image_ids
from components.contract.artifacts.dataset import DatasetInfo, open_split, read_info
from components.contract.artifacts.evaluation import Verdict
from components.contract.params.pipeline import EvaluateParams, GateParams
from components.contract.system.atomic_files import write_json
from components.contract.tracking.run import create_run
from components.evaluate.examine import measure
from components.evaluate.gate.verdict import Candidate, judge
from components.evaluate.measure.predictions import Predictions
from tests.support.artifacts import make_bundle


def register(name: str, bundle_dir: Path, *, champion: bool = True) -> str:
    """Logs the bundle to a new run and registers it as a version of `name`. Returns the run id."""
    run = create_run(experiment=f"of {name}", name="earlier")
    run.log_artifacts(bundle_dir, "bundle")
    client = MlflowClient()
    client.create_registered_model(name)
    version = client.create_model_version(name, source=f"runs:/{run.run_id}/bundle", run_id=run.run_id)
    if champion:
        client.set_registered_model_alias(name, "champion", version.version)
    assert run.run_id is not None
    return run.run_id


def make_champion(folder: Path, info: DatasetInfo, *, train_image_ids: tuple[str, ...] = ("x",)) -> None:
    make_bundle(folder / "champion", info)
    write_train_image_ids(folder / "champion", train_image_ids)


def make_champion_say(folder: Path, **changes: Any) -> None:
    write_json(folder / "champion" / "bundle.json", read_bundle(folder / "champion").model_copy(update=changes))


def verdict(
    folder: Path,
    wrong: int = 0,
    params: GateParams | None = None,
    name: str = "colors",
    train_image_ids: frozenset[str] = frozenset(),
) -> Verdict:
    """Returns the verdict on a candidate that classifies this many of the 36 test photos incorrectly."""
    info, split = read_info(folder / "dataset"), open_split(folder / "dataset", "test")
    labels = split.labels.copy()
    labels[:wrong] = (labels[:wrong] + 1) % 3
    logits = 5 * np.eye(3, dtype=np.float32)[labels]
    predictions = Predictions("test", split.image_ids, split.labels, logits, logits)
    figures = measure({"test": predictions}, info.class_names, EvaluateParams(bootstrap_resamples=100))["test"]
    return judge(
        Candidate(figures, predictions, split, 5.0, 2_000_000, train_image_ids),
        name,
        params or GateParams(),
        dataset_dir=folder / "dataset",
        dataset=info,
        run_id=None,
        resamples=500,
        rng=np.random.default_rng(0),
    )
