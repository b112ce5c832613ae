"""Log lines for long work: how far, how fast, how long still."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 5.0

T = TypeVar("T")


def log_progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Passes the items on and logs a line every few seconds.

    Args:
        items: what is worked through.
        total: how many there are.
        what: what they are, as in "photos read".
    """
    start = last_log = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last_log >= EVERY_SECONDS:
            last_log = now
            rate = count / (now - start)
            log.info(
                "%s of %s %s, %.0f a second, about %.0f s left.",
                f"{count:,}",
                f"{total:,}",
                what,
                rate,
                (total - count) / rate,
            )
