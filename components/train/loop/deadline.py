"""The deadline of a training run with a time limit."""

import math
import time


class Deadline:
    """The time by which a training run must end.

    Attributes:
        is_reached: whether `allows` has ever returned False.
    """

    def __init__(self, seconds: float = math.inf):
        """Starts the clock.

        Args:
            seconds: the time until the deadline; infinite if there is no time limit.
        """
        self._end = time.monotonic() + seconds
        self.is_reached = False

    def allows(self, seconds: float) -> bool:
        """Whether work that takes this many seconds ends before the deadline."""
        is_allowed = time.monotonic() + seconds <= self._end
        self.is_reached = self.is_reached or not is_allowed
        return is_allowed
