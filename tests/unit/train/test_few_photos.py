"""With the default params, networks learn a separable problem from 20, 40 or 100 pictures per class."""

from pathlib import Path

import pytest

from tests.unit.train.few_photos import PROBLEMS, learn, linear_accuracy

NUM_PHOTOS = (20, 40, 100)
SEEDS = (0, 1, 2)


@pytest.mark.parametrize("network", ["small CNN", "custom CNN"])
def test_twenty_pictures_per_color_are_learned_in_five_epochs(network: str) -> None:
    accuracy, line = learn("colors", 20, network, 0, side=8, epochs=5)
    assert accuracy >= 0.95, line


@pytest.mark.proof
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("num_photos", NUM_PHOTOS)
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("network", ["small CNN", "custom CNN"])
def test_custom_networks_learn_a_separable_problem(network: str, problem: str, num_photos: int, seed: int) -> None:
    accuracy, line = learn(problem, num_photos, network, seed)
    print(line)
    assert accuracy >= 0.95, line


@pytest.mark.proof
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("num_photos", NUM_PHOTOS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_backbone_learns_at_least_as_well_as_a_linear_model_of_its_features(
    problem: str, num_photos: int, seed: int, shared_dir: Path
) -> None:
    """Features that were trained on ImageNet depend little on color, so no linear head reaches 95 % on some draws."""
    (weights,) = (shared_dir / "weights").glob("mobilenet_v2_*_no_top.h5")
    accuracy, line = learn(problem, num_photos, "MobileNetV2", seed, weights=weights)
    baseline = linear_accuracy(problem, num_photos, seed, weights)
    print(f"{line}; logistic regression on the frozen features: {baseline:.3f}")
    assert accuracy >= min(0.95, baseline), line
