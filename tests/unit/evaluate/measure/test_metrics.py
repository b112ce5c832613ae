"""The metrics agree with scikit-learn and with manual counts, and their intervals have about the nominal coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sklearn_metrics

from components.contract.artifacts.figures import Figures, wilson_interval
from components.evaluate.measure.metrics import (
    MATRIX_METRICS,
    bootstrap_matrix,
    calibration_error,
    compute_figures,
    confused_pairs,
)
from components.evaluate.measure.ranking import draw_weights, rank, resample

NAMES = ("cat", "dog", "owl")


def certain(predicted: list[int], num_classes: int = 3, confidence: float = 0.8) -> np.ndarray:
    """Probabilities that predict these classes: float32 (n, num_classes)."""
    rest = (1 - confidence) / (num_classes - 1)
    return (np.eye(num_classes)[predicted] * (confidence - rest) + rest).astype(np.float32)


def measure(labels: list[int], probabilities: np.ndarray, names: tuple[str, ...] = NAMES, seed: int = 0) -> Figures:
    return compute_figures(
        np.array(labels, np.int32), probabilities, names, resamples=200, rng=np.random.default_rng(seed)
    )


def test_metrics_of_a_small_case_equal_those_computed_by_hand() -> None:
    # cat: 2 of 3 right, 1 predicted as dog; dog: 1 of 2 right, 1 predicted as owl; owl: 1 of 1 right.
    figures = measure([0, 0, 0, 1, 1, 2], certain([0, 0, 1, 1, 2, 2]))
    assert figures.confusion_matrix.tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert (figures.num_correct, figures.num_images) == (4, 6)
    assert figures.accuracy.value == pytest.approx(4 / 6)
    cat, dog, owl = figures.per_class
    assert (cat.precision, dog.precision, owl.precision) == (1.0, 0.5, 0.5)
    assert [class_figures.recall.value for class_figures in (cat, dog, owl) if class_figures.recall] == pytest.approx(
        [2 / 3, 1 / 2, 1]
    )
    assert [cat.f1, dog.f1, owl.f1] == pytest.approx([0.8, 0.5, 2 / 3])
    assert figures.macro_f1.value == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)
    assert figures.weighted.f1 == pytest.approx((3 * 0.8 + 2 * 0.5 + 2 / 3) / 6)
    assert figures.log_loss.value == pytest.approx(-(4 * np.log(0.8) + 2 * np.log(0.1)) / 6)
    assert [(pair.class_name, pair.predicted_as, pair.num_images) for pair in figures.most_confused] == [
        ("dog", "owl", 1),
        ("cat", "dog", 1),
    ]
    assert figures.most_confused[0].share == 0.5


def test_metrics_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 8, 500).astype(np.int32)
    scores = rng.random((500, 8)) + 1.2 * np.eye(8)[labels] * rng.random((500, 1))
    probabilities = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    names = tuple(f"class {label}" for label in range(8))
    figures = compute_figures(labels, probabilities, names, resamples=100, rng=rng)
    predicted = probabilities.argmax(axis=1)
    assert figures.accuracy.value == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    for average, ours in (("macro", figures.macro), ("weighted", figures.weighted)):
        expected = sklearn_metrics.precision_recall_fscore_support(labels, predicted, average=average)[:3]
        assert (ours.precision, ours.recall, ours.f1) == pytest.approx(expected)
    assert figures.macro_f1.value == pytest.approx(figures.macro.f1)
    assert figures.top_2_accuracy == pytest.approx(sklearn_metrics.top_k_accuracy_score(labels, probabilities, k=2))
    assert figures.top_5_accuracy == pytest.approx(sklearn_metrics.top_k_accuracy_score(labels, probabilities, k=5))
    assert figures.top_2_accuracy is not None
    assert figures.top_5_accuracy is not None
    assert figures.accuracy.value < figures.top_2_accuracy < figures.top_5_accuracy < 1
    assert np.array_equal(figures.confusion_matrix, sklearn_metrics.confusion_matrix(labels, predicted))
    assert figures.balanced_accuracy.value == pytest.approx(sklearn_metrics.balanced_accuracy_score(labels, predicted))
    assert figures.cohen_kappa.value == pytest.approx(sklearn_metrics.cohen_kappa_score(labels, predicted))
    exact = probabilities / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    assert figures.log_loss.value == pytest.approx(sklearn_metrics.log_loss(labels, exact))
    assert figures.roc_auc is not None
    assert figures.average_precision is not None
    assert figures.roc_auc.value == pytest.approx(sklearn_metrics.roc_auc_score(labels, exact, multi_class="ovr"))
    one_hot = np.eye(8)[labels]
    assert figures.average_precision.value == pytest.approx(sklearn_metrics.average_precision_score(one_hot, exact))
    for figure in (
        figures.roc_auc,
        figures.average_precision,
        figures.log_loss,
        figures.cohen_kappa,
        figures.balanced_accuracy,
    ):
        assert figure.low < figure.value < figure.high


def test_a_class_without_photos_is_reported_and_left_out_of_macro_metrics() -> None:
    figures = measure([0, 0, 1, 1], certain([0, 0, 1, 2]))
    assert figures.absent_classes == ("owl",)
    owl = figures.per_class[2]
    assert (owl.num_images, owl.num_predicted) == (0, 1)
    assert (owl.precision, owl.recall, owl.f1) == (0.0, None, None)
    assert figures.macro_f1.value == pytest.approx((1 + 2 / 3) / 2)
    assert figures.macro.recall == pytest.approx((1 + 1 / 2) / 2)
    assert len(figures.confusion_matrix) == 3


def test_a_class_that_is_never_predicted_has_no_precision_and_counts_as_zero() -> None:
    figures = measure([0, 1, 2], certain([0, 1, 1]))
    assert figures.per_class[2].precision is None
    assert figures.per_class[2].f1 == 0
    assert figures.macro.precision == pytest.approx((1 + 0.5 + 0) / 3)


@pytest.mark.parametrize(("predicted", "value"), [(1, 1.0), (0, 0.0)])
def test_the_interval_for_a_single_photo_is_wide(predicted: int, value: float) -> None:
    figures = measure([1], certain([predicted]))
    assert figures.accuracy.value == figures.macro_f1.value == value
    assert figures.accuracy.high - figures.accuracy.low > 0.75
    assert figures.macro_f1.high - figures.macro_f1.low > 0.75
    assert figures.absent_classes == ("cat", "owl")


def test_the_accuracy_of_a_constant_prediction_is_the_share_of_its_class() -> None:
    figures = measure([0] * 6 + [1] * 3 + [2], certain([0] * 10))
    assert figures.accuracy.value == 0.6
    assert figures.macro_f1.value == pytest.approx(0.75 / 3)
    assert [class_figures.num_predicted for class_figures in figures.per_class] == [10, 0, 0]
    assert figures.macro_f1.low < figures.macro_f1.value < figures.macro_f1.high < figures.accuracy.value


def test_equal_probabilities_are_accepted() -> None:
    figures = measure([0, 1, 2], np.full((3, 3), 1 / 3, np.float32))
    assert figures.log_loss.value == pytest.approx(np.log(3))
    assert figures.accuracy.value == pytest.approx(1 / 3)


@pytest.mark.parametrize(("num_classes", "top_2", "top_5"), [(2, False, False), (5, True, False), (6, True, True)])
def test_top_k_accuracy_is_reported_if_it_is_meaningful(num_classes: int, top_2: bool, top_5: bool) -> None:
    names = tuple(f"class {label}" for label in range(num_classes))
    figures = measure([0, 1], certain([0, 1], num_classes), names)
    assert (figures.top_2_accuracy is not None, figures.top_5_accuracy is not None) == (top_2, top_5)


@given(st.integers(1, 5000).flatmap(lambda num: st.tuples(st.integers(0, num), st.just(num))))
def test_wilson_interval_equals_scipys_and_contains_its_value(case: tuple[int, int]) -> None:
    num_correct, num_images = case
    interval = wilson_interval(num_correct, num_images)
    expected = binomtest(num_correct, num_images).proportion_ci(method="wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high


@settings(max_examples=60, deadline=None)
@given(
    num_classes=st.integers(2, 6),
    cells=st.lists(st.integers(0, 12), min_size=36, max_size=36),
    seed=st.integers(0, 2**32 - 1),
)
def test_bootstrap_interval_contains_its_value_and_stays_within_0_and_1(
    num_classes: int, cells: list[int], seed: int
) -> None:
    matrix = np.array(cells[: num_classes**2]).reshape(num_classes, num_classes)
    matrix[0, 0] += 1
    interval = bootstrap_matrix(matrix, resamples=100, rng=np.random.default_rng(seed))["macro_f1"]
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high


def test_bootstrap_of_the_matrix_equals_a_bootstrap_over_photos() -> None:
    """Resampling the cells of the confusion matrix is equivalent to resampling the photos, within noise."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 150)
    predicted = np.where(rng.random(150) < 0.8, labels, rng.integers(0, 4, 150))
    matrix = sklearn_metrics.confusion_matrix(labels, predicted)
    resampled_indices = rng.integers(0, 150, (600, 150))
    scores = [
        sklearn_metrics.f1_score(labels[photos], predicted[photos], average="macro") for photos in resampled_indices
    ]
    interval = bootstrap_matrix(matrix, resamples=4000, rng=rng)["macro_f1"]
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(scores, [0.025, 0.975])), abs=0.015)
    assert interval.value == pytest.approx(sklearn_metrics.f1_score(labels, predicted, average="macro"))


