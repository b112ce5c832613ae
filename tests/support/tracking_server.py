"""A stand-in for an MLflow tracking server that can answer late or never, return errors, or be unreachable."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest
from mlflow import MlflowClient

from components.contract.tracking import run, spool
from components.contract.tracking.run import Run
from tests.support.json_response import send_json

Behavior = Literal["good", "slow", "silent", "faulty", "refusing", "gone"]
SLOW_SECONDS = 0.2


class TrackingServer:
    """The part of MLflow's REST API that clients use to log runs.

    Attributes:
        behavior: how the server treats requests: `good` answers at once, `slow` answers late, `silent` never answers,
            `faulty` answers with status 500, `refusing` answers with status 403, and `gone` does not listen.
        artifacts_dir: the folder for artifacts; clients write there directly.
        run_id: the id of the run that the server creates.
        taken: (path, body) of each request that the server answered successfully.
    """

    def __init__(self, artifacts_dir: Path):
        self.behavior: Behavior = "good"
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.artifacts_dir = artifacts_dir
        self._ended = threading.Event()
        self._is_made = False
        self.run_id = uuid.uuid4().hex
        self._server: ThreadingHTTPServer | None = None
        self._listen(0)
        assert self._server is not None
        self.port = self._server.server_port

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def behave(self, behavior: Behavior) -> None:
        """Sets the behavior from now on."""
        if behavior == "gone":
            self._unlisten()
        elif self._server is None:
            self._listen(self.port)
        self.behavior = behavior

    def figures(self, run_id: str) -> list[tuple[str, float, int]]:
        """Returns (name, value, step) of each metric value of a run, in order of arrival.

        A value that was sent again because the answer was late counts once: as in MLflow, its time is part of its key.
        """
        metrics = dict.fromkeys(
            (metric["key"], metric["value"], int(metric["step"]), metric["timestamp"])
            for body in self.batches(run_id)
            for metric in body.get("metrics", ())
        )
        return [(name, value, step) for name, value, step, _ in metrics]

    def batches(self, run_id: str) -> list[dict[str, Any]]:
        """Returns the bodies of all requests that logged metrics or parameters of a run."""
        return [body for path, body in self.taken if path == "runs/log-batch" and body["run_id"] == run_id]

    def end(self) -> None:
        """Stops the server, and releases all requests that are still waiting for an answer."""
        self._ended.set()
        self._unlisten()

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.behavior == "slow":
            time.sleep(SLOW_SECONDS)
        elif self.behavior == "silent":
            self._ended.wait()
        elif self.behavior == "faulty":
            return 500, {"error_code": "INTERNAL_ERROR", "message": "the database is gone"}
        elif self.behavior == "refusing":
            return 403, {"error_code": "PERMISSION_DENIED", "message": "Permission denied"}
        self.taken.append((path, body))
        run_id = str(body.get("run_id", self.run_id))
        info = {
            "run_id": run_id,
            "run_uuid": run_id,
            "experiment_id": "0",
            "status": "RUNNING",
            "artifact_uri": self.artifacts_dir.as_uri(),
            "lifecycle_stage": "active",
        }
        runs = {"runs": [{"info": info, "data": {}}] if self._is_made else []}
        experiments = {"experiments": [{"experiment_id": "0", "name": "photos", "lifecycle_stage": "active"}]}
        self._is_made |= path == "runs/create"
        return 200, {
            "run": {"info": info, "data": {}},
            "run_info": info,
            "experiment": experiments["experiments"][0],
            **runs,
            **experiments,
        }

    def _listen(self, port: int) -> None:
        store = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body_bytes = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer = store.answer(
                    self.path.partition("/mlflow/")[2].partition("?")[0], json.loads(body_bytes or "{}")
                )
                send_json(self, status, answer)

            do_GET = do_POST = do_PATCH = _answer  # noqa: N815 the base class sets the names

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    self.close_connection = True  # the client has disconnected

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _unlisten(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.socket.close()
            self._server = None


def run_status(run: Run) -> str:
    """Returns the status of a run in the store: RUNNING, FINISHED, FAILED or KILLED."""
    assert run.run_id is not None
    status: str = MlflowClient().get_run(run.run_id).info.status
    return status


def hurry(monkeypatch: pytest.MonkeyPatch, times: float) -> None:
    """Divides the time limits of tracking by `times`; limits requests of MLflow's client to 1 s, without retries."""
    for name in ("CALL_SECONDS", "WAIT_SECONDS", "CLOSE_SECONDS", "STOP_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(spool, name, getattr(spool, name) / times)
    for name in ("START_SECONDS", "START_RETRY_SECONDS"):
        monkeypatch.setattr(run, name, getattr(run, name) / times)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")


@contextmanager
def tracking_server(artifacts_dir: Path) -> Iterator[TrackingServer]:
    """Runs a server until the end of the block, and sets MLFLOW_TRACKING_URI to its address."""
    import os

    import mlflow

    server = TrackingServer(artifacts_dir)
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = server.uri
    mlflow.set_tracking_uri(server.uri)
    try:
        yield server
    finally:
        server.end()
        mlflow.set_tracking_uri(None)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        if before is not None:
            os.environ["MLFLOW_TRACKING_URI"] = before
