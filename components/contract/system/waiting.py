"""Waits within a step for servers that are temporarily unavailable, because a cluster does not retry failed steps."""

import logging
import os
import re
import time
from collections.abc import Callable
from typing import Final, TypeVar

from components.contract.errors import DarkroomError
from components.contract.system.address import redact

log = logging.getLogger(__name__)

OUTAGE_SECONDS: Final = 600.0
"""How long a step on a cluster waits for a server: long enough for a restart, a drained node or a failover."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
POD_VARIABLE: Final = "KUBERNETES_SERVICE_HOST"
"""A variable that Kubernetes sets in every pod."""
OUTAGE_WORDS: Final = re.compile(
    r"connect|timed? ?out|temporar|unavailable|reset by peer|starting up|shutting down|name resolution|\b50[234]\b",
    re.I,
)
"""Words that occur in error messages about temporary outages; the libraries have no common class for such errors."""
ResultT = TypeVar("ResultT")


def is_in_pod() -> bool:
    """Whether this process runs in a Kubernetes pod."""
    return POD_VARIABLE in os.environ


def outage_seconds() -> float:
    """How long to wait for a server, in seconds: OUTAGE_SECONDS in a pod, otherwise 0."""
    return OUTAGE_SECONDS if is_in_pod() else 0.0


def is_outage(error: Exception) -> bool:
    """Whether an error that a library raised means that a server is temporarily unavailable."""
    if isinstance(error, DarkroomError):
        return False
    return OUTAGE_WORDS.search(f"{type(error).__name__}: {error}") is not None


def wait_for(
    call: Callable[[], ResultT],
    subject: str,
    is_temporary: Callable[[Exception], bool],
    seconds: float = OUTAGE_SECONDS,
) -> ResultT:
    """Makes a call, repeats it as long as it fails with temporary errors, and returns its result.

    Args:
        call: the call to repeat.
        subject: the server, as the subject of the log message.
        is_temporary: decides whether an error is temporary.
        seconds: how long to repeat the call; 0 to make it only once.

    Raises:
        Exception: the last error of the call, if the error is permanent or the time is up.
    """
    deadline = time.monotonic() + seconds
    pause_seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            return call()
        except Exception as error:
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0 or not is_temporary(error):
                raise
            reason = redact((str(error).strip() or type(error).__name__).splitlines()[0])
            log.warning("%s does not answer: %s. Retrying for %.0f s.", subject, reason, seconds_left)
            time.sleep(min(pause_seconds, seconds_left))
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
