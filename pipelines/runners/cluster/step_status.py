"""Finds the steps of a run on a cluster among the nodes that KFP reports as tasks.

KFP's tasks are the nodes of an Argo Workflow, 45 in a run with one task per step. The executor node of every step is
called `executor`, and no node reports its own id. But Argo derives a node's id from its full name, and an executor
lists the ids of its tries, so the nodes of each step can be identified.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

STEP: Final = re.compile(
    r"(list-photos|read-photos|preprocess|compute-features|tune|train|evaluate|deploy|close)(-\d+)?"
)
CLOSING_STEP: Final = "close"
PARENTS: Final = {CLOSING_STEP: "root(0).exit-handler-1.onExit(0)"}
"""The parent of the closing step in the workflow; the parent of all other steps is `exit-handler-1`."""
SUCCEEDED: Final = "SUCCEEDED"
FNV_OFFSET, FNV_PRIME = 0x811C9DC5, 0x01000193


@dataclass(frozen=True)
class StepStatus:
    """The status of one step.

    Attributes:
        name: the name of the step, such as `train` or `tune-2`.
        state: pending (no pod runs yet), running, succeeded, cached or failed.
        start_time: the time when KFP started it.
        end_time: the time when it ended; None while it runs.
        node_id: the node id of its executor's latest try, which identifies the log and the pod; None if there is none.
        num_tries: the number of tries of its executor.
        detail: its progress, or the reason why it does not start.
    """

    name: str
    state: str
    start_time: datetime | None
    end_time: datetime | None = None
    node_id: str | None = None
    num_tries: int = 0
    detail: str = ""

    @property
    def is_active(self) -> bool:
        """Whether KFP has started the step and it has not ended; its pod may not run yet."""
        return self.state in ("pending", "running")

    def with_detail(self, detail: str) -> "StepStatus":
        """Returns a copy of the status with this detail: the progress, or the reason for a delay."""
        return replace(self, detail=detail)


def read_steps(run: Any) -> list[StepStatus]:
    """Returns the steps of a run that have started, in the order of their start times.

    Args:
        run: KFP's V2beta1Run.
    """
    tasks = task_details(run)
    workflow = _find_workflow(tasks)
    steps = [
        _read_step(task, tasks, workflow)
        for task in tasks
        # Steps that were not reached because an earlier step failed have no state.
        if task.state and STEP.fullmatch(task.display_name or "")
    ]
    return sorted(steps, key=lambda step: (step.start_time is None, step.start_time, step.name == CLOSING_STEP))


def task_details(run: Any) -> list[Any]:
    """The tasks that KFP reports for a run; empty if the run is still waiting."""
    return (run.run_details.task_details or []) if run.run_details else []


def is_terminated(run: Any) -> bool:
    """Whether a user has terminated the run: its state is then FAILED, and only its history shows the reason."""
    return any(status.state == "CANCELING" for status in run.state_history or ())


def make_node_id(workflow: str, path: str) -> str:
    """The id of the node with this path in an Argo workflow: the workflow's name, and a hash of the node's name."""
    value = FNV_OFFSET
    for byte in f"{workflow}(0).{path}".encode():
        value = ((value ^ byte) * FNV_PRIME) & 0xFFFFFFFF
    return f"{workflow}-{value}"


def _find_workflow(tasks: Sequence[Any]) -> str:
    """The name of the Argo Workflow, with which the id of every node begins."""
    ids = (child.pod_name for task in tasks for child in task.child_tasks or ())
    return str(next(ids, "")).rpartition("-")[0]


def _read_step(task: Any, tasks: Sequence[Any], workflow: str) -> StepStatus:
    name = task.display_name
    parent = PARENTS.get(name, "root(0).exit-handler-1(0)")
    tries = _find_tries(f"{parent}.{name}(0).executor", tasks, workflow)
    status = StepStatus(
        name,
        task.state.lower(),
        task.start_time,
        task.end_time if task.state not in ("PENDING", "RUNNING") else None,
        tries[-1] if tries else None,
        len(tries),
    )
    if task.state == SUCCEEDED and not tries:
        return replace(status, state="cached")
    if status.is_active and (not tries or _is_pending(task, len(tries), tasks)):
        return replace(status, state="pending")
    return status


def _find_tries(path: str, tasks: Sequence[Any], workflow: str) -> list[str]:
    """The node ids of an executor's tries, in order."""
    for task in tasks:
        children = [child.pod_name for child in task.child_tasks or ()]
        if task.display_name == "executor" and make_node_id(workflow, f"{path}(0)") in children:
            ids = [make_node_id(workflow, f"{path}({number})") for number in range(len(children))]
            return [node_id for node_id in ids if node_id in children]
    return []


def _is_pending(step: Any, num_tries: int, tasks: Sequence[Any]) -> bool:
    """Whether the latest try of a running step waits for its pod; tries of parallel steps cannot be told apart."""
    return any(
        task.display_name == f"executor({num_tries - 1})"
        and task.state == "PENDING"
        and (step.start_time is None or task.start_time >= step.start_time)
        for task in tasks
    )
