"""The stand-in for KFP answers like a real KFP 2.17 server, in each state and for each call."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.kfp_answers import FINAL_STATUSES, SCENARIOS, final_status, recorded_logs, recorded_runs
from tests.support.kfp_server import StandIn, serving

STATES: Final = {
    "terminated-in-training": ["PENDING", "RUNNING", "CANCELING", "FAILED"],
    "terminated-in-driver": ["PENDING", "RUNNING", "CANCELING", "FAILED"],
    "out-of-memory": ["PENDING", "RUNNING", "FAILED"],
    "train-pod-deleted": ["PENDING", "RUNNING", "SUCCEEDED"],
}
CALLS: Final = ("first-submit", "submit-again", "recurring", "terminate", "logs")
UNCALLED: Final = ("get-runs.json", "get-artifacts")
"""Recorded calls that Darkroom never makes, so the stand-in does not answer them."""


@pytest.fixture(scope="module")
def recordings() -> Path:
    shared = Path(os.environ.get("DARKROOM_SHARED", Path(__file__).parents[2] / "shared"))
    path = shared / "kfp-recordings"
    if not path.is_dir():
        pytest.skip(f"no KFP recordings at {path}: set DARKROOM_SHARED to the folder that contains kfp-recordings")
    return path


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_restored_answers_equal_the_recordings(scenario: str, recordings: Path) -> None:
    folder = recordings / "runs" / scenario
    index = json.loads((folder / "index.json").read_text())
    runs = recorded_runs(scenario)
    assert len(runs) == len(index)
    for entry, run in zip(index, runs, strict=True):
        recorded = json.loads((folder / entry["file"]).read_text())
        for name in ("runtime_config", "pipeline_spec"):
            if "$as_in" in recorded.get(name, {}):
                recorded[name] = runs[0][name]
        assert run == recorded, entry["file"]
        assert list(map(id_of, tasks_of(run))) == list(map(id_of, tasks_of(recorded)))


def tasks_of(run: dict[str, Any]) -> list[dict[str, Any]]:
    return list(run.get("run_details", {}).get("task_details", []))


def id_of(task: dict[str, Any]) -> str:
    return str(task["task_id"])


@pytest.mark.parametrize("scenario", FINAL_STATUSES)
def test_the_exit_handler_gets_the_recorded_status(scenario: str, recordings: Path) -> None:
    recorded = json.loads((recordings / "exit-handler" / "status.json").read_text())[scenario]
    assert final_status(scenario) | {"pipelineJobResourceName": recorded["pipelineJobResourceName"]} == recorded


@pytest.mark.parametrize("scenario", STATES)
def test_a_run_passes_through_the_recorded_states(scenario: str) -> None:
    states = [run["state"] for run in recorded_runs(scenario)]
    assert list(dict.fromkeys(states)) == STATES[scenario]


@pytest.mark.parametrize("folder", CALLS)
def test_the_stand_in_answers_each_recorded_call_in_the_same_form(folder: str, recordings: Path) -> None:
    paths = sorted((recordings / "calls" / folder).glob("*.json"))
    assert paths
    stand_in = StandIn(states=recorded_runs("success")[:1], logs=recorded_logs())
    if folder == "submit-again":
        stand_in.pipelines.append("darkroom-training")
        stand_in.versions["eef684cacd1b"] = b""
    if folder in ("submit-again", "recurring"):
        stand_in.pipelines[:] = ["darkroom-training"]
        stand_in.versions["eef684cacd1b"] = b""
        stand_in.experiments.append(EXPERIMENT)
    ids: dict[str, str] = {}
    with serving(stand_in) as server:
        for path in paths:
            if any(word in path.name for word in UNCALLED):
                continue
            call = json.loads(path.read_text())
            status, answer = repeat(call["request"], server.url, ids)
            recorded = call["response"]
            assert status == recorded["status"], path.name
            if isinstance(recorded["body"], dict):
                recorded_id = recorded["body"].get("recurring_run_id")
                if recorded_id and isinstance(answer, dict):
                    ids.setdefault(recorded_id, answer.get("recurring_run_id", recorded_id))
            assert form_of(answer) == form_of(recorded["body"]), path.name


EXPERIMENT: Final = {
    "experiment_id": "experiment-1",
    "display_name": "digits",
    "created_at": "2026-11-29T10:58:24Z",
    "storage_state": "AVAILABLE",
    "last_run_created_at": "2026-11-29T10:58:24Z",
}
FREE: Final = ("pipeline_spec", "runtime_config", "trigger", "details", "description")
"""Keys that are not compared, because KFP returns their values unchanged or only some entries have them."""


def repeat(request: dict[str, Any], url: str, ids: dict[str, str]) -> tuple[int, Any]:
    """Repeats a recorded call with the ids that the stand-in returned."""
    path = request["path"]
    for recorded_id, new_id in ids.items():
        path = path.replace(recorded_id, new_id)
    body = request["body"]
    content = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
    http_request = urllib.request.Request(url + path, data=content, method=request["method"])
    http_request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(http_request) as response:
            status, text = response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def form_of(answer: Any) -> Any:
    """Returns the keys of an answer with the types of their values; for a list, only the form of its last entry."""
    if isinstance(answer, dict):
        return {key: form_of(value) for key, value in sorted(answer.items()) if key not in FREE}
    if isinstance(answer, list):
        return [form_of(answer[-1])] if answer else []
    return type(answer).__name__


def test_a_missing_log_is_an_error_with_status_200() -> None:
    with serving(StandIn()) as server:
        request = {"method": "GET", "path": "/apis/v1alpha1/runs/1/nodes/nothing/log", "body": None}
        status, answer = repeat(request, server.url, {})
    assert status == 200
    assert "Failed to read logs from archive nothing" in answer["error_message"]
