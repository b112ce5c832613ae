"""A run on a cluster is watched until it ends, and a failure is reported with its cause."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from pipelines.runners.cluster import watching
from pipelines.runners.cluster.client import ClusterError, Server
from pipelines.runners.cluster.step_status import StepStatus
from pipelines.runners.cluster.watching import follow
from tests.support.kfp_answers import SCENARIOS, SUCCESSES, recorded_logs, recorded_runs
from tests.support.kfp_server import StandIn, serving

FRESH: Final = [
    (step, state)
    for step in ("preprocess", "train", "evaluate", "deploy")
    for state in ("pending", "running", "succeeded")
]
CLOSED: Final = [("close", "pending"), ("close", "succeeded")]
CACHED: Final = [("preprocess", "cached")]
CHANGES: Final = {
    "success": [*FRESH, *CLOSED],
    "cached": [*CACHED, ("train", "cached"), ("evaluate", "cached"), *FRESH[-3:], *CLOSED],
    "recurring-run": [*CACHED, ("train", "cached"), ("evaluate", "cached"), ("deploy", "succeeded"), CLOSED[-1]],
    "fail-data": [("preprocess", "pending"), ("preprocess", "running"), ("preprocess", "failed"), *CLOSED],
    "fail-weights": [*CACHED, *FRESH[3:5], ("train", "failed"), *CLOSED],
    "out-of-memory": [*CACHED, *FRESH[3:5], ("train", "failed"), *CLOSED],
    "terminated-in-training": [*CACHED, *FRESH[3:5], ("train", "failed"), *CLOSED],
    "terminated-in-driver": [],
    "image-missing-then-terminated": [*CACHED, FRESH[3], ("train", "failed"), *CLOSED],
    "unschedulable-then-terminated": [
        *CACHED,
        FRESH[3],
        ("train", "failed"),
        CLOSED[0],
        ("close", "running"),
        CLOSED[1],
    ],
    "train-pod-deleted": [*CACHED, *FRESH[3:5], *FRESH[3:], *CLOSED],
}
"""For each scenario, the state changes in order: (step, new state)."""
CAUSES: Final = {
    "fail-data": r"preprocess failed: .*/data/missing",
    "fail-weights": r"train failed: train\.model\.weights must be .*; there is no file at /data/missing\.h5\. Its page",
    "out-of-memory": r"(?s)train failed: it was killed, .* more memory than its limit .*`--memory`.*\[train\] Phase 1",
    "terminated-in-training": r"it was terminated\. Its page: .*#/runs/details/run-7",
    "terminated-in-driver": r"it was terminated\. Its page",
    "image-missing-then-terminated": r"it was terminated\. Its page",
    "unschedulable-then-terminated": r"it was terminated\. Its page",
}


TRY: Final = "executor(0)"
DEPLOY_NODE: Final = "darkroom-training-2s4vt-699910835"
"""The id of the workflow node that is deploy's executor in the scenario `success`."""


class Changes:
    """A display that collects the state changes of steps, their distinct details, and all notes."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.changes: list[tuple[str, str]] = []
        self.details: list[str] = []
        self.notes: list[str] = []

    def show(self, steps: Sequence[StepStatus]) -> None:
        for step in steps:
            if self.states.get(step.name) != step.state:
                self.states[step.name] = step.state
                self.changes.append((step.name, step.state))
            if step.detail and step.detail not in self.details:
                self.details.append(step.detail)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(watching, "DETAIL_SECONDS", 0.0)
    monkeypatch.setenv("PATH", "/nowhere")


def test_every_scenario_has_expected_changes_and_an_expected_result() -> None:
    assert sorted(CHANGES) == SCENARIOS
    assert sorted((*CAUSES, *SUCCESSES)) == SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_state_change_in_the_answers_of_a_real_backend_is_shown(scenario: str) -> None:
    """Each step is found among the workflow's 45 nodes, and has one state at a time."""
    display = Changes()
    with serving(StandIn(states=recorded_runs(scenario), logs=recorded_logs())) as server:
        if scenario in SUCCESSES:
            follow("run-7", Server(server.url), display)
        else:
            run_id = recorded_runs(scenario)[0]["run_id"]
            with pytest.raises(ClusterError, match=CAUSES[scenario].replace("run-7", run_id)):
                follow(run_id, Server(server.url), display)
    assert display.changes == CHANGES[scenario]


def test_the_cause_is_found_after_the_pod_is_gone() -> None:
    """KFP then finds the log only by the id of the workflow node, no longer by the name of the pod."""
    logs = {node: log for node, log in recorded_logs().items() if "system-container-impl" not in node}
    runs = recorded_runs("fail-data")
    with (
        serving(StandIn(states=runs[-1:], logs=logs)) as server,
        pytest.raises(ClusterError, match=CAUSES["fail-data"]),
    ):
        follow(runs[0]["run_id"], Server(server.url), Changes())


def test_a_short_outage_of_the_server_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, *_, last = recorded_runs("success")
    busy = {"status": 503, "error": "restarting"}
    display = Changes()
    with serving(StandIn(states=[first, busy, busy, last])) as server:
        follow("run-1", Server(server.url), display)
    assert display.notes == ["The server cannot be reached; retrying."]


@pytest.mark.parametrize("labels", ["", "metadata-0-1-"], ids=["task without labels", "task with one label"])
def test_a_running_step_shows_the_last_line_of_its_log(labels: str) -> None:
    runs = recorded_runs("success")
    training = next(run for run in runs if names(run, "train") == ["RUNNING"] and "PENDING" not in names(run, TRY))
    log = "I1129 11:04:59.2 18 main.go:67] level\n[train] Epoch  1 of 6: loss 1.06\n[train] Epoch  2 of 6: loss 0.33\n"
    logs = {f"darkroom-training-2s4vt-{labels}retry-system-container-impl-1362607454": log}
    display = Changes()
    with serving(StandIn(states=[training, training, runs[-1]], logs=logs)) as server:
        follow("run-1", Server(server.url), display)
    assert display.details == ["Epoch  2 of 6: loss 0.33"]


def names(run: dict[str, Any], name: str) -> list[str]:
    details = run.get("run_details", {}).get("task_details", [])
    return [task["state"] for task in details if task.get("display_name") == name]


def test_a_step_whose_pod_does_not_start_shows_the_command_that_explains_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SILENT_SECONDS", 0.0)
    runs = recorded_runs("unschedulable-then-terminated")
    waiting = next(run for run in runs if names(run, "train") == ["RUNNING"])
    display = Changes()
    with serving(StandIn(states=[waiting, waiting, runs[-1]])) as server, pytest.raises(ClusterError):
        follow("run-7", Server(server.url), display)
    assert display.details == [
        "no pod has started yet; kubectl -n kubeflow describe pods -l pipeline/runid=run-7 shows the reason"
    ]


def test_the_outcome_of_deploy_is_returned() -> None:
    logs = {DEPLOY_NODE: "[deploy] Outcome: darkroom/darkroom-serve serves bento 7.\n"}
    with serving(StandIn(states=recorded_runs("success")[-1:], logs=logs)) as server:
        assert follow("run-1", Server(server.url), Changes()) == "darkroom/darkroom-serve serves bento 7."
