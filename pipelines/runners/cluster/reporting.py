"""Reports the progress and the result of a run on a cluster."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from pipelines.runners.cluster.client import ClusterError, Server
from pipelines.runners.cluster.step_status import SUCCEEDED, StepStatus, is_terminated

ENDED: Final = (SUCCEEDED, "FAILED", "CANCELED", "SKIPPED")


class Display(Protocol):
    """Displays the progress of a run."""

    def show(self, steps: Sequence[StepStatus]) -> None:
        """Shows the progress of the steps; called repeatedly."""

    def note(self, text: str) -> None:
        """Shows a line that does not belong to a step."""


def require_success(run_id: str, run: Any, causes: Mapping[str, str], server: Server) -> None:
    """Requires that an ended run has succeeded.

    Args:
        run_id: the id of the run.
        run: KFP's V2beta1Run.
        causes: the cause of each failed step, if its log or its pod shows it.
        server: the server of the run.

    Raises:
        ClusterError: the run did not succeed; the message names the failed steps and the causes.
    """
    if run.state == SUCCEEDED:
        return
    if is_terminated(run):
        found = "was terminated"
    else:
        reasons = "; ".join(f"{step} failed: {cause or 'no log contains the cause'}" for step, cause in causes.items())
        found = f"ended as {run.state.lower()}{f': {reasons}' if reasons else ''}"
    page = server.run_url(run_id)
    raise ClusterError(
        f"The run {run_id} must succeed; it {found}{'' if found.endswith('.') else '.'} Its page: {page}"
    )
