"""The section train: what follows from its values."""

import math

import pytest

from components.contract.params.training import TrainParams


@pytest.mark.parametrize(
    ("num_photos", "settings", "passes"),
    [
        (1, {}, 929),
        (42, {}, 23),
        (928, {}, 2),
        (929, {}, 1),
        (1270, {}, 1),
        (42, {"min_epoch_steps": 1}, 1),
        (42, {"min_epoch_steps": 2}, 1),
        (42, {"min_epoch_steps": 3}, 2),
        (42, {"batch_size": 4}, 3),
        (42, {"batch_size": 4, "accumulate": 4}, 12),
    ],
)
def test_an_epoch_has_as_few_passes_as_its_least_steps_take(
    num_photos: int, settings: dict[str, int], passes: int
) -> None:
    params = TrainParams(**settings)
    assert params.passes_per_epoch(num_photos) == passes
    steps, steps_of_fewer = (
        math.ceil(number * num_photos / params.batch_size / params.accumulate) for number in (passes, passes - 1)
    )
    assert steps >= params.min_epoch_steps > steps_of_fewer or passes == 1
