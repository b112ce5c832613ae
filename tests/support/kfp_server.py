"""A stand-in for a KFP server, because no cluster can run where the tests run.

It implements the part of KFP's REST API that Darkroom uses (health, pipelines, versions, experiments, runs, recurring
runs, logs), over real HTTP for KFP's real client. Its answers have the same form as those of a real KFP 2.17 server
(tests/contract/test_kfp_answers.py). It runs no tasks: a run passes through the states that the test sets, such as
the recorded ones that tests/support/kfp_answers.py reads.
"""

import email
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.support.json_response import send_json, send_text

API = "/apis/v2beta1"
CREATED = "2026-11-29T10:58:24Z"
NEVER = "1970-01-01T00:00:00Z"
"""The form in which KFP returns an unset time."""
UNKNOWN = "00000000-0000-0000-0000-000000000000"
"""The id of a run that the server does not know."""
DROPPED: Final[dict[str, Any]] = {"status": 0}
"""In this state, the server closes the connection instead of answering."""
PLUGINS = {
    "mlflow": {
        "entries": {"experiment_name": {"value": "KFP-Default"}},
        "state": "PLUGIN_FAILED",
        "state_message": "the CA file is missing",
    }
}
"""The error that KFP's MLflow plugin reports, because KFP's own manifests configure the plugin only partly."""


