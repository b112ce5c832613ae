"""The plan for a time limit: as many epochs and views as fit."""

import pytest

from components.train.budget.plan import PhaseCost, Plan, least_seconds, make_plan

HEAD = PhaseCost(epoch=1.0, views=(10.0,) * 5, once=5.0)
BLOCKS = PhaseCost(epoch=20.0, views=(10.0,) * 5, once=5.0)
BALANCED = [HEAD, BLOCKS]
"""3 epochs of the head cost 3 s, plus 30 s for views and 5 s once; 10 epochs of the blocks cost 200 s, plus 50 s for
views and 5 s once; 293 s in all."""


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (10_000, Plan((3, 10), 5, 293.0)),  # never more epochs than in the params
        (293, Plan((3, 10), 5, 293.0)),
        (292, Plan((3, 9), 5, 273.0)),
        (193, Plan((2, 5), 5, 182.0)),
        (172, Plan((2, 5), 4, 172.0)),  # views are dropped before the epochs fall below half
        (145, Plan((2, 5), 1, 132.0)),
        (131, Plan((1, 4), 3, 131.0)),  # a single epoch of the head needs no second view
        (71, Plan((1, 2), 1, 71.0)),
        (70, Plan((13,), 5, 68.0)),  # too few epochs of the blocks: the head gets the time instead
        (27, Plan((12,), 1, 27.0)),
        (16, Plan((1,), 5, 16.0)),
        (15.9, None),
    ],
)
def test_a_plan_has_as_many_epochs_and_views_as_fit(seconds: float, expected: Plan | None) -> None:
    assert make_plan(BALANCED, (3, 10), 5, seconds) == expected


def test_cached_views_take_no_time_and_are_kept() -> None:
    cached = PhaseCost(epoch=10.0, views=(0.0, 0.0, 0.0, 30.0, 30.0))
    assert make_plan([cached], (10,), 5, 59) == Plan((5,), 3, 50.0)
    assert make_plan([cached], (10,), 5, 130) == Plan((7,), 5, 130.0)
    assert make_plan([PhaseCost(epoch=10.0, views=(0.0,) * 5)], (10,), 5, 100) == Plan((10,), 5, 100.0)


@pytest.mark.parametrize(
    ("epochs_before", "views", "seconds"), [(0, 5, 255.0), (2, 5, 235.0), (4, 5, 225.0), (4, 2, 205.0)]
)
def test_views_that_the_previous_phase_also_computes_are_counted_once(
    epochs_before: int, views: int, seconds: float
) -> None:
    blocks = PhaseCost(epoch=20.0, views=(10.0,) * 5, once=5.0, shared_views=3)
    assert blocks.seconds(10, views, epochs_before) == seconds


def test_a_plan_shares_the_views_of_two_phases() -> None:
    blocks = PhaseCost(epoch=20.0, views=(10.0,) * 5, once=5.0, shared_views=5)
    assert make_plan([HEAD, blocks], (3, 10), 5, 10_000) == Plan((3, 10), 5, 263.0)


def test_without_cached_features_only_epochs_can_be_reduced() -> None:
    assert make_plan([PhaseCost(epoch=10.0, once=3.0)], (40,), 3, 50) == Plan((4,), 3, 43.0)
    assert make_plan([PhaseCost(epoch=10.0, once=3.0)], (40,), 3, 12) is None


@pytest.mark.parametrize("seconds", range(16, 400, 7))
def test_a_plan_fits_and_one_more_epoch_would_not(seconds: int) -> None:
    plan = make_plan(BALANCED, (3, 10), 5, seconds)
    assert plan is not None
    *earlier, last = plan.epochs
    costs = BALANCED[: len(plan.epochs)]
    needed = [
        sum(cost.seconds(number, plan.views) for cost, number in zip(costs, epochs, strict=True))
        for epochs in (plan.epochs, (*earlier, last + 1))
    ]
    assert needed[0] == plan.seconds <= seconds
    assert needed[1] > seconds or last == (10 if earlier else 13) or round(3 * (last + 1) / 10) > earlier[0]


def test_the_shortest_plan_is_one_epoch_of_the_first_phase() -> None:
    assert least_seconds(BALANCED) == 16.0
    assert make_plan(BALANCED, (3, 10), 5, least_seconds(BALANCED)) is not None
