"""Measures how long a thread is blocked, regardless of other work on the machine."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

BLOCKING = {"acquire", "connect", "join", "poll", "recv", "recv_into", "select", "sleep"}
"""C functions that wait for another thread, a server or the clock, and compute nothing."""


class BlockedTime:
    """Adds up the seconds that this thread spends in the functions in BLOCKING."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start_time: float | None = None

    def profile(self, _frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ in BLOCKING:
            self._start_time = time.monotonic()
        elif event in ("c_return", "c_exception") and self._start_time is not None:
            self.seconds += time.monotonic() - self._start_time
            self._start_time = None


@contextmanager
def blocked_time() -> Iterator[BlockedTime]:
    """Measures the blocked time of the calling thread with Python's profiler, until the end of the block."""
    blocked = BlockedTime()
    sys.setprofile(blocked.profile)
    try:
        yield blocked
    finally:
        sys.setprofile(None)
