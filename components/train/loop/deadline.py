"""When a training has to end so that its run keeps its time limit."""

import math
import time


class Deadline:
    """The time that a training has left.

    Attributes:
        is_reached: whether work was refused because of it.
    """

    def __init__(self, seconds: float = math.inf):
        """Starts now.

        Args:
            seconds: until the end; infinite without a time limit.
        """
        self._end = time.monotonic() + seconds
        self.is_reached = False

    def allows(self, seconds: float) -> bool:
        """Whether work of so many seconds ends before the deadline. A refusal is remembered."""
        is_allowed = time.monotonic() + seconds <= self._end
        self.is_reached = self.is_reached or not is_allowed
        return is_allowed
