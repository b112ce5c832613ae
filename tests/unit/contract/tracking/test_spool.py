"""All messages reach MLflow in the end, and a slow, silent, faulty or unreachable store hardly delays a step."""

import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.contract.tracking import spool
from components.contract.tracking.run import Run, create_run, end_run
from components.contract.tracking.step_run import step_run
from tests.support.tracking_server import Behavior, TrackingServer, hurry, tracking_server

FAULTS: tuple[Behavior, ...] = ("silent", "faulty", "gone")


@pytest.fixture
def run_id() -> str:
    """A new id for each test, because MLflow's client caches where the files of a run are stored."""
    return uuid.uuid4().hex


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrackingServer]:
    """A tracking server; failed requests end quickly and are soon sent again."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr(spool, "RETRY_SECONDS", 0.05)
    with tracking_server(tmp_path / "artifacts") as server:
        yield server


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, 100)


def wait_until(what: object, seconds: float = 5.0) -> None:
    assert callable(what)
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize("fault", FAULTS)
def test_unsent_messages_are_sent_when_the_store_is_back(
    server: TrackingServer, run_id: str, fault: Behavior, caplog: pytest.LogCaptureFixture
) -> None:
    server.behave(fault)
    run = Run(run_id)
    run.log_params({"epochs": "3"})
    for epoch in range(3):
        run.log_metrics({"loss": 1 / (epoch + 1)}, step=epoch)
    wait_until(lambda: "did not accept params" in caplog.text)
    server.behave("good")
    end_run(run, "FINISHED")
    assert server.figures(run_id) == [("loss", 1.0, 0), ("loss", 0.5, 1), ("loss", pytest.approx(1 / 3), 2)]
    batches = [body for path, body in server.taken if path == "runs/log-batch"]
    assert batches[0]["params"] == [{"key": "epochs", "value": "3"}], "messages must be sent in order"
    assert len(batches) == 2, "waiting metrics must be sent together"
    assert server.taken[-1][0] == "runs/update", "the end of the run must be sent last"
    assert len([message for message in caplog.messages if "did not accept" in message]) == 1, "must be logged only once"


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_an_unavailable_store_hardly_delays_a_step_and_gets_all_messages_later(
    server: TrackingServer,
    run_id: str,
    fault: Behavior,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "report.html").write_text("report")
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    server.behave(fault)
    start_time = time.monotonic()
    with step_run(experiment="digits") as run:
        run.log_params({"epochs": "3"})
        assert run.last_step("loss") == 0
        for epoch in range(60):
            run.log_metrics({"loss": 1.0}, step=epoch)
        for _ in range(60):
            run.log_artifacts(tmp_path / "report.html", "evaluation")
    assert time.monotonic() - start_time < 5, "the waits must take about 0.4 s during the step and 0.2 s at its end"
    assert "did not accept 121 records" in caplog.text
    server.behave("good")
    with step_run(experiment="digits"):
        pass
    wait_until(lambda: not list((Path(spool._unsent_dir())).iterdir()))
    assert [step for _, _, step in server.figures(run_id)] == list(range(60))
    assert (tmp_path / "artifacts" / "evaluation" / "report.html").read_text() == "report"


def test_a_slow_store_gets_many_metrics_per_request(server: TrackingServer, run_id: str) -> None:
    server.behave("slow")
    run = Run(run_id)
    for epoch in range(500):
        run.log_metrics({"loss": float(epoch), "accuracy": 0.5}, step=epoch)
    run.close()
    assert len(server.batches(run_id)) < 50
    assert [value for name, value, _ in server.figures(run_id) if name == "loss"] == list(range(500))


def test_permanently_rejected_messages_do_not_block_other_messages(
    mlflow_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = create_run(experiment="digits", name="one")
    run.log_params({"epochs": "3"})
    run.log_params({"epochs": "4"})
    run.log_metrics({"loss": 0.5})
    end_run(run, "FINISHED")
    stored = MlflowClient().get_run(run.run_id)
    assert stored.data.params == {"epochs": "3"}
    assert stored.data.metrics == {"loss": 0.5}
    assert "MLflow rejected params of run" in caplog.text


@pytest.mark.usefixtures("_impatient")
def test_messages_for_another_store_wait_for_that_store(
    server: TrackingServer, run_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(run_id)
    server.behave("gone")
    run.log_metrics({"loss": 0.5})
    run.close()
    (path,) = spool._unsent_dir().iterdir()
    with tracking_server(Path("/absent")) as other:
        spool._resend([path])
        assert not other.taken
    assert path.exists()


@pytest.mark.usefixtures("_impatient")
def test_a_folder_that_cannot_store_messages_is_reported(
    server: TrackingServer,
    run_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "file"))
    server.behave("gone")
    run = Run(run_id)
    run.log_metrics({"loss": 0.5})
    run.close()
    assert "the records could not be stored for later: " in caplog.text


def test_no_thread_remains_when_all_messages_are_sent(server: TrackingServer, run_id: str) -> None:
    run = Run(run_id)
    run.log_metrics({"loss": 0.5})
    run.close()
    wait_until(lambda: all(thread.name != "mlflow" for thread in threading.enumerate()))
