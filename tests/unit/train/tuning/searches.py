"""Test helpers: searches whose training runs are simulated and take no time."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from components.contract.artifacts.dataset import DatasetInfo
from components.contract.artifacts.study import StudyInfo
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams
from components.contract.params.training import TrainParams
from components.contract.params.tuning import Range, Space, TuneParams
from components.contract.tracking.run import Run
from components.train.loop.fit_result import FitResult, Watch
from components.train.tuning.search import Search

LAYERS = tuple(map(parse_layer, [{"Conv2D": {"filters": 4, "kernel_size": 3}}, "Flatten", {"Dropout": {"rate": 0.1}}]))
TRAIN = TrainParams(
    model=ModelParams(kind="layers", layers=LAYERS),
    trainable="all",
    augmentation="none",
    epochs=5,
    batch_size=8,
    early_stopping=None,
)
RATES: Space = {"learning_rate": Range(low=1e-4, high=1.0, log=True)}


def use_cache(folder: Path, monkeypatch: pytest.MonkeyPatch, empty_studies: Path) -> None:
    (folder / "studies").mkdir(parents=True)
    shutil.copy(empty_studies, folder / "studies" / "studies.db")
    monkeypatch.setenv("DARKROOM_CACHE", str(folder))


def accuracy_at(rate: float) -> float:
    """Returns an accuracy that is highest at a learning rate of 0.01."""
    import math

    return round(0.95 - 0.1 * abs(math.log10(rate) + 2), 6)


def pretend(train: TrainParams, run: Run, watch: Watch) -> FitResult:
    """Simulates a training run whose accuracy depends on its learning rate and increases with every epoch."""
    final, result = accuracy_at(train.learning_rate), FitResult()
    for epoch in range(1, train.epochs + 1):
        figures = {"loss": 1.0, "val_accuracy": final * (1 - 0.5**epoch)}
        for name, value in figures.items():
            result.history.setdefault(name, []).append(value)
        watch(epoch, figures)
    result.best_epoch = train.epochs
    return result


def run_search(info: DatasetInfo, space: Space = RATES, **tune_params: Any) -> tuple[Search, StudyInfo]:
    search = Search(info, TRAIN, TuneParams(**{"trials": 12} | tune_params), space)
    return search, search.run(pretend, Run(None))


def storage() -> str:
    return f"sqlite:///{os.environ['DARKROOM_CACHE']}/studies/studies.db"
