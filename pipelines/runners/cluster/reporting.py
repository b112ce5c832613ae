"""What is reported of a run on a cluster: how far its steps are, and how it ended."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from pipelines.runners.cluster.client import ClusterError, Server
from pipelines.runners.cluster.step_status import SUCCEEDED, StepStatus, is_terminated

ENDED: Final = (SUCCEEDED, "FAILED", "CANCELED", "SKIPPED")


class Display(Protocol):
    """Where the progress of a run is shown."""

    def show(self, steps: Sequence[StepStatus]) -> None:
        """Shows how far the steps are; called again and again."""

    def note(self, text: str) -> None:
        """Shows one line that is not about a step."""


def require_success(run_id: str, run: Any, causes: Mapping[str, str], server: Server) -> None:
    """Requires that a run that has ended has succeeded.

    Args:
        run_id: of the run.
        run: KFP's V2beta1Run.
        causes: failed step → why it failed, as far as its log or its pod has it.
        server: where it ran.

    Raises:
        ClusterError: it did not succeed; names the steps that failed, and why.
    """
    if run.state == SUCCEEDED:
        return
    if is_terminated(run):
        found = "was terminated"
    else:
        reasons = "; ".join(f"{step} failed: {cause or 'no log contains the cause'}" for step, cause in causes.items())
        found = f"is {run.state.lower()}{f': {reasons}' if reasons else ''}"
    page = server.run_url(run_id)
    raise ClusterError(
        f"The run {run_id} must succeed; it {found}{'' if found.endswith('.') else '.'} Its page: {page}"
    )
