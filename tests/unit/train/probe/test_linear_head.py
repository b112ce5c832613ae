"""The linear head of a probe."""

import numpy as np
import pytest

from components.train.probe.linear_head import cross_validate, draw_folds, fit_and_predict


def clouds(num: int, distance: float, dimensions: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of three classes, each centered on a different axis at this distance from the origin."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, num)
    centers = np.zeros((3, dimensions))
    centers[[0, 1, 2], [0, 1, 2]] = distance
    return (centers[labels] + rng.normal(0, 1, (num, dimensions))).astype(np.float32), labels


@pytest.mark.parametrize(("distance", "low", "high"), [(0.0, 0.23, 0.43), (2.5, 0.8, 0.97), (20.0, 1.0, 1.0)])
def test_the_accuracy_increases_with_the_distance_between_classes(distance: float, low: float, high: float) -> None:
    features, labels = clouds(300, distance, 5)
    accuracy = cross_validate(features, labels, draw_folds(labels, np.random.default_rng(0))).mean()
    assert low <= accuracy <= high


def test_many_useless_features_do_little_harm() -> None:
    features, labels = clouds(300, 4.0, 1500)
    accuracy = cross_validate(features, labels, draw_folds(labels, np.random.default_rng(0))).mean()
    assert accuracy > 0.6


def test_the_linear_head_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.preprocessing import StandardScaler

    from components.train.probe.linear_head import STRENGTHS

    features, labels = clouds(200, 2.0, 40)
    new_features, _ = clouds(500, 2.0, 40, seed=1)
    scaler = StandardScaler().fit(features)
    reference = RidgeClassifierCV(STRENGTHS).fit(scaler.transform(features), labels)
    predicted = fit_and_predict(features, labels, new_features)
    assert np.mean(predicted == reference.predict(scaler.transform(new_features))) > 0.98


def test_a_constant_feature_and_a_missing_class_do_no_harm() -> None:
    features, labels = clouds(60, 20.0, 4)
    features = np.hstack([features, np.full((60, 1), 7.0, np.float32)])
    predicted = fit_and_predict(features[labels != 2], labels[labels != 2], features)
    assert set(predicted) <= {0, 1}
    assert np.array_equal(predicted[labels != 2], labels[labels != 2])


@pytest.mark.parametrize(("num", "num_folds"), [(4, 2), (6, 3), (10, 5), (203, 5)])
def test_each_class_is_spread_over_the_folds(num: int, num_folds: int) -> None:
    labels = np.arange(num) % 2
    folds = draw_folds(labels, np.random.default_rng(3))
    assert len(np.unique(folds)) == num_folds
    for label in (0, 1):
        counts = np.bincount(folds[labels == label], minlength=num_folds)
        assert counts.max() - counts.min() <= 1
    assert np.array_equal(folds, draw_folds(labels, np.random.default_rng(3)))
