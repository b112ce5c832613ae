"""Steps find their MLflow run, log to a real store, and go on without one."""

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.contract.errors import TrackingError
from components.contract.outbox import shown_uri
from components.contract.tracking import (
    KEY_VARIABLE,
    Run,
    create_run,
    end_run,
    flatten,
    step_run,
    tracking_uri,
)


def status(run: Run) -> str:
    assert run.run_id is not None
    found: str = MlflowClient().get_run(run.run_id).info.status
    return found


def test_params_are_flattened_with_dots() -> None:
    assert flatten({"a": {"b": 1, "c": [1, 2]}, "d": None}) == {"a.b": "1", "a.c": "[1, 2]", "d": "None"}


def test_the_local_store_is_a_file_unless_the_environment_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org")
    assert tracking_uri(tmp_path) == "http://mlflow.example.org"


def test_a_run_takes_params_metrics_tags_data_and_files(mlflow_store: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("report")
    run = create_run(experiment="digits", name="one", tags={"kind": "test"})
    run.log_params({f"param{number}": str(number) for number in range(250)})
    for epoch in range(3):
        run.log_metrics({"loss": 1 / (epoch + 1)}, step=epoch)
    run.log_dataset(name="digits", digest="ab" * 32, source="data/digits", context="training", profile="{}")
    run.log_artifacts(tmp_path / "report.html", "evaluation")
    end_run(run, "FINISHED")

    stored = MlflowClient().get_run(run.run_id)
    assert len(stored.data.params) == 250
    assert stored.data.tags["kind"] == "test"
    history = MlflowClient().get_metric_history(run.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert stored.inputs.dataset_inputs[0].dataset.digest == ("ab" * 32)[:36]
    assert [file.path for file in MlflowClient().list_artifacts(run.run_id, "evaluation")] == ["evaluation/report.html"]
    assert (tmp_path / "mlflow" / "artifacts").is_dir(), "artifacts stand beside the SQLite file"
    assert status(run) == "FINISHED"


def test_a_step_joins_the_run_of_the_environment_and_leaves_it_open(
    mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = create_run(experiment="digits", name="pipeline")
    monkeypatch.setenv("MLFLOW_RUN_ID", str(owner.run_id))
    with step_run(experiment="digits", upstream="another", own="train") as run:
        assert run.run_id == owner.run_id
    assert status(owner) == "RUNNING"


def test_steps_of_one_key_share_one_run(mlflow_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "pipeline-7")
    with step_run(experiment="digits") as first:
        pass
    with step_run(experiment="digits", own="train") as second:
        pass
    assert first.run_id is not None
    assert first.run_id == second.run_id
    assert status(first) == "RUNNING"


def test_a_step_alone_joins_the_run_of_its_input(mlflow_store: str) -> None:
    trained = create_run(experiment="digits", name="train")
    with step_run(experiment="digits", upstream=trained.run_id) as run:
        assert run.run_id == trained.run_id


def test_an_input_made_beside_another_store_joins_no_run(mlflow_store: str, caplog: pytest.LogCaptureFixture) -> None:
    with step_run(experiment="digits", upstream="0123456789abcdef0123456789abcdef") as run:
        assert run.run_id is None
    assert "has no run 0123456789abcdef0123456789abcdef" in caplog.text


def test_a_step_alone_ends_the_run_that_it_made(mlflow_store: str) -> None:
    with step_run(experiment="digits", own="train") as run:
        assert status(run) == "RUNNING"
    assert status(run) == "FINISHED"
    with pytest.raises(RuntimeError), step_run(experiment="digits", own="train") as failed:
        raise RuntimeError
    assert status(failed) == "FAILED"
    with pytest.raises(SystemExit), step_run(experiment="digits", own="train") as asked_to_end:
        raise SystemExit(143)
    assert status(asked_to_end) == "KILLED"


def test_a_step_without_any_run_logs_nothing() -> None:
    with step_run(experiment="digits") as run:
        run.log_metrics({"loss": 1.0})
        run.log_params({"epochs": "1"})
        assert run.run_id is None


def test_a_store_that_cannot_be_written_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    (tmp_path / "file").touch()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(TrackingError, match="must be reachable and writable"):
        create_run(experiment="digits", name="one")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:se:cret@db/mlflow", "postgresql://ann:***@db/mlflow"),
        ("no route to https://ann:secret@host:5000/x", "no route to https://ann:***@host:5000/x"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    assert shown_uri(text) == shown


def test_the_client_is_imported_before_threads_use_it(mlflow_store: str) -> None:
    run_id = create_run(experiment="digits", name="one").run_id
    script = (
        "import os, sys\n"
        "from components.contract.tracking import step_run\n"
        f"os.environ |= {{'MLFLOW_RUN_ID': '{run_id}', 'MLFLOW_TRACKING_URI': '{mlflow_store}'}}\n"
        "with step_run(experiment='digits'):\n"
        "    sys.exit(not {'mlflow.tracking.client', 'mlflow.store.tracking.sqlalchemy_store'} <= sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
