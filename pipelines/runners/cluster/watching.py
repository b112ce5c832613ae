"""Watches a run on a KFP server until it has ended."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pipelines.runners.cluster.client import Server, connect
from pipelines.runners.cluster.kubernetes.pod_reasons import PodReasons
from pipelines.runners.cluster.reporting import ENDED, Display, require_success
from pipelines.runners.cluster.step_status import SUCCEEDED, StepStatus, is_terminated, read_steps
from pipelines.runners.cluster.task_log import find_cause, find_outcome, find_progress, read_log

if TYPE_CHECKING:
    from kfp.client import Client

POLL_SECONDS: Final = 3.0
DETAIL_SECONDS: Final = 10.0
"""The minimum interval at which logs and pods are read."""
SILENT_SECONDS: Final = 25.0
"""How long a step waits for its pod before the command that shows the reason is displayed, unless kubectl has found
the reason."""
LOST_SECONDS: Final = 300.0
"""How long the server can be unreachable before `follow` fails."""
ROLLOUT_STEP: Final = "deploy"


def follow(run_id: str, server: Server, display: Display) -> str:
    """Shows the progress of the steps until the run has ended.

    Args:
        run_id: the id of the run.
        server: the server of the run.
        display: shows the progress.

    Returns:
        The outcome of registration and rollout that the deploy step reported; empty if its log is not available.

    Raises:
        ClusterError: the run did not succeed, or the server was unreachable for too long.
    """
    with connect(server) as client:
        details = _Details(client, run_id, server.task_namespace)
        while True:
            run = _retry_while_unreachable(lambda: client.get_run(run_id), display)
            steps = read_steps(run)
            display.show([step.with_detail(details.find(step)) for step in steps])
            if run.state in ENDED:
                break
            details.refresh(steps)
            time.sleep(POLL_SECONDS)
        causes = {}
        if run.state != SUCCEEDED and not is_terminated(run):
            causes = {step.name: details.find_cause(step) for step in steps if step.state == "failed"}
        outcome = next((details.find_outcome(step) for step in steps if step.name == ROLLOUT_STEP), "")
    require_success(run_id, run, causes, server)
    return outcome


class _Details:
    """Reads details from logs and pods: the progress of running steps, and why steps do not start or have failed."""

    def __init__(self, client: "Client", run_id: str, namespace: str):
        self._client = client
        self._run_id = run_id
        self._pods = PodReasons(run_id, namespace)
        self._details: dict[str, str] = {}
        self._pending_since: dict[str, float] = {}
        self._refresh_time = 0.0

    def find(self, step: StepStatus) -> str:
        """The latest detail of a step; empty for a step that has ended."""
        return self._details.get(step.node_id or "", "") if step.is_active else ""

    def refresh(self, steps: list[StepStatus]) -> None:
        """Reads the logs of running steps and the states of waiting pods, at most once every DETAIL_SECONDS."""
        now = time.monotonic()
        active_steps = [step for step in steps if step.is_active and step.node_id]
        for step in active_steps:
            if step.state == "pending":
                self._pending_since.setdefault(str(step.node_id), now)
        if now - self._refresh_time < DETAIL_SECONDS:
            return
        self._refresh_time = now
        reasons = self._pods.find() if any(step.state == "pending" for step in active_steps) else {}
        for step in active_steps:
            node_id = str(step.node_id)
            if step.state == "running":
                self._details[node_id] = find_progress(read_log(self._client, self._run_id, node_id))
            elif node_id in reasons:
                self._details[node_id] = reasons[node_id]
            elif now - self._pending_since[node_id] >= SILENT_SECONDS:
                self._details[node_id] = f"no pod has started yet; {self._pods.command} shows the reason"

    def find_cause(self, step: StepStatus) -> str:
        """The cause of a step's failure: the reason from its pod, followed by the error from its log."""
        if step.node_id is None:
            return ""
        cause = find_cause(read_log(self._client, self._run_id, step.node_id))
        reason = self._pods.find().get(step.node_id, "")
        return " ".join(text for text in (f"{reason}." if reason else "", cause) if text)

    def find_outcome(self, step: StepStatus) -> str:
        """The outcome that a step reported at its end."""
        return find_outcome(read_log(self._client, self._run_id, step.node_id)) if step.node_id else ""


def _retry_while_unreachable(call: Callable[[], Any], display: Display) -> Any:
    """Repeats a request while the server is unreachable, for at most LOST_SECONDS."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    deadline = time.monotonic() + LOST_SECONDS
    has_noted = False
    while True:
        try:
            return call()
        except (HTTPError, ApiException) as error:
            is_temporary = not isinstance(error, ApiException) or (error.status or 0) >= 500
            if not is_temporary or time.monotonic() > deadline:
                raise
            if not has_noted:
                display.note("The server cannot be reached; retrying.")
                has_noted = True
            time.sleep(POLL_SECONDS)
