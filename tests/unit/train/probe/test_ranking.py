"""How a probe ranks the candidates and chooses one."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from components.contract.artifacts.figures import wilson_interval
from components.contract.artifacts.probe import Probe, ProbedNetwork
from components.contract.params.probing import Choice
from components.train.probe.ranking import Measured, is_tied, rank


def network(name: str, num_right: int, milliseconds: float, num: int = 1000) -> Measured:
    """A candidate that classifies the first `num_right` photos correctly."""
    facts = ProbedNetwork(candidate=name, name=name, input_size=(224, 224), ms_per_photo=milliseconds)
    return Measured(facts, np.arange(num) < num_right)


LARGE, MEDIUM, SMALL, POOR = (
    network("large", 900, 40.0),
    network("medium", 899, 20.0),
    network("small", 898, 10.0),
    network("poor", 800, 5.0),
)


@pytest.mark.parametrize(
    ("choose", "max_ms", "chosen", "why"),
    [
        ("most_accurate", math.inf, "large", "it is the most accurate."),
        ("most_accurate", 25.0, "medium", "it is the most accurate that train.minutes allows."),
        ("most_accurate", 1.0, "poor", "it is the fastest, and none is fast enough for train.minutes."),
        ("fastest", math.inf, "small", "it is the fastest of the 3 that may be as accurate as the best."),
        ("fastest", 7.0, "poor", "it is the most accurate that train.minutes allows."),
    ],
)
def test_each_rule_chooses_a_network_and_explains_the_choice(
    choose: Choice, max_ms: float, chosen: str, why: str
) -> None:
    probe = rank([POOR, SMALL, LARGE, MEDIUM], [], choose, max_ms)
    assert probe.chosen == chosen
    assert probe.why == f"{chosen}: {why}"
    assert [entry.name for entry in probe.networks] == ["large", "medium", "small", "poor"]
    assert [entry.is_tied for entry in probe.networks] == [True, True, True, False]
    assert Probe.model_validate_json(probe.model_dump_json()) == probe


def test_a_network_that_is_clearly_the_most_accurate_is_tied_with_no_other() -> None:
    probe = rank([network("best", 950, 40.0), POOR], [], "fastest")
    assert (probe.chosen, probe.why) == ("best", "best: no other is as accurate.")


def test_the_fastest_of_equally_accurate_networks_is_chosen() -> None:
    assert rank([network("slow", 900, 2.0), network("quick", 900, 1.0)], [], "most_accurate").chosen == "quick"


def test_candidates_that_could_not_be_probed_are_listed_last_with_a_reason() -> None:
    missing = ProbedNetwork(candidate="gone", name="gone", reason="no weights")
    probe = rank([SMALL, LARGE], [missing], "most_accurate")
    assert probe.networks[-1] == missing
    assert probe.num_photos == 1000


def draw(rng: np.random.Generator, shares: Sequence[float], num: int) -> list[np.ndarray]:
    """Draws, for each of these accuracies, which photos a classifier classifies correctly: bool (num,) each."""
    return [rng.random(num) < share for share in shares]


def test_equal_networks_are_tied_in_about_95_of_100_probes() -> None:
    rng = np.random.default_rng(0)
    pairs = [sorted(draw(rng, (0.8, 0.8), 1000), key=np.mean, reverse=True) for _ in range(400)]
    share = np.mean([is_tied(*pair) for pair in pairs])
    assert 0.91 <= share <= 0.98


def test_networks_that_differ_by_ten_points_are_not_tied() -> None:
    rng = np.random.default_rng(0)
    assert np.mean([is_tied(*draw(rng, (0.90, 0.80), 1000)) for _ in range(100)]) < 0.02


@pytest.mark.parametrize(("num_right", "num"), [(0, 10), (7, 10), (30, 30), (861, 1000)])
def test_the_confidence_interval_equals_that_of_the_evaluation(num_right: int, num: int) -> None:
    interval = rank([network("only", num_right, 1.0, num)], [], "fastest").networks[0].accuracy
    reference = wilson_interval(num_right, num)
    assert interval is not None
    for value, expected in zip(interval.model_dump().values(), reference.model_dump().values(), strict=True):
        assert value == pytest.approx(expected, abs=1e-9)