def test_bootstrap_intervals_have_about_their_nominal_coverage() -> None:
    rng = np.random.default_rng(11)
    shares = np.array([[0.32, 0.03, 0.01], [0.04, 0.28, 0.02], [0.02, 0.03, 0.25]])
    num_right = np.diag(shares)
    truth = float(np.mean(2 * num_right / (shares.sum(axis=0) + shares.sum(axis=1))))
    num_covered = 0
    for _ in range(200):
        matrix = rng.multinomial(200, shares.ravel()).reshape(3, 3)
        interval = bootstrap_matrix(matrix, resamples=300, rng=rng)["macro_f1"]
        num_covered += interval.low <= truth <= interval.high
    assert 0.89 <= num_covered / 200 <= 0.99


def test_a_model_without_mistakes_has_an_interval() -> None:
    figures = measure([0, 1, 2] * 10, certain([0, 1, 2] * 10))
    assert figures.accuracy.value == figures.macro_f1.value == 1
    assert figures.accuracy.low == figures.macro_f1.low == pytest.approx(0.886, abs=0.001)
    assert figures.most_confused == ()


@pytest.mark.parametrize("name", sorted(MATRIX_METRICS.keys() - {"cohen_kappa"}))
def test_a_metric_of_the_matrix_is_1_without_mistakes_and_0_if_all_photos_are_wrong(name: str) -> None:
    """`bootstrap_matrix` relies on this."""
    num_true = np.array([3, 2, 4])
    assert MATRIX_METRICS[name](num_true, num_true, num_true) == 1
    assert MATRIX_METRICS[name](np.zeros(3), num_true, np.array([4, 3, 2])) == 0


