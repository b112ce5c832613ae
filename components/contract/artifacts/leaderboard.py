"""The leaderboard: the result of a comparison of several models.

It is also part of the params of the chosen model, so that the report on this model can show the models that it was
compared with.
"""

from typing import Annotated

from pydantic import Field, Strict

from components.contract.artifacts.figures import Interval
from components.contract.record import StrictRecord


class Row(StrictRecord):
    """The figures of one model: accuracies on the validation photos, times on the machine that compared the models."""

    name: str
    seeds: Annotated[tuple[int, ...], Strict(False)]
    """The seeds that the model was trained with, one training run each."""
    accuracies: Annotated[tuple[float, ...], Strict(False)]
    """The accuracy of each training run."""
    accuracy: Interval
    """The mean over the training runs."""
    macro_f1: float
    """The mean over the training runs."""
    num_parameters: int
    bundle_mb: float
    """Size of all files of the trained model."""
    latency_ms: float
    """Median latency of the exported graph for one photo."""
    latency_of_8_ms: float
    """Median latency for a batch of eight photos."""
    train_minutes: float
    """The mean duration of a training run. It is shorter if results that earlier runs cached are reused."""
    on_front: bool
    """Whether the model is on the Pareto front: no other model is at least as good in accuracy, latency and size, and
    better in one of them."""
    p_value: float | None
    """P-value of the difference in accuracy from the most accurate model, corrected for the number of comparisons
    (Holm); None for the most accurate model itself."""
    tied: bool
    """Whether the model is not significantly less accurate than the most accurate model; also true for that model."""


class Leaderboard(StrictRecord):
    """The content of leaderboard.json."""

    dataset_name: str
    num_images: int
    """Number of validation photos, the same for all models."""
    rows: Annotated[tuple[Row, ...], Strict(False), Field(min_length=1)]
    """The most accurate first."""
    pick: str
    """The name of the recommended model."""
    reason: str
    """Why this model is recommended, in one sentence."""
    left_out: Annotated[tuple[str, ...], Strict(False)] = ()
    """Models that could not be compared, each with the reason."""
