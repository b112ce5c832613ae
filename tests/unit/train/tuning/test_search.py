"""Hyperparameter search: which values it tries, which results it keeps, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.contract.artifacts.dataset import DatasetInfo
from components.contract.artifacts.study import read_study
from components.contract.errors import ModelError, SearchError
from components.contract.params.model import ModelParams
from components.contract.params.training import TrainParams, read_best
from components.contract.params.tuning import Choices, Range, Space, TuneParams
from components.contract.system.program import EVENTS_VARIABLE, FINISH_FILE, running_step
from components.contract.tracking.run import Run
from components.train.loop.fit_result import FitResult, Watch
from components.train.tune import tune
from components.train.tuning.search import Search
from pipelines.runners.events import read_events
from tests.unit.train.tuning.searches import LAYERS, RATES, TRAIN, pretend, run_search, use_cache


def test_a_good_learning_rate_is_found_and_poor_trials_end_early(dataset: tuple[Path, DatasetInfo]) -> None:
    search, study = run_search(dataset[1], trials=16)
    best = next(trial for trial in study.trials if trial.number == study.best)
    assert best.accuracy is not None
    assert best.accuracy > 0.88
    assert search.with_best(study).learning_rate == best.values["learning_rate"]
    pruned = [trial for trial in study.trials if trial.state == "pruned"]
    assert pruned
    assert all(trial.epochs < 5 and trial.accuracy is None for trial in pruned)
    assert len(study.trials) == 16


def test_the_same_seed_tries_the_same_values(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_studies: Path
) -> None:
    tried = []
    for name in ("one", "two"):
        use_cache(tmp_path / name, monkeypatch, empty_studies)
        tried.append([trial.values for trial in run_search(dataset[1], trials=7)[1].trials])
    assert tried[0] == tried[1]


@pytest.mark.parametrize("pruner", ["median", "halving", "hyperband", "none"])
def test_every_pruner_works(dataset: tuple[Path, DatasetInfo], pruner: str) -> None:
    study = run_search(dataset[1], trials=9, pruner=pruner, sampler="random")[1]
    assert len(study.trials) == 9
    assert pruner != "none" or all(trial.state == "complete" for trial in study.trials)


def test_a_finished_search_is_not_repeated_but_a_larger_number_of_trials_continues_it(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_search(dataset[1], trials=6)[1]
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    with running_step("tune"):
        again = Search(dataset[1], TRAIN, TuneParams(trials=6), RATES).run(
            lambda *_: pytest.fail("a finished trial must not run again"), Run(None)
        )
    assert again == first
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [(event["number"], event["accuracy"]) for event in events if event["event"] == "trial"] == [
        (trial.number, trial.accuracy) for trial in first.trials
    ], "the events must include the trials of earlier searches"
    more = run_search(dataset[1], trials=8)[1]
    assert more.trials[:6] == first.trials
    assert len(more.trials) == 8


def test_a_finish_request_ends_a_search_but_not_the_training_run_after_it(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    (tmp_path / FINISH_FILE).touch()
    with running_step("tune"):
        study = run_search(dataset[1], trials=5)[1]
    assert [trial.state for trial in study.trials] == ["complete"]
    assert not (tmp_path / FINISH_FILE).exists(), "the request must not end the training run that follows"
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["state"] for event in events if event["event"] == "trial"] == ["running", "complete"]


def test_different_photos_params_or_spaces_use_separate_studies(dataset: tuple[Path, DatasetInfo]) -> None:
    info = dataset[1]
    names = {
        Search(info, TRAIN, TuneParams(), RATES).name,
        Search(info.model_copy(update={"fingerprint": "f" * 64}), TRAIN, TuneParams(), RATES).name,
        Search(info, TRAIN, TuneParams(), {"learning_rate": Range(low=1e-4, high=0.1, log=True)}).name,
        Search(info, TRAIN.model_copy(update={"epochs": 3}), TuneParams(), RATES).name,
    }
    assert len(names) == 4


def test_a_trial_with_an_invalid_model_is_skipped_with_a_reason(dataset: tuple[Path, DatasetInfo]) -> None:
    """A convolution window of 30 × 30 px is larger than the photos, which are 16 × 16 px."""
    space: Space = {"model.layers[0].Conv2D.kernel_size": Choices(choices=(3, 30))}
    study = run_search(dataset[1], space, trials=6, sampler="random")[1]
    impossible = [trial for trial in study.trials if trial.values["model.layers[0].Conv2D.kernel_size"] == 30]
    assert impossible
    assert all(trial.state == "pruned" and "larger than its input" in str(trial.reason) for trial in impossible)


def test_a_stopped_search_reports_its_trial_as_interrupted(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))

    def stopped(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        raise SystemExit(143)

    with pytest.raises(SystemExit), running_step("tune"):
        Search(dataset[1], TRAIN, TuneParams(trials=1), RATES).run(stopped, Run(None))
    events = [event for event in read_events(tmp_path / "events.jsonl") if event["event"] == "trial"]
    assert [event["state"] for event in events] == ["running", "interrupted"]


def test_a_trial_that_runs_out_of_memory_fails_and_the_study_continues(
    dataset: tuple[Path, DatasetInfo],
) -> None:
    import tensorflow as tf

    errors = [tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore"), MemoryError()]

    def hungry(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        if errors:
            raise errors.pop(0)
        return pretend(train, run, watch)

    study = Search(dataset[1], TRAIN, TuneParams(trials=4, pruner="none"), RATES).run(hungry, Run(None))
    assert [trial.state for trial in study.trials] == ["failed", "failed", "complete", "complete"]
    assert [trial.reason for trial in study.trials[:2]] == [
        "out of memory: OOM when allocating",
        "out of memory",
    ]


def test_each_backbone_uses_its_own_image_size_unless_image_sizes_are_searched(
    dataset: tuple[Path, DatasetInfo],
) -> None:
    info = dataset[1].model_copy(update={"image_size": (299, 299)})
    base = TrainParams(
        model=ModelParams(kind="pretrained", name="Xception", weights="none", head=LAYERS[1:]),
        trainable="all",
        augmentation="none",
        epochs=2,
    )
    sizes_seen: list[tuple[str | None, Any]] = []

    def look(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        sizes_seen.append((train.model.name, train.input_size((299, 299))))
        return pretend(train, run, watch)

    names = Choices(choices=("MobileNetV2", "Xception"))
    params = TuneParams(trials=4, sampler="random")
    search = Search(info, base, params, {"model.name": names})
    study = search.run(look, Run(None))
    assert set(sizes_seen) == {("MobileNetV2", (224, 224)), ("Xception", (299, 299))}
    best = next(trial for trial in study.trials if trial.number == study.best)
    assert search.with_best(study).image_size == (224 if best.values["model.name"] == "MobileNetV2" else None)
    sizes_seen.clear()
    Search(info, base, params, {"model.name": names, "image_size": Choices(choices=(96, 160))}).run(look, Run(None))
    assert {size for _, size in sizes_seen} == {(96, 96), (160, 160)}


def test_a_search_in_which_every_trial_fails_reports_why(dataset: tuple[Path, DatasetInfo]) -> None:
    def broken(train: TrainParams, run: Run, watch: Watch) -> FitResult:
        raise ModelError("The loss became nan.")

    with pytest.raises(SearchError, match=r"search finished: The loss became nan\."):
        Search(dataset[1], TRAIN, TuneParams(trials=2), RATES).run(broken, Run(None))


def test_the_tune_step_runs_a_real_search_and_writes_the_best_params(
    dataset: tuple[Path, DatasetInfo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    store = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    params = TuneParams(trials=2, space={"learning_rate": Choices(choices=(0.01, 0.03))})
    study = tune(dataset[0], params, TRAIN.model_copy(update={"epochs": 2}), tmp_path / "study")
    assert read_study(tmp_path / "study") == study
    best = next(trial for trial in study.trials if trial.number == study.best)
    assert read_best(tmp_path / "study").learning_rate == best.values["learning_rate"]
    page = (tmp_path / "study" / "study.html").read_text()
    assert "plotly" in page
    assert 'src="http' not in page
    assert (tmp_path / "study" / "study.html").stat().st_size < 5_000_000
    client = mlflow.MlflowClient(store)
    runs = client.search_runs([client.get_experiment_by_name(dataset[1].name).experiment_id])
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == study.mlflow_run_id]
    assert sorted(run.data.tags["darkroom.trial_state"] for run in children) == ["complete", "complete"]
    assert {run.info.run_name for run in children} == {
        f"trial {trial.number + 1}: learning_rate {trial.values['learning_rate']}" for trial in study.trials
    }
    assert all(run.info.status == "FINISHED" for run in children)
    assert all(len(client.get_metric_history(run.info.run_id, "val_accuracy")) == 2 for run in children)
    assert all(run.data.metrics["validation/accuracy"] > 0 for run in children)
    parent = client.get_run(study.mlflow_run_id)
    assert parent.data.params["best.learning_rate"] == str(best.values["learning_rate"])


def test_without_trials_the_params_are_used_unchanged(dataset: tuple[Path, DatasetInfo], tmp_path: Path) -> None:
    assert tune(dataset[0], TuneParams(), TRAIN, tmp_path / "study").trials == ()
    assert read_best(tmp_path / "study") == TRAIN
    assert json.loads((tmp_path / "study" / "study.json").read_text())["best"] is None
