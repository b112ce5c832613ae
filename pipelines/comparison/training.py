"""Trains the models of a comparison, once for each seed; training runs of an interrupted comparison are reused."""

import hashlib
import json
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.params.pipeline import dump_section
from components.contract.tracking.run import Run, child_run, end_run
from pipelines.comparison.models import Model, TrainedModel

if TYPE_CHECKING:
    from components.contract.params.training import TrainParams

log = logging.getLogger(__name__)


def model_from_run(model: Model) -> TrainedModel:
    """Returns the trained model of a finished run."""
    assert model.run is not None, "the caller has checked that the model comes from a run"
    summary = model.run.summary
    assert summary is not None, "model_of_run has checked that the run has finished"
    path = model.run.path
    return TrainedModel(
        model, path / "dataset", (path / "model",), (model.params.train.seed,), summary["seconds"]["train"] / 60
    )


def train_model(model: Model, num_seeds: int, output_dir: Path, parent: Run) -> TrainedModel:
    """Prepares the photos, and trains the model once for each seed with which no earlier call has trained it."""
    from components.preprocess.step import preprocess

    params = model.params
    sections = dump_section(params.data.columns), dump_section(params.preprocess)
    dataset_dir = output_dir / "datasets" / _compute_digest(params.data.uri, *sections)
    info = preprocess(params.data.uri, params.preprocess, dataset_dir, params.data.columns)
    bundle_dirs, seconds = [], []
    seeds = tuple(params.train.seed + number for number in range(num_seeds))
    for seed in seeds:
        train = params.train.model_copy(update={"seed": seed})
        folder = output_dir / "models" / _compute_digest(info.fingerprint, dump_section(train))
        note = folder / "training.json"
        if note.exists():
            log.info("%s with seed %d is already trained.", model.name, seed)
        else:
            log.info("Training %s with seed %d.", model.name, seed)
            _train_once(dataset_dir, train, folder, child_run(parent, f"{model.name}, seed {seed}", {}))
        bundle_dirs.append(folder / "bundle")
        seconds.append(json.loads(note.read_text(encoding="utf-8"))["seconds"])
    return TrainedModel(model, dataset_dir, tuple(bundle_dirs), seeds, sum(seconds) / len(seconds) / 60)


def _train_once(dataset_dir: Path, train: "TrainParams", folder: Path, run: Run) -> None:
    from components.contract.system.atomic_files import write_json
    from components.train.step import train as run_train

    earlier_run_id = os.environ.get("MLFLOW_RUN_ID")
    if run.run_id is not None:
        os.environ["MLFLOW_RUN_ID"] = run.run_id
    start, status = time.monotonic(), "FAILED"
    try:
        run_train(dataset_dir, train, folder / "bundle")
        write_json(folder / "training.json", {"seconds": round(time.monotonic() - start, 3)})
        status = "FINISHED"
    finally:
        end_run(run, status)
        os.environ.pop("MLFLOW_RUN_ID", None)
        if earlier_run_id is not None:
            os.environ["MLFLOW_RUN_ID"] = earlier_run_id
        import keras

        keras.utils.clear_session(free_memory=True)


def _compute_digest(*facts: str) -> str:
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]
