"""Comparing two models on the same photos, without a registry: significance, paired bootstrap and recall per class."""

import numpy as np
import pytest

from components.contract.params.pipeline import GateParams
from components.evaluate.gate.champion import Rival
from components.evaluate.gate.comparison import accuracy_difference, compare, mcnemar, mcnemar_mid_p
from components.evaluate.gate.verdict import Finding, decide
from components.evaluate.measure.predictions import Predictions


def decide_between(ours: list[int], theirs: list[int], labels: list[int], floor: float = 0.1) -> Finding:
    logits = 5 * np.eye(3, dtype=np.float32)[ours]
    predictions = Predictions(
        "test", [str(indices) for indices in range(len(labels))], np.array(labels, np.int32), logits, logits
    )
    rival = Rival(np.array(theirs), np.arange(len(labels)))
    return decide(
        predictions,
        rival,
        ("a", "b", "c"),
        GateParams(max_recall_drop=floor),
        "1",
        resamples=500,
        rng=np.random.default_rng(0),
    )


def test_a_better_model_with_lower_recall_for_one_class_gets_the_verdict_cannot_tell_or_worse() -> None:
    labels = [0] * 60 + [1] * 60 + [2] * 12
    champion = [1] * 30 + [0] * 30 + [1] * 60 + [2] * 12
    lost_some = [0] * 60 + [1] * 60 + [0] * 3 + [2] * 9
    finding = decide_between(lost_some, champion, labels)
    assert finding.word == "cannot tell"
    assert "The recall of c falls from 100 % to 75.0 % (number of photos: 12)" in finding.reasons[-1]
    assert "with so few photos, this may be chance" in finding.reasons[-1]
    assert decide_between(lost_some, champion, labels, floor=0.3).word == "better"
    lost_all = [0] * 60 + [1] * 60 + [0] * 12
    assert decide_between(lost_all, champion, labels).word == "worse"


def test_equally_good_models_are_seldom_called_better_or_worse() -> None:
    """200 pairs of models, each right on 80 % of the photos, independently of the other."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 60).astype(np.int32)
    words = []
    for _ in range(200):
        ours, theirs = (np.where(rng.random(180) < 0.8, labels, (labels + 1) % 3) for _ in range(2))
        words.append(decide_between(list(ours), list(theirs), list(labels), floor=1.0).word)
    assert words.count("cannot tell") >= 180


def test_mcnemar_is_exact_and_symmetric() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 6) == pytest.approx(2 * 0.5**6)
    assert mcnemar(3, 9) == mcnemar(9, 3) == pytest.approx(0.1459961)


@pytest.mark.parametrize(
    ("num_won", "num_lost", "p_value"),
    [(0, 0, 1.0), (3, 3, 1.0), (4, 0, 0.0625), (5, 0, 0.03125), (0, 5, 0.03125), (8, 1, 0.0214844), (1, 9, 0.0117188)],
)
def test_mid_p_is_the_exact_p_value_with_half_weight_for_the_observed_counts(
    num_won: int, num_lost: int, p_value: float
) -> None:
    assert mcnemar_mid_p(num_won, num_lost) == pytest.approx(p_value, abs=1e-7)


@pytest.mark.parametrize(
    ("num_won", "num_lost", "num_images", "low", "value", "high"),
    [
        # Computed by hand; for the first row: (5/11 - 1/11) ± 1.96 sqrt((6/11 - 16/121) / 11).
        (4, 0, 9, -0.0162, 4 / 9, 0.7435),
        (5, 0, 9, 0.0672, 5 / 9, 0.8419),
        (0, 0, 3, -0.5544, 0.0, 0.5544),
        (3, 0, 3, -0.1012, 1.0, 1.0),
        (40, 20, 200, 0.0238, 0.1, 0.1742),
    ],
)
def test_the_interval_of_the_difference_stays_wide_for_few_photos(
    num_won: int, num_lost: int, num_images: int, low: float, value: float, high: float
) -> None:
    difference, opposite = (
        accuracy_difference(*numbers, num_images) for numbers in ((num_won, num_lost), (num_lost, num_won))
    )
    assert (difference.low, difference.value, difference.high) == pytest.approx((low, value, high), abs=2e-4)
    assert (-opposite.high, -opposite.value, -opposite.low) == pytest.approx(
        (difference.low, difference.value, difference.high)
    )


@pytest.mark.parametrize("per_class", [1, 2, 3, 5])
def test_with_few_photos_equal_models_are_seldom_called_better(per_class: int) -> None:
    """With 9 photos, a bootstrap of macro F1 would call one of two equal models better in 7 % of cases."""
    rng = np.random.default_rng(per_class)
    labels = np.repeat([0, 1, 2], per_class).astype(np.int32)
    words = []
    for _ in range(300):
        ours, theirs = (np.where(rng.random(len(labels)) < 0.7, labels, (labels + 1) % 3) for _ in range(2))
        words.append(decide_between(list(ours), list(theirs), list(labels), floor=1.0).word)
    assert words.count("better") <= 0.04 * len(words)


def test_the_paired_bootstrap_equals_a_bootstrap_over_photos() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(4)
    labels = rng.integers(0, 3, 150)
    ours, theirs = (np.where(rng.random(150) < share, labels, rng.integers(0, 3, 150)) for share in (0.85, 0.7))
    comparison = compare(ours, theirs, labels, resamples=4000, rng=rng)
    resampled_indices = rng.integers(0, 150, (300, 150))
    differences = [
        f1_score(labels[indices], ours[indices], average="macro")
        - f1_score(labels[indices], theirs[indices], average="macro")
        for indices in resampled_indices
    ]
    low, high = np.quantile(differences, [0.025, 0.975])
    assert (comparison.macro_f1_difference.low, comparison.macro_f1_difference.high) == pytest.approx(
        (low, high), abs=0.02
    )
    accuracy = np.mean(ours == labels) - np.mean(theirs == labels)
    assert comparison.accuracy_difference.value == pytest.approx(accuracy)
