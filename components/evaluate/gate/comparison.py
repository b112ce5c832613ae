"""Tests whether two models differ by more than chance on the same photos: McNemar's test, intervals, recall losses."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from components.contract.artifacts.evaluation import Comparison
from components.contract.artifacts.figures import CONFIDENCE, Interval
from components.evaluate.formatting import percent
from components.evaluate.measure.metrics import macro_f1, percentile_interval

SIGNIFICANCE_LEVEL = 0.05
"""A difference is significant if chance alone produces one at least this large with a probability below this level."""
MIN_COMPARED = 5
"""With fewer photos, no difference is significant, even if one model is correct on all and the other on none."""
MIN_RESAMPLED = 30
"""With fewer photos, a bootstrap interval is too narrow to decide.

With 6 to 15 photos, such an interval favors a given one of two equally good models in 5 to 7 % of cases instead of the
intended 2.5 %.
"""


def compare(
    candidate: np.ndarray, champion: np.ndarray, labels: np.ndarray, *, resamples: int, rng: np.random.Generator
) -> Comparison:
    """Compares two models on the same photos, with McNemar's mid-p test and paired intervals.

    Args:
        candidate: int (n,), the labels that the candidate predicted.
        champion: int (n,), the labels that the champion predicted.
        labels: int32 (n,), the true labels.
        resamples: number of bootstrap resamples of the photos.
        rng: draws the resamples.
    """
    ours, theirs = candidate == labels, champion == labels
    num_won, num_lost = count_disagreements(ours, theirs)
    num_images, num_classes = len(labels), int(max(candidate.max(), champion.max(), labels.max())) + 1
    # Photos with the same label and predictions are drawn together, as a cell of (label, candidate, champion).
    cells, counts = np.unique(np.stack([labels, candidate, champion]), axis=1, return_counts=True)
    draws = rng.multinomial(num_images, counts / num_images, size=resamples)
    resampled_counts = np.concatenate([counts[None], draws]).astype(np.float64)
    one_hot = np.eye(num_classes)
    label, candidate_labels, champion_labels = cells
    macro_f1_scores = [
        macro_f1(
            resampled_counts @ (one_hot[label] * (label == predicted)[:, None]),
            resampled_counts @ one_hot[label],
            resampled_counts @ one_hot[predicted],
        )
        for predicted in (candidate_labels, champion_labels)
    ]
    macro_f1_difference = macro_f1_scores[0] - macro_f1_scores[1]
    return Comparison(
        num_images=num_images,
        candidate_accuracy=float(ours.mean()),
        champion_accuracy=float(theirs.mean()),
        num_won=num_won,
        num_lost=num_lost,
        p_value=mcnemar_mid_p(num_won, num_lost),
        accuracy_difference=accuracy_difference(num_won, num_lost, num_images),
        macro_f1_difference=percentile_interval(float(macro_f1_difference[0]), macro_f1_difference[1:]),
    )


def count_disagreements(candidate_correct: np.ndarray, champion_correct: np.ndarray) -> tuple[int, int]:
    """How many photos only the candidate classifies correctly, and how many only the champion."""
    num_won = int(np.count_nonzero(candidate_correct & ~champion_correct))
    num_lost = int(np.count_nonzero(~candidate_correct & champion_correct))
    return num_won, num_lost


def mcnemar(num_won: int, num_lost: int) -> float:
    """McNemar's exact two-sided test: the probability that chance divides the disagreements at least this unequally."""
    from scipy.stats import binomtest

    return float(binomtest(num_won, num_won + num_lost).pvalue) if num_won + num_lost else 1.0


def mcnemar_mid_p(num_won: int, num_lost: int) -> float:
    """Like `mcnemar`, but the observed division has half the weight (mid-p; Fagerland et al., 2013).

    With few photos, the exact test is so strict that it finds a difference between equally good models in 1 % of cases
    instead of the intended 5 %; mid-p also stays below 5 %, and detects more true differences.
    """
    from scipy.stats import binom

    fewer, num_differing = min(num_won, num_lost), num_won + num_lost
    return float(2 * binom.cdf(fewer, num_differing, 0.5) - binom.pmf(fewer, num_differing, 0.5))


def accuracy_difference(num_won: int, num_lost: int, num_images: int) -> Interval:
    """The candidate's accuracy minus the champion's, with the 95 % interval of Bonett and Price (2012).

    This interval does not become too narrow with few photos, unlike that of a bootstrap, which is ± 0 if the models
    agree on every photo, even if there are only three.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share_won, share_lost = ((number + 1) / (num_images + 2) for number in (num_won, num_lost))
    center = share_won - share_lost
    half_width = z * math.sqrt((share_won + share_lost - center**2) / (num_images + 2))
    value = (num_won - num_lost) / num_images
    return Interval(
        value=value, low=max(-1.0, min(value, center - half_width)), high=min(1.0, max(value, center + half_width))
    )


def find_recall_losses(
    candidate: np.ndarray, champion: np.ndarray, labels: np.ndarray, class_names: Sequence[str], floor: float
) -> tuple[list[str], bool]:
    """A sentence for each class whose recall falls by more than `floor`, and whether any such fall is significant."""
    sentences, any_significant = [], False
    for label, name in enumerate(class_names):
        in_class = labels == label
        ours, theirs = (predicted[in_class] == label for predicted in (candidate, champion))
        if not in_class.any() or theirs.mean() - ours.mean() <= floor:
            continue
        num_won, num_lost = count_disagreements(ours, theirs)
        # half the p-value, as in a one-sided test: the question is only whether the recall fell
        is_significant = mcnemar(num_won, num_lost) / 2 < SIGNIFICANCE_LEVEL
        any_significant |= is_significant
        sentences.append(
            f"The recall of {name} falls from {percent(theirs.mean())} to {percent(ours.mean())} (number of photos: "
            f"{np.count_nonzero(in_class)}), by more than evaluate.gate.max_recall_drop, {percent(floor)}"
            f"{'' if is_significant else '; with so few photos, this may be chance'}."
        )
    return sentences, any_significant
