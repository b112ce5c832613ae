"""A stand-in for a KFP server, because no cluster can run where the tests do.

It speaks the part of KFP's published v2beta1 REST API that `darkroom submit` uses, over real HTTP to KFP's real client:
health, pipelines, versions, experiments, runs, recurring runs. It runs no task: a run passes through the states that
the test names.
"""

import email
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.json_response import send_json

API = "/apis/v2beta1"
FINAL_STATUSES = {
    "success": "COMPLETE",
    "cached": "COMPLETE",
    "train-pod-deleted": "COMPLETE",
    "fail-data": "FAILED",
    "out-of-memory": "FAILED",
    "terminated-in-training": "RUNNING",
    "image-missing-then-terminated": "RUNNING",
}
"""What a real KFP 2.17 passed to the exit handler as the final state, by what had happened; `error` was empty."""


def final_status(scenario: str) -> dict[str, Any]:
    """The input `status` of the closing task, as a real backend wrote it."""
    return {
        "error": {},
        "pipelineJobResourceName": "darkroom-training-2s4vt",
        "pipelineTaskName": "exit-handler-1",
        "state": FINAL_STATUSES[scenario],
    }


_UNNAMED = {"run_id": "run-7", "task_id": "1", "execution_id": "4", "end_time": "0001-01-01T00:00:00Z"}
_NEVER = "1970-01-01T00:00:00Z"


def _named(**states: str | None) -> dict[str, Any]:
    """Tasks as KFP tells them: those that were never reached have no state, and one has no name either."""
    tasks = [
        {"display_name": name, "state": state} if state else {"display_name": name} for name, state in states.items()
    ]
    return {"task_details": [_UNNAMED, *tasks, {"display_name": "executor", "state": "RUNNING"}]}


RECORDED_RUNS: dict[str, list[dict[str, Any]]] = {
    "success": [
        {"state": "PENDING", "finished_at": _NEVER},
        {"state": "RUNNING", "finished_at": _NEVER, "run_details": _named(preprocess="RUNNING")},
        {"state": "SUCCEEDED", "run_details": _named(preprocess="SUCCEEDED", train="SUCCEEDED")},
    ],
    "fail-weights": [
        {"state": "PENDING", "finished_at": _NEVER},
        {"state": "FAILED", "run_details": _named(preprocess="SUCCEEDED", train="FAILED", evaluate=None)},
    ],
    "terminated-in-training": [
        {"state": "RUNNING", "finished_at": _NEVER, "run_details": _named(train="RUNNING")},
        {"state": "CANCELING", "finished_at": _NEVER, "run_details": _named(train="FAILED")},
        {"state": "FAILED", "run_details": _named(train="FAILED", evaluate=None)},
    ],
}
"""What `GET /runs/{id}` of a real KFP 2.17 answered one after the other, reduced to what is read of it: a run that
waits has no run_details, no task has an error, and a terminated run ends FAILED."""


@dataclass
class StandIn:
    """What the server knows, and how it behaves."""

    states: list[dict[str, Any]] = field(default_factory=lambda: [{"state": "SUCCEEDED"}])
    """What GET of a run answers, one after the other; the last stays."""
    token: str | None = None
    """Asked for where it is given."""
    old: bool = False
    """Whether only KFP's v1 API is there."""
    refuse_runs: str | None = None
    """The message with which runs are refused."""
    url: str = ""
    pipelines: dict[str, str] = field(default_factory=dict)
    versions: dict[str, bytes] = field(default_factory=dict)
    experiments: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    recurring: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        """(status, JSON) for one request."""
        match method, path.removeprefix(API).strip("/").split("/"):
            case "GET", ["healthz"]:
                return 200, {"multi_user": False}
            case "GET", ["pipelines"]:
                return 200, {"pipelines": [self._pipeline(name) for name in self.pipelines if name in query["filter"]]}
            case "POST", ["pipelines", "upload"]:
                self.pipelines[query["name"]] = "pipeline-1"
                return 200, self._pipeline(query["name"])
            case "GET", ["pipelines", pipeline_id, "versions"]:
                return 200, {
                    "pipeline_versions": [
                        self._version(pipeline_id, name) for name in self.versions if name in query["filter"]
                    ]
                }
            case "POST", ["pipelines", "upload_version"]:
                self.versions[query["name"]] = body
                return 200, self._version(query["pipelineid"], query["name"])
            case "GET", ["experiments"]:
                return 200, {"experiments": self.experiments}
            case "POST", ["experiments"]:
                self.experiments.append(json.loads(body) | {"experiment_id": "experiment-1"})
                return 200, self.experiments[-1]
            case "POST", ["runs"] if self.refuse_runs:
                return 400, {"error": self.refuse_runs, "code": 3}
            case "POST", ["runs"]:
                self.runs.append(json.loads(body) | {"run_id": f"run-{len(self.runs) + 1}"})
                return 200, self.runs[-1]
            case "GET", ["runs", run_id]:
                state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
                return state.get("status", 200), {"run_id": run_id} | state
            case "POST", ["recurringruns"]:
                self.recurring.append(json.loads(body) | {"recurring_run_id": "recurring-1"})
                return 200, self.recurring[-1]
        return 404, {"error": f"{method} {path} is not known"}

    def _pipeline(self, name: str) -> dict[str, str]:
        return {"pipeline_id": self.pipelines[name], "display_name": name}

    def _version(self, pipeline_id: str, name: str) -> dict[str, str]:
        return {"pipeline_id": pipeline_id, "pipeline_version_id": f"version-{name}", "display_name": name}


@contextmanager
def serving(stand_in: StandIn) -> Iterator[StandIn]:
    """Serves it on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def _respond(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            body = _file_or_body(
                self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"] or 0))
            )
            if stand_in.old and parts.path.startswith(API):
                status, answer = 404, {"error": "Not Found"}
            elif stand_in.token and self.headers["Authorization"] != f"Bearer {stand_in.token}":
                status, answer = 401, {"error": "Unauthorized"}
            else:
                status, answer = stand_in.answer(self.command, parts.path, query, body)
            send_json(self, status, answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _file_or_body(content_type: str | None, body: bytes) -> bytes:
    """The file of a multipart upload, or the body as it is."""
    if not (content_type or "").startswith("multipart/"):
        return body
    message = email.message_from_bytes(b"Content-Type: " + str(content_type).encode() + b"\r\n\r\n" + body)
    content = message.get_payload()[0].get_payload(decode=True)
    assert isinstance(content, bytes)
    return content
