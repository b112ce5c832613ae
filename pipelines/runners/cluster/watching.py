"""Watches a run on a KFP server until it has ended."""

import time
from collections.abc import Callable
from typing import Any, Final

from pipelines.runners.cluster.client import Server, connect
from pipelines.runners.cluster.reporting import ENDED, Show, TaskStates, require_success

POLL_SECONDS: Final = 3.0
LOST_SECONDS: Final = 300.0
"""How long the server may be out of reach while a run is followed."""


def follow(run_id: str, server: Server, show: Show) -> None:
    """Shows every change of a task until the run has ended.

    Args:
        run_id: of the run.
        server: where it runs.
        show: called with a task and its new state.

    Raises:
        ClusterError: the run did not succeed, or the server was out of reach for too long.
    """
    task_states = TaskStates(show)
    with connect(server) as client:
        while True:
            run = _retry_while_unreachable(lambda: client.get_run(run_id), show)
            task_states.update(run)
            if run.state in ENDED:
                break
            time.sleep(POLL_SECONDS)
    require_success(run_id, run, server)


def _retry_while_unreachable(call: Callable[[], Any], show: Show) -> Any:
    """Asks again while the server is out of reach for a moment: following must not end with a hiccup."""
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    deadline = time.monotonic() + LOST_SECONDS
    while True:
        try:
            return call()
        except (HTTPError, ApiException) as error:
            is_temporary = not isinstance(error, ApiException) or (error.status or 0) >= 500
            if not is_temporary or time.monotonic() > deadline:
                raise
            show("server", "out of reach, trying again")
            time.sleep(POLL_SECONDS)
