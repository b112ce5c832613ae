"""A run on a cluster is followed until it ends, and a failure is reported with its reasons."""

import contextlib
from typing import Any

import pytest

from pipelines.runners.cluster import watching
from pipelines.runners.cluster.client import ClusterError, Server
from pipelines.runners.cluster.watching import follow
from tests.support.kfp_server import RECORDED_RUNS, StandIn, serving


def tasks(**states: str) -> dict[str, Any]:
    return {"task_details": [{"display_name": name, "state": state} for name, state in states.items()]}


def test_following_shows_each_change_once_and_outlasts_a_hiccup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)
    running_state = {"state": "RUNNING", "run_details": tasks(preprocess="RUNNING")}
    answers = [
        running_state,
        running_state,
        {"status": 503, "error": "restarting"},
        {"state": "SUCCEEDED", "run_details": tasks(preprocess="SUCCEEDED", train="SUCCEEDED")},
    ]
    changes: list[tuple[str, str]] = []
    with serving(StandIn(states=answers)) as server:
        follow("run-1", Server(server.url), lambda task, state: changes.append((task, state)))
    assert changes == [
        ("preprocess", "running"),
        ("server", "out of reach, trying again"),
        ("preprocess", "succeeded"),
        ("train", "succeeded"),
    ]


@pytest.mark.parametrize("scenario", RECORDED_RUNS)
def test_a_run_is_followed_through_what_a_real_backend_answers(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No task has an error text, some have neither name nor state, and a terminated run ends as FAILED."""
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)
    changes: list[tuple[str, str]] = []
    states = RECORDED_RUNS[scenario]
    with serving(StandIn(states=list(states))) as server:
        expectation = (
            contextlib.nullcontext()
            if states[-1]["state"] == "SUCCEEDED"
            else pytest.raises(ClusterError, match=r"must succeed; it is failed\. Its logs: .*#/runs/details/run-7")
        )
        with expectation:
            follow("run-7", Server(server.url), lambda task, state: changes.append((task, state)))
    assert all(task and state for task, state in changes)


def test_a_failed_run_names_the_task_and_its_reason() -> None:
    details = {"task_details": [{"display_name": "train", "state": "FAILED", "error": {"message": "OOMKilled"}}]}
    with (
        serving(StandIn(states=[{"state": "FAILED", "run_details": details}])) as server,
        pytest.raises(ClusterError, match=r"it is failed: train: OOMKilled.*#/runs/details/run-7"),
    ):
        follow("run-7", Server(server.url), lambda *_: None)
