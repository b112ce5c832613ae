"""Progress of long work in the log, every few seconds: done, rate, and time left."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 5.0

T = TypeVar("T")


class Progress:
    """Decides when the next line is due, and writes it."""

    def __init__(self, total: int = 0, what: str = "photos"):
        """Starts now.

        Args:
            total: how much there is to do.
            what: what is counted, as in "photos read".
        """
        self._total = total
        self._what = what
        self._start = self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._start

    def is_due(self) -> bool:
        """Whether a line is due; if so, schedules the next one."""
        is_due = time.monotonic() - self._last >= EVERY_SECONDS
        self._last = time.monotonic() if is_due else self._last
        return is_due

    def report(self, count: int) -> None:
        """Logs how far the work is, if a line is due."""
        if self.is_due():
            rate = count / max(self.seconds, 1e-9)
            seconds_left = (self._total - count) / rate
            values = (f"{count:,}", f"{self._total:,}", self._what, rate, seconds_left)
            log.info("%s of %s %s, %.0f per second, about %.0f s left.", *values)


def log_progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Passes the items on and reports how many there were.

    Args:
        items: what is worked through.
        total: how many there are.
        what: what they are, as in "photos read".
    """
    progress = Progress(total, what)
    for count, item in enumerate(items, start=1):
        yield item
        progress.report(count)
