"""Reads the recorded answers of a real KFP 2.17 server from tests/cases/kfp_answers."""

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / "cases" / "kfp_answers"
SCENARIOS: Final = sorted(path.stem for path in FOLDER.glob("*.jsonl") if path.stem != "logs")
SUCCESSES: Final = ("success", "cached", "train-pod-deleted", "recurring-run")
FINAL_STATUSES: Final = {
    "success": "COMPLETE",
    "cached": "COMPLETE",
    "train-pod-deleted": "COMPLETE",
    "fail-data": "FAILED",
    "fail-weights": "FAILED",
    "out-of-memory": "FAILED",
    "terminated-in-training": "RUNNING",
    "unschedulable-then-terminated": "RUNNING",
    "image-missing-then-terminated": "RUNNING",
}
"""Scenario → the final state of the pipeline, as the exit handler received it."""


def recorded_runs(scenario: str) -> list[dict[str, Any]]:
    """Returns the successive answers to GET requests for a run, from its creation to its end."""
    runs: list[dict[str, Any]] = []
    fields: dict[str, Any] = {}
    tasks: dict[str, Any] = {}
    for line in (FOLDER / f"{scenario}.jsonl").read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)
        fields |= answer["run"]
        run = dict(fields)
        if "tasks" in answer:
            tasks |= {task["task_id"]: task for task in answer["tasks"]}
            run["run_details"] = {"task_details": [tasks[task_id] for task_id in sorted(tasks)]}
        runs.append(run)
    return runs


def recorded_logs() -> dict[str, str]:
    """Maps a node's id or its pod's name to the node's log, or to the JSON error if it has no log."""
    lines = (FOLDER / "logs.jsonl").read_text(encoding="utf-8").splitlines()
    bodies = {answer["path"].split("/")[-2]: answer["body"] for answer in map(json.loads, lines)}
    return {node: body if isinstance(body, str) else json.dumps(body) for node, body in bodies.items()}


def final_status(scenario: str) -> dict[str, Any]:
    """Returns the input `status` of the exit handler's task; its `error` was empty in every scenario."""
    return {
        "error": {},
        "pipelineJobResourceName": "darkroom-training-2s4vt",
        "pipelineTaskName": "exit-handler-1",
        "state": FINAL_STATUSES[scenario],
    }
