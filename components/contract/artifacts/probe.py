"""What a probe of pretrained networks found: a part of bundle.json, and the output of `darkroom model probe`."""

from components.contract.artifacts.figures import Interval
from components.contract.record import StrictRecord


class ProbedNetwork(StrictRecord):
    """A candidate, and what was measured of it."""

    candidate: str
    """As the params name it: a backbone, or a file."""
    name: str
    """For people."""
    input_size: tuple[int, int] | None = None
    """(height, width) of the photos that it saw."""
    accuracy: Interval | None = None
    """Of a linear head on its frozen features, cross-validated; None if it could not be probed."""
    ms_per_photo: float | None = None
    """Of its frozen part, in batches, on this machine."""
    is_tied: bool = False
    """Whether the most accurate candidate may be no better than it."""
    reason: str | None = None
    """Why it could not be probed."""


class Probe(StrictRecord):
    """All candidates, the best first."""

    networks: tuple[ProbedNetwork, ...]
    num_photos: int
    """0 if only one candidate could be used, so that nothing was measured."""
    chosen: str
    """The candidate that is trained."""
    why: str
