"""Searches that compare networks: several objectives, and limits on latency and size."""

import shutil
from pathlib import Path

import pytest

from components.contract.artifacts.dataset import DatasetInfo
from components.contract.errors import SearchError
from components.contract.params.training import TrainParams, read_best
from components.contract.params.tuning import Choices, Range, Space, TuneParams
from components.contract.tracking.run import Run
from components.train.loop.fit_result import FitResult, Watch
from components.train.tune import tune
from components.train.tuning.cost import Cost, CostMeter
from components.train.tuning.search import Search
from tests.unit.train.tuning.searches import TRAIN, pretend

COSTS = {0: Cost(2.0, 8.0), 1: Cost(5.0, 4.0), 2: Cost(30.0, 2.0)}
"""The cost of each network, by the index of its number of filters in NETWORKS."""
NETWORKS: Space = {
    "learning_rate": Range(low=1e-4, high=1.0, log=True),
    "model.layers[0].Conv2D.filters": Choices(choices=(4, 8, 16)),
}


def measure_cost(train: TrainParams) -> Cost:
    assert train.model.layers is not None
    return COSTS[(4, 8, 16).index(train.model.layers[0].filters)]


def test_with_several_objectives_train_uses_the_most_accurate_trial_of_the_pareto_front(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path
) -> None:
    tune_params = TuneParams(trials=7, objectives=("accuracy", "latency", "size"))
    search = Search(dataset[1], TRAIN, tune_params, NETWORKS)
    study = search.run(pretend, Run(None), measure_cost)
    assert all(trial.state == "complete" for trial in study.trials), "no trial may be pruned"
    trials = {trial.number: trial for trial in study.trials}
    figures = {
        number: (-(trial.accuracy or 0), trial.latency_ms or 0, trial.size_mb or 0) for number, trial in trials.items()
    }

    def beaten(number: int) -> bool:
        return any(
            other != figures[number] and all(a <= b for a, b in zip(other, figures[number], strict=True))
            for other in figures.values()
        )

    assert set(study.front) == {number for number in figures if not beaten(number)}
    assert study.best == study.front[0] == max(trials, key=lambda number: (trials[number].accuracy or 0, -number))
    assert study.choice.startswith(f"Trials on the Pareto front of accuracy, latency and size: {len(study.front)} (")
    assert f"train uses the most accurate of them, trial {study.best + 1}." in study.choice
    search.draw(tmp_path / "study.html", study)
    page = (tmp_path / "study.html").read_text()
    assert "<h2>The Pareto front</h2>" in page
    assert page.count("used for training") == 1
    assert study.choice in page
    assert "cannot be drawn" not in page


def test_a_network_is_not_measured_again_if_only_the_learning_rate_differs(dataset: tuple[Path, DatasetInfo]) -> None:
    meter = CostMeter(dataset[1])
    cost = meter.measure(TRAIN)
    convolution, dense = 3 * 3 * 3 * 4 + 4, (14 * 14 * 4 + 1) * 3
    assert cost.size_mb == pytest.approx(4 * (convolution + dense) / 1e6)
    assert 0 < cost.latency_ms < 100
    assert meter.measure(TRAIN.model_copy(update={"learning_rate": 0.5})) is cost
    assert meter.measure(TRAIN.model_copy(update={"image_size": 8})).size_mb < cost.size_mb


@pytest.mark.proof
def test_a_searched_image_size_is_trained_exported_and_evaluated(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, mlflow_store: str
) -> None:
    from components.contract.inference.graph import InferenceGraph
    from components.contract.params.pipeline import EvaluateParams
    from components.evaluate.step import evaluate
    from components.train.step import train

    shutil.copytree(dataset[0], tmp_path / "dataset")
    params = TuneParams(trials=3, space={"image_size": Choices(choices=(8, 10))}, objectives=("accuracy", "size"))
    study = tune(tmp_path / "dataset", params, TRAIN.model_copy(update={"epochs": 2}), tmp_path / "study")
    best = read_best(tmp_path / "study")
    assert best.image_size in (8, 10)
    assert all(trial.size_mb for trial in study.trials)
    bundle = train(tmp_path / "dataset", best, tmp_path / "model")
    assert (bundle.image_size, bundle.params["image_size"]) == ((16, 16), best.image_size)
    assert InferenceGraph(tmp_path / "model" / "export").image_size == (16, 16)
    evaluate(
        tmp_path / "dataset",
        tmp_path / "model",
        EvaluateParams(bootstrap_resamples=100),
        "colors",
        tmp_path / "evaluation",
        tmp_path / "study",
    )
    report = (tmp_path / "evaluation" / "report.html").read_text()
    assert "Trials on the Pareto front of accuracy and size: " in report


def test_a_network_over_the_limit_is_not_trained(dataset: tuple[Path, DatasetInfo]) -> None:
    def quick(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        assert measure_cost(train).latency_ms <= 10
        return pretend(train, run, watch)

    params = TuneParams(trials=5, max_latency_ms=10.0, sampler="random")
    study = Search(dataset[1], TRAIN, params, NETWORKS).run(quick, Run(None), measure_cost)
    slow = [trial for trial in study.trials if trial.latency_ms == 30]
    assert slow
    assert all(
        trial.reason == "its network needs 30.0 ms per photo, more than tune.max_latency_ms: 10" for trial in slow
    )
    assert study.choice == f"Train uses the most accurate trial within 10 ms per photo, trial {(study.best or 0) + 1}."
    with pytest.raises(
        SearchError, match=r"search finished: its network needs 2\.0 MB, more than tune\.max_size_mb: 1; its"
    ):
        Search(dataset[1], TRAIN, TuneParams(trials=5, max_size_mb=1.0, sampler="random"), NETWORKS).run(
            quick, Run(None), measure_cost
        )
