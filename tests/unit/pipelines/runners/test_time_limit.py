"""Runs with a time limit: the params that reproduce such a run, and its estimated and actual duration."""

from pathlib import Path

import pytest

from components.contract.artifacts.bundle import BudgetFacts, BundleInfo, ExportFacts, ModelFacts
from components.contract.artifacts.dataset import Source
from components.contract.params.pipeline import load_params
from components.contract.params.training import TrainParams
from components.contract.system.atomic_files import write_json
from components.contract.system.program import RUN_START_VARIABLE, seconds_of_run
from pipelines.cli.show import budget_text
from pipelines.runners.local import REPEATING, params_logged_later
from pipelines.runners.run_params import with_trained, write_params
from pipelines.runners.summary import budget_metrics, summarize_budget


def write_bundle(folder: Path, train: TrainParams) -> None:
    bundle = BundleInfo(
        dataset_name="pets",
        dataset_fingerprint="a" * 64,
        source=Source(uri="pets"),
        class_names=("cat", "dog"),
        image_size=(8, 8),
        resize="stretch",
        params=train.model_dump(mode="json"),
        library_versions={},
        epochs_run=3,
        best_epoch=2,
        model=ModelFacts(
            kind="layers", name="CNN", num_parameters=1, num_trained_parameters=1, num_layers=1, trained_layers=()
        ),
        export=ExportFacts(outputs=("logits",), max_probability_difference=0.0, num_compared=8, sha256="e" * 64),
    )
    folder.mkdir()
    write_json(folder / "bundle.json", bundle)


def test_written_run_params_contain_the_training_params_of_the_model(tmp_path: Path) -> None:
    params = load_params(None, ("data.uri=pets", "train.minutes=5", "deploy.model_name=pets"))
    trained = params.train.model_copy(update={"minutes": None, "epochs": 7, "views": 2, "schedule_epochs": 9})
    write_bundle(tmp_path / "model", trained)
    write_params(tmp_path / "params.yaml", with_trained(params, tmp_path / "model"), REPEATING)
    repeated = load_params(tmp_path / "params.yaml")
    assert repeated.train == trained
    assert repeated.model_copy(update={"train": params.train}) == params


@pytest.mark.parametrize(
    ("settings", "later"),
    [((), {}), (("train.minutes=5",), {"train": {"epochs", "phases", "views"}})],
)
def test_each_param_is_logged_to_mlflow_only_once(settings: tuple[str, ...], later: dict[str, set[str]]) -> None:
    params = load_params(None, ("data.uri=pets", *settings))
    assert params_logged_later(params) == {"evaluate": {"leaderboard"}} | later


@pytest.mark.parametrize(
    ("estimated_seconds", "is_cut", "metrics", "text"),
    [
        (240.0, False, {"estimated_minutes": 4.0}, "4.3 of 5 minutes used, 4.0 estimated"),
        (300.0, True, {"estimated_minutes": 5.0}, "4.3 of 5 minutes used, 5.0 estimated; training ended early"),
        (None, False, {}, "4.3 of 5 minutes used"),
    ],
)
def test_the_estimate_and_the_actual_time_are_reported(
    estimated_seconds: float | None, is_cut: bool, metrics: dict[str, float], text: str
) -> None:
    facts = BudgetFacts(minutes=5.0, estimated_seconds=estimated_seconds, plan="A plan.", is_cut=is_cut)
    summary = summarize_budget(facts, total_seconds=259.0)
    assert summary["plan"] == "A plan."
    assert budget_metrics(summary) == {
        f"budget/{name}": value for name, value in {"minutes": 5.0, "real_minutes": 4.32, **metrics}.items()
    }
    assert budget_text(summary) == text


def test_seconds_of_run_are_counted_from_the_start_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RUN_START_VARIABLE, raising=False)
    assert seconds_of_run() is None
    monkeypatch.setattr("components.contract.system.program.time.time", lambda: 1_000.0)
    monkeypatch.setenv(RUN_START_VARIABLE, "990.5")
    assert seconds_of_run() == 9.5
    monkeypatch.setenv(RUN_START_VARIABLE, "1001.0")
    assert seconds_of_run() == 0.0, "the time must not be negative if a container's clock lags behind"
