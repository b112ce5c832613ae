"""The section `train`: values that are derived from other values."""

import math
from typing import Any

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
def test_an_epoch_makes_no_more_passes_than_its_minimum_number_of_steps_requires(
    num_photos: int, settings: dict[str, int], passes: int
) -> None:
    params = TrainParams(**{"batch_size": 32, "min_epoch_steps": 30, **settings})
    assert params.passes_per_epoch(num_photos) == passes
    steps, steps_of_fewer = (
        math.ceil(number * num_photos / params.batch_size / params.accumulate) for number in (passes, passes - 1)
    )
    assert steps >= params.min_epoch_steps > steps_of_fewer or passes == 1


@pytest.mark.parametrize(
    ("section", "flips"),
    [
        ({"augmentation": "medium"}, [False]),
        ({"augmentation": "strong"}, [False]),
        ({"augmentation": "light"}, [False]),
        ({"augmentation": "none"}, [False]),
        ({"augmentation": {"horizontal_flip": True}}, [True]),
        ({"augmentation": "medium", "phases": ({"epochs": 1, "augmentation": "strong"}, {"epochs": 2})}, [False] * 2),
        ({"augmentation": "medium", "phases": ({"augmentation": {"horizontal_flip": True}}, {})}, [True, False]),
    ],
)
def test_removing_mirroring_changes_presets_but_not_custom_settings(section: dict[str, Any], flips: list[bool]) -> None:
    params = TrainParams.model_validate(section)
    unmirrored = params.without_mirror()
    assert [phase.augmentation_params.horizontal_flip for phase in unmirrored.all_phases] == flips
    for phase, unmirrored_phase in zip(params.all_phases, unmirrored.all_phases, strict=True):
        changed = unmirrored_phase.augmentation_params.model_dump() | {"horizontal_flip": True}
        assert changed == phase.augmentation_params.model_dump() | {"horizontal_flip": True}
    assert unmirrored.without_mirror() == unmirrored
