"""The result of a probe of pretrained networks: a part of bundle.json, and the output of `darkroom model probe`."""

from components.contract.artifacts.figures import Interval
from components.contract.record import StrictRecord


class ProbedNetwork(StrictRecord):
    """A candidate and its measurements."""

    candidate: str
    """The candidate's name in the params: a backbone or a file."""
    name: str
    """The name that is displayed."""
    input_size: tuple[int, int] | None = None
    """(height, width) of the network's input, in pixels."""
    accuracy: Interval | None = None
    """The cross-validated accuracy of a linear head on the network's frozen features; None if probing failed."""
    ms_per_photo: float | None = None
    """The time that the frozen layers take per photo, measured in batches on the machine that ran the probe."""
    is_tied: bool = False
    """Whether the candidate may be as accurate as the most accurate one."""
    reason: str | None = None
    """Why the candidate could not be probed."""


class Probe(StrictRecord):
    """All candidates, the best first."""

    networks: tuple[ProbedNetwork, ...]
    num_photos: int
    """The number of training photos that were used; 0 if only one candidate was usable and nothing was measured."""
    chosen: str
    """The chosen candidate."""
    why: str