@dataclass
class StandIn:
    """The server's data and behavior."""

    states: list[dict[str, Any]] = field(default_factory=lambda: [{"state": "SUCCEEDED", "finished_at": CREATED}])
    """The successive answers to GET requests for a run; the last one repeats. `status` is an HTTP error status."""
    token: str | None = None
    """The token that requests must contain; None if they need none."""
    old: bool = False
    """Whether only KFP's v1 API exists."""
    refuse_runs: str | None = None
    """The error message with which new runs are refused; None if they are accepted."""
    url: str = ""
    logs: dict[str, str] = field(default_factory=dict)
    """Maps a node's id or its pod's name to its log."""
    terminated: list[str] = field(default_factory=list)
    pipelines: list[str] = field(default_factory=list)
    versions: dict[str, bytes] = field(default_factory=dict)
    experiments: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    recurring: dict[str, dict[str, Any]] = field(default_factory=dict)

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> tuple[int, dict[str, Any] | str]:
        """Answers a request as a real server would: returns the status and a JSON object or text."""
        words = [word for part in path.removeprefix(API).strip("/").split("/") for word in part.split(":")]
        match method, words:
            case "GET", ["healthz"]:
                health = {"commit_sha": "unknown", "tag_name": "unknown"}
                return 200, health | {"multi_user": False, "pipeline_store": "database"}
            case "GET", ["apis", "v1alpha1", "runs", _, "nodes", node, "log"]:
                return 200, self.logs.get(node) or _log_error(node)
            case _, ["pipelines", *rest]:
                return self._answer_pipelines(method, rest, query, body)
            case "GET", ["experiments"]:
                return 200, _listing("experiments", [e for e in self.experiments if _is_listed(e, query)])
            case "POST", ["experiments"]:
                return self._create_experiment(json.loads(body))
            case _, ["runs" | "recurringruns" as kind, *rest]:
                return (self._answer_runs if kind == "runs" else self._answer_recurring)(method, rest, body)
        return 404, {"code": 5, "message": "Not Found"}

    def _answer_pipelines(
        self, method: str, words: list[str], query: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        match method, words:
            case "GET", []:
                pipelines = [_pipeline(name) for name in self.pipelines]
                return 200, _listing("pipelines", [pipeline for pipeline in pipelines if _is_listed(pipeline, query)])
            case "POST", ["upload"]:
                self.pipelines.append(query["name"])
                return 200, _pipeline(query["name"])
            case "GET", [_, "versions"]:
                versions = [_version(name) for name in self.versions]
                return 200, _listing("pipeline_versions", [entry for entry in versions if _is_listed(entry, query)])
            case "POST", ["upload_version"]:
                self.versions[query["name"]] = body
                return 200, _version(query["name"])
        return 404, {"code": 5, "message": "Not Found"}

    def _create_experiment(self, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = request["display_name"]
        if any(experiment["display_name"] == name for experiment in self.experiments):
            reason = f"Failed to create a new experiment. The name {name} already exists. Please specify a new name"
            return 409, _refusal(6, f"Failed to create a experiment: Already exist error: {reason}", reason)
        facts = {"created_at": CREATED, "storage_state": "AVAILABLE", "last_run_created_at": NEVER}
        self.experiments.append({"experiment_id": "experiment-1", "display_name": name, **facts})
        return 200, self.experiments[-1]

    def _answer_runs(self, method: str, words: list[str], body: bytes) -> tuple[int, dict[str, Any]]:
        match method, words:
            case "POST", [] if self.refuse_runs:
                return 400, _refusal(3, self.refuse_runs, self.refuse_runs)
            case "POST", []:
                times = {"created_at": CREATED, "scheduled_at": CREATED, "finished_at": NEVER}
                state = {"state": "PENDING", "state_history": [{"update_time": CREATED, "state": "PENDING"}]}
                run = json.loads(body) | {"run_id": f"run-{len(self.runs) + 1}", "storage_state": "AVAILABLE"}
                self.runs.append(
                    run | {"service_account": "pipeline-runner"} | times | state | {"plugins_output": PLUGINS}
                )
                return 200, self.runs[-1]
            case "GET", [run_id] if run_id == UNKNOWN:
                reason = f"Run {run_id} not found"
                return 404, _refusal(5, f"Failed to get a run: ResourceNotFoundError: {reason}", reason)
            case "GET", [run_id]:
                state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
                return state.get("status", 200), {"run_id": run_id} | state
            case "POST", [run_id, "terminate"]:
                self.terminated.append(run_id)
                return 200, {}
        return 404, {"code": 5, "message": "Not Found"}

    def _answer_recurring(self, method: str, words: list[str], body: bytes) -> tuple[int, dict[str, Any]]:
        match method, words:
            case "POST", []:
                request = json.loads(body)
                name = f"recurring-{len(self.recurring) + 1}"
                facts = {"created_at": CREATED, "updated_at": CREATED, "status": "ENABLED", "namespace": "kubeflow"}
                run = request | {"recurring_run_id": name, "service_account": "pipeline-runner", **facts}
                self.recurring[name] = run | {"max_concurrency": str(request["max_concurrency"])}
                return 200, self.recurring[name]
            case "GET", []:
                return 200, _listing("recurringRuns", list(self.recurring.values()))
            case _, [name, *_] if name not in self.recurring:
                reason = f"Job {name} not found"
                return 404, _refusal(5, f"Failed to fetch a recurring run: ResourceNotFoundError: {reason}", reason)
            case "GET", [name]:
                return 200, self.recurring[name]
            case "POST", [name, "disable" | "enable" as verb]:
                self.recurring[name]["status"] = f"{verb.upper()}D"
                return 200, {}
            case "DELETE", [name]:
                del self.recurring[name]
                return 200, {}
        return 404, {"code": 5, "message": "Not Found"}


def _pipeline(name: str) -> dict[str, Any]:
    return {"pipeline_id": "pipeline-1", "display_name": name, "name": name, "created_at": CREATED}


def _version(name: str) -> dict[str, Any]:
    names = {"pipeline_id": "pipeline-1", "pipeline_version_id": f"version-{name}", "display_name": name, "name": name}
    return names | {"created_at": CREATED, "pipeline_spec": {}}


def _listing(kind: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns a list in KFP's form; like KFP, an empty object if there are no entries."""
    return {kind: entries, "total_size": len(entries)} if entries else {}


def _is_listed(entry: dict[str, Any], query: dict[str, str]) -> bool:
    predicates = json.loads(query.get("filter") or "{}").get("predicates", [])
    return all(entry[predicate["key"]] == predicate["stringValue"] for predicate in predicates)


def _refusal(code: int, message: str, reason: str) -> dict[str, Any]:
    detail = {"@type": "type.googleapis.com/google.rpc.Status", "code": code, "message": reason}
    return {"code": code, "message": message, "details": [detail]}


def _log_error(node: str) -> str:
    """Returns the text that KFP sends, with status 200, for a node without a log: an error as JSON."""
    message = (
        f"BadRequestError: Failed to read logs for run: InternalServerError: Failed to read logs from archive {node}"
    )
    return json.dumps({"error_message": message, "error_details": message})


@contextmanager
def serving(stand_in: StandIn) -> Iterator[StandIn]:
    """Serves the stand-in on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond()

        def do_POST(self) -> None:
            self._respond()

        def do_DELETE(self) -> None:
            self._respond()

        def _respond(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            body = _file_or_body(
                self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"] or 0))
            )
            if stand_in.old and parts.path.startswith(API):
                status, answer = 404, {"code": 5, "message": "Not Found"}
            elif stand_in.token and self.headers["Authorization"] != f"Bearer {stand_in.token}":
                status, answer = 401, {"error": "Unauthorized"}
            else:
                status, answer = stand_in.answer(self.command, parts.path, query, body)
            if status == DROPPED["status"]:
                return
            (send_text if isinstance(answer, str) else send_json)(self, status, answer)

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
    """Returns the file of a multipart upload; any other body unchanged."""
    if not (content_type or "").startswith("multipart/"):
        return body
    message = email.message_from_bytes(b"Content-Type: " + str(content_type).encode() + b"\r\n\r\n" + body)
    content = message.get_payload()[0].get_payload(decode=True)
    assert isinstance(content, bytes)
    return content