def test_the_seed_determines_the_resamples() -> None:
    labels, probabilities = [0, 1, 2] * 20, certain([0, 1, 1] * 15 + [2, 1, 0] * 5)
    first, again, other = (measure(labels, probabilities, seed=seed).macro_f1 for seed in (1, 1, 2))
    assert first == again
    assert (first.low, first.high) != (other.low, other.high)


def test_confused_pairs_are_listed_in_descending_order_of_frequency() -> None:
    matrix = np.arange(36).reshape(6, 6)
    pairs = confused_pairs(matrix, tuple("abcdef"))
    assert len(pairs) == 30, "all pairs must be listed, although the figures contain only the first ten"
    assert [pair.num_images for pair in pairs] == sorted([pair.num_images for pair in pairs], reverse=True)
    assert (pairs[0].class_name, pairs[0].predicted_as, pairs[0].num_images) == ("f", "e", 34)
    assert all(pair.class_name != pair.predicted_as for pair in pairs)


@pytest.mark.parametrize("decimals", [1, 7])
def test_weighted_ranking_equals_scikit_learns_with_and_without_ties(decimals: int) -> None:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, 120).astype(np.int32)
    probabilities = np.round(rng.random((120, 3)) * 0.5 + 0.4 * np.eye(3)[labels], decimals).astype(np.float32)
    ours = resample(labels, probabilities, {}, resamples=5, rng=np.random.default_rng(1))
    weights = draw_weights(120, 5, np.random.default_rng(1))
    for number in range(5):
        expected = np.array(
            [
                [
                    score(labels == label, probabilities[:, label], sample_weight=weights[:, number])
                    for label in range(3)
                ]
                for score in (sklearn_metrics.roc_auc_score, sklearn_metrics.average_precision_score)
            ]
        ).mean(axis=1)
        assert (ours.roc_auc[number], ours.average_precision[number]) == pytest.approx(expected, abs=1e-5)


def test_each_resample_draws_as_many_photos_as_there_are() -> None:
    weights = draw_weights(50, 200, np.random.default_rng(0))
    assert weights.shape == (50, 200)
    assert (weights.sum(axis=0) == 50).all()
    assert weights.mean(axis=1) == pytest.approx(np.ones(50), abs=0.4)


def test_photos_of_a_single_class_cannot_be_ranked() -> None:
    figures = measure([1, 1, 1], certain([1, 0, 1]))
    assert figures.roc_auc is None
    assert figures.average_precision is None
    assert np.isnan(rank(np.array([1, 1], np.int32), certain([1, 0])).roc_auc).all()
    assert figures.cohen_kappa.value == 0.0, "kappa must be 0: always predicting the only class would be as good"


def test_a_model_that_always_predicts_one_class_is_no_better_than_chance() -> None:
    figures = measure([0] * 6 + [1] * 3 + [2] * 3, certain([0] * 12))
    assert figures.cohen_kappa.value == pytest.approx(0.0)
    assert figures.balanced_accuracy.value == pytest.approx(1 / 3)
    assert figures.roc_auc is not None
    assert figures.roc_auc.value == pytest.approx(0.5)


def test_calibration_error_of_a_small_case_equals_that_computed_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], np.float32)
    # Half of the predictions with confidence 0.9 are correct, and all of those with confidence 0.6.
    assert calibration_error(np.array([0, 1, 0, 0]), probabilities) == pytest.approx((0.4 + 0.4) / 2, abs=1e-6)


def test_calibration_error_is_small_if_confidence_equals_accuracy() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.5, 1, 20_000)
    probabilities = np.stack([confidence, 1 - confidence], axis=1).astype(np.float32)
    assert calibration_error((rng.random(20_000) > confidence).astype(int), probabilities) < 0.015
