"""Our metrics equal those in published tables and in documentation."""

import numpy as np
import pytest

from components.contract.artifacts.figures import Figures, wilson_interval
from components.evaluate.gate.comparison import mcnemar
from components.evaluate.measure.metrics import calibration_error, compute_figures

LAND = ("forest", "oak", "mesquite", "grassland", "desertscrub", "riparian", "agriculture", "urban", "barren")
MAP = np.array(
    [
        [19, 1, 0, 0, 0, 0, 0, 0, 0],
        [3, 35, 0, 1, 0, 0, 0, 0, 0],
        [0, 0, 17, 3, 19, 0, 1, 0, 2],
        [0, 0, 12, 77, 12, 0, 1, 0, 2],
        [0, 0, 8, 13, 74, 0, 0, 0, 0],
        [0, 0, 0, 1, 1, 19, 2, 0, 0],
        [0, 0, 1, 4, 3, 2, 9, 1, 0],
        [0, 0, 0, 5, 3, 0, 0, 13, 0],
        [0, 0, 3, 10, 7, 0, 0, 0, 0],
    ]
)
"""Skirvin et al., 2004, in Lunetta and Lyon, Remote Sensing and GIS Accuracy Assessment, table 9.4: the number of
sites (384 in total), indexed by [class on the 1986 map][true class, from the aerial photo]."""


def of_matrix(matrix: np.ndarray, names: tuple[str, ...]) -> Figures:
    """Computes the figures of a confusion matrix, which is indexed by [true class][predicted class]."""
    true, predicted = (np.repeat(axis.ravel(), matrix.ravel()) for axis in np.indices(matrix.shape))
    probabilities = np.eye(len(names), dtype=np.float32)[predicted]
    return compute_figures(true.astype(np.int32), probabilities, names, resamples=100, rng=np.random.default_rng(0))


def test_a_land_cover_map_has_its_published_accuracies_and_kappa() -> None:
    figures = of_matrix(MAP.T, LAND)
    assert (figures.num_correct, figures.num_images) == (263, 384)
    assert round(100 * figures.accuracy.value) == 68
    assert round(figures.cohen_kappa.value, 2) == 0.61
    producers = [100 * class_figures.recall.value for class_figures in figures.per_class if class_figures.recall]
    users = [
        100 * class_figures.precision for class_figures in figures.per_class if class_figures.precision is not None
    ]
    # The table has whole numbers, some of them rounded up: 19 of 21 is printed as 91.
    assert producers == pytest.approx([86, 97, 42, 68, 62, 91, 69, 93, 0], abs=0.6)
    assert users == pytest.approx([95, 90, 41, 74, 78, 83, 45, 62, 0], abs=0.6)


@pytest.mark.parametrize(
    ("matrix", "kappa"),
    [([[20, 5], [10, 15]], 0.4), ([[45, 15], [25, 15]], 0.1304), ([[25, 35], [5, 35]], 0.2593)],
)
def test_kappa_equals_wikipedias_examples(matrix: list[list[int]], kappa: float) -> None:
    assert of_matrix(np.array(matrix), ("yes", "no")).cohen_kappa.value == pytest.approx(kappa, abs=5e-5)


@pytest.mark.parametrize(
    ("num_right", "num", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_equal_newcombes_table(num_right: int, num: int, low: float, high: float) -> None:
    """Newcombe, 1998, Statistics in Medicine 17, table I, the score method without continuity correction."""
    interval = wilson_interval(num_right, num)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize(("won", "lost", "p_value"), [(1, 7, 0.070), (6, 16, 0.052)])
def test_mcnemars_exact_test_agrees_with_published_examples(won: int, lost: int, p_value: float) -> None:
    """The two examples of Fagerland, Lydersen and Laake, 2013, BMC Medical Research Methodology 13:91."""
    assert round(mcnemar(won, lost), 3) == p_value


def test_calibration_error_agrees_with_torchmetrics_example() -> None:
    """The example of `multiclass_calibration_error` in TorchMetrics' documentation: 0.2000 for three bins."""
    probabilities = np.array([[0.25, 0.20, 0.55], [0.55, 0.05, 0.40], [0.10, 0.30, 0.60], [0.90, 0.05, 0.05]])
    error = calibration_error(np.array([0, 1, 2, 0]), probabilities.astype(np.float32), num_bins=3)
    assert error == pytest.approx(0.2000, abs=5e-5)


def test_our_report_agrees_with_scikit_learns_documentation() -> None:
    """The example of `classification_report` in scikit-learn's user guide: five samples, three classes."""
    matrix = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 2]])
    figures = of_matrix(matrix, ("class 0", "class 1", "class 2"))
    printed = [
        (round(class_figures.precision or 0, 2), round(class_figures.recall.value, 2), round(class_figures.f1 or 0, 2))
        for class_figures in figures.per_class
        if class_figures.recall
    ]
    assert printed == [(0.50, 1.00, 0.67), (0.00, 0.00, 0.00), (1.00, 0.67, 0.80)]
    assert round(figures.accuracy.value, 2) == 0.60
    assert tuple(round(value, 2) for value in (figures.macro.precision, figures.macro.recall, figures.macro.f1)) == (
        0.50,
        0.56,
        0.49,
    )
    assert tuple(
        round(value, 2) for value in (figures.weighted.precision, figures.weighted.recall, figures.weighted.f1)
    ) == (
        0.70,
        0.60,
        0.61,
    )


def test_probability_scores_agree_with_scikit_learns_documentation() -> None:
    """The examples in the documentation of `log_loss`, `roc_auc_score` and `average_precision_score`."""
    spam = np.array([[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]], np.float32)
    names, rng = ("ham", "spam"), np.random.default_rng(0)
    figures = compute_figures(np.array([1, 0, 0, 1], np.int32), spam, names, resamples=100, rng=rng)
    assert figures.log_loss.value == pytest.approx(0.21616, abs=5e-6)
    scores = np.array([0.1, 0.4, 0.35, 0.8], np.float32)
    ranked = compute_figures(
        np.array([0, 0, 1, 1], np.int32), np.stack([1 - scores, scores], axis=1), names, resamples=100, rng=rng
    ).per_class[1]
    assert ranked.roc_auc == 0.75
    assert ranked.average_precision == pytest.approx(0.83, abs=5e-3)
