"""Runs log to a real store, and continue without one."""

import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.contract.errors import TrackingError
from components.contract.tracking import run as tracking
from components.contract.tracking import spool
from components.contract.tracking.run import create_run, end_run, flatten
from components.contract.tracking.step_run import step_run
from tests.support.tracking_server import Behavior, hurry, run_status, tracking_server


def test_params_are_flattened_with_dots() -> None:
    assert flatten({"a": {"b": 1, "c": [1, 2]}, "d": None}) == {"a.b": "1", "a.c": "[1, 2]", "d": "None"}


def test_a_run_accepts_params_metrics_tags_data_and_files(mlflow_store: str, tmp_path: Path) -> None:
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
    assert (tmp_path / "mlflow" / "artifacts").is_dir(), "the artifacts must be next to the SQLite file"
    assert run_status(run) == "FINISHED"


def test_an_unwritable_store_is_reported_when_a_run_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    (tmp_path / "file").touch()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(TrackingError, match="cannot be reached or written"):
        create_run(experiment="digits", name="one")


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, 20)
    monkeypatch.setattr(tracking, "START_SECONDS", 0.5)
    monkeypatch.setattr(tracking, "START_RETRY_SECONDS", 0.05)


def test_the_time_to_start_a_run_is_limited() -> None:
    """An unreachable server is reported within ten seconds, and the run continues within a minute."""
    one_try = float(tracking.START_PATIENCE["MLFLOW_HTTP_REQUEST_TIMEOUT"])
    assert one_try < 10
    assert tracking.START_PATIENCE["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    assert tracking.START_SECONDS + 2 * one_try < 60


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize("fault", ["gone", "silent", "faulty"])
def test_a_run_that_starts_during_an_outage_is_logged_completely(
    fault: Behavior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The run's owner and a step log to a run that the server has not created yet; all messages are sent later."""
    (tmp_path / "kfp").mkdir()
    (tmp_path / "kfp" / "model.txt").write_text("weights")
    with tracking_server(tmp_path / "artifacts") as server:
        server.behave(fault)
        run = create_run(experiment="photos", name="20260101-run", key="20260101-run", tags={"darkroom.data": "photos"})
        assert run.run_id == "key:20260101-run"
        assert caplog.text.index("does not answer at http://127.0.0.1") < caplog.text.index("run continues")
        run.log_params({"epochs": "3"})
        monkeypatch.setenv("MLFLOW_RUN_ID", str(run.run_id))
        with step_run(experiment="photos") as step:
            step.log_metrics({"accuracy": 0.5})
            step.log_artifacts(tmp_path / "kfp" / "model.txt", "bundle")
        end_run(run, "FINISHED")
        (tmp_path / "kfp").rename(tmp_path / "run")
        spool.move_unsent(tmp_path / "kfp", tmp_path / "run")
        assert server.taken == []
        server.behave("good")
        spool.send_unsent(10)
        created = [body for path, body in server.taken if path == "runs/create"]
        assert len(created) == 1, "both the owner and the step request the run; it must be created once"
        assert {"key": "darkroom.run_key", "value": "20260101-run"} in created[0]["tags"]
        assert server.figures(server.run_id) == [("accuracy", 0.5, 0)]
        batches = [body for path, body in server.taken if path == "runs/log-batch"]
        assert {"key": "epochs", "value": "3"} in [entry for body in batches for entry in body.get("params", ())]
        assert (tmp_path / "artifacts" / "bundle" / "model.txt").read_text() == "weights"
        assert [body["status"] for path, body in server.taken if path == "runs/update"] == ["FINISHED"]


@pytest.mark.usefixtures("_hurried")
def test_a_run_waits_for_a_server_that_recovers_soon(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with tracking_server(tmp_path / "artifacts") as server:
        server.behave("gone")
        threading.Timer(0.3, server.behave, ["good"]).start()
        run = create_run(experiment="photos", name="one", key="one")
        assert run.run_id == server.run_id
    assert "does not answer" in caplog.text
    assert "run continues" not in caplog.text


def test_a_run_does_not_wait_for_a_server_that_rejects_requests(tmp_path: Path) -> None:
    with tracking_server(tmp_path / "artifacts") as server:
        server.behave("refusing")
        with pytest.raises(TrackingError, match="cannot be reached or written"):
            create_run(experiment="photos", name="one")
