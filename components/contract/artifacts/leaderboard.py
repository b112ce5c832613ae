"""The leaderboard: the result of a comparison of several models.

It is written as a file, and goes with the params of the model that was picked, so that the report on it can show what
it was preferred to.
"""

from typing import Annotated

from pydantic import Field, Strict

from components.contract.artifacts.figures import Interval
from components.contract.record import StrictRecord


class Row(StrictRecord):
    """One model, on the validation photos and on this machine."""

    name: str
    seeds: Annotated[tuple[int, ...], Strict(False)]
    """Of its trainings, and so the next."""
    accuracies: Annotated[tuple[float, ...], Strict(False)]
    accuracy: Interval
    """The mean over its trainings."""
    macro_f1: float
    """The mean over its trainings."""
    num_parameters: int
    bundle_mb: float
    """All files of the trained model."""
    latency_ms: float
    """Of one photo through the exported graph, the median."""
    latency_of_8_ms: float
    """Of eight photos at once."""
    train_minutes: float
    """Of one training, the mean. What earlier ones left in the cache is not computed again."""
    on_front: bool
    """Whether no other is at least as good in accuracy, latency and size, and better in one."""
    p_value: float | None
    """How often chance alone makes such a difference to the most accurate, corrected for the number of comparisons
    (Holm); None for the most accurate itself."""
    tied: bool
    """Whether the difference is not significant; the most accurate is tied with itself."""


class Leaderboard(StrictRecord):
    """The content of leaderboard.json."""

    dataset_name: str
    num_images: int
    """Validation photos, the same for all."""
    rows: Annotated[tuple[Row, ...], Strict(False), Field(min_length=1)]
    """The most accurate first."""
    pick: str
    """The name of the recommended model."""
    reason: str
    """In one sentence."""
    left_out: Annotated[tuple[str, ...], Strict(False)] = ()
    """Models that could not be compared, each with its reason."""
