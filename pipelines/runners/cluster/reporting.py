"""What is reported of a run on a cluster: the changes of its tasks, and the reasons of a failure."""

from collections.abc import Callable
from typing import Any, Final

from pipelines.runners.cluster.client import ClusterError, Server

SUCCEEDED: Final = "SUCCEEDED"
ENDED: Final = (SUCCEEDED, "FAILED", "CANCELED", "SKIPPED")

Show = Callable[[str, str], None]
"""Called with a task and its new state."""


class TaskStates:
    """Shows each change of a task's state once.

    Args:
        show: called with a task and its new state.
    """

    def __init__(self, show: Show):
        self._show = show
        self._states: dict[str, str] = {}

    def update(self, run: Any) -> None:
        """Shows the tasks whose state has changed since the last call.

        Args:
            run: KFP's V2beta1Run.
        """
        for task in _task_details(run):
            if task.state and self._states.get(task.display_name) != task.state:
                self._states[task.display_name] = task.state
                self._show(task.display_name, task.state.lower())


def require_success(run_id: str, run: Any, server: Server) -> None:
    """Requires that a run that has ended has succeeded.

    Args:
        run_id: of the run.
        run: KFP's V2beta1Run.
        server: where it ran.

    Raises:
        ClusterError: it did not succeed; names the tasks that failed, and their errors.
    """
    if run.state == SUCCEEDED:
        return
    failed_tasks = [task for task in _task_details(run) if task.state == "FAILED" and task.error]
    reasons = "; ".join(f"{task.display_name}: {task.error.message}" for task in failed_tasks)
    raise ClusterError(
        f"The run {run_id} must succeed; it is {run.state.lower()}{f': {reasons}' if reasons else ''}. "
        f"Its logs: {server.run_url(run_id)}"
    )


def _task_details(run: Any) -> list[Any]:
    return (run.run_details.task_details or []) if run.run_details else []
