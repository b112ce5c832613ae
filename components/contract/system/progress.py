"""Logs the progress of long work every few seconds: what is done, the rate, and the remaining time."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 5.0

T = TypeVar("T")


class Progress:
    """Logs a progress line at most once every EVERY_SECONDS."""

    def __init__(self, total: int = 0, what: str = "photos"):
        """Starts the clock.

        Args:
            total: the number of items.
            what: the noun for the items, optionally with the work that is done, such as "photos" or "photos read".
        """
        self._total = total
        self._what = what
        self._start = self._last = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def is_due(self) -> bool:
        """Whether a progress line is due; if so, the next line is due EVERY_SECONDS later."""
        is_due = time.monotonic() - self._last >= EVERY_SECONDS
        self._last = time.monotonic() if is_due else self._last
        return is_due

    def report(self, count: int) -> None:
        """Logs that `count` items are done, if a progress line is due."""
        if self.is_due():
            rate = count / max(self.seconds, 1e-9)
            seconds_left = (self._total - count) / rate
            values = (f"{count:,}", f"{self._total:,}", self._what, rate, seconds_left)
            log.info("%s of %s %s, %.0f per second, about %.0f s left.", *values)


def log_progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yields the items, and logs the progress.

    Args:
        items: the items to process.
        total: the number of items.
        what: the noun for the items, optionally with the work that is done, such as "photos" or "photos read".
    """
    progress = Progress(total, what)
    for count, item in enumerate(items, start=1):
        yield item
        progress.report(count)
