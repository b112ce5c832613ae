"""Cross-validation on the network's features, for data so small that one test split is unreliable.

Features may only be used on photos that they were not learned from. A frozen backbone has seen none of the photos; a
network that was trained completely has seen the training photos, which are therefore left out.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np

from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.figures import CONFIDENCE, FoldFigures, Interval, wilson_interval
from components.contract.layers.stack import parse_layer
from components.evaluate.measure.predictions import Predictions

FEW_PHOTOS = 1000
"""With fewer photos, cross-validation is more reliable than one test split."""
REGULARIZATION = 0.01
"""scikit-learn's C for standardized features; low because there are at least as many features as photos."""
MAX_STEPS = 300

FROZEN = (
    "A new head was trained for each fold, on the features of the frozen backbone. The backbone was not trained on "
    "these photos, so all of them, including the training photos, are divided into folds."
)
TRAINED = (
    "A new head was trained for each fold, on the network's features. These were learned from the "
    "training photos, so only validation and test photos are divided into folds."
)


def has_frozen_features(bundle: BundleInfo) -> bool:
    """Whether the feature map is that of the unchanged pretrained backbone.

    This is the case if no layer before the head was trained, and the head has no convolutions, because these would
    produce a different feature map.
    """
    model = bundle.params.get("model", {})
    if bundle.model.kind != "pretrained" or model.get("weights") in (None, "none"):
        return False
    head_params = model.get("head")
    head_layers = [parse_layer(layer) for layer in (head_params if isinstance(head_params, list) else ())]
    kinds = {layer.kind for layer in head_layers}
    own_prefixes = ("logits", *(kind.lower().replace("normalization", "_normalization") for kind in kinds))
    names = {layer.name for layer in head_layers if layer.name}
    trained_layers = bundle.model.trained_layers
    return not any("Conv" in kind for kind in kinds) and all(
        name in names or name.startswith(own_prefixes) for name in trained_layers
    )


def cross_validate(
    scored: Sequence[Predictions], num_folds: int, *, frozen: bool, num_classes: int, seed: int
) -> FoldFigures | None:
    """For each fold in turn, trains a logistic regression on the other folds and tests it on this fold.

    Args:
        scored: predictions with features; they must not include photos that the features were learned from.
        num_folds: number of folds, at least 2.
        frozen: whether the features were learned from none of the photos in the data set.
        num_classes: number of classes in the data set.
        seed: the seed for dividing the photos into folds.

    Returns:
        The metrics; None if fewer than two classes have at least one photo per fold.
    """
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold

    features = np.concatenate(
        [predictions.embeddings if predictions.features is None else predictions.features for predictions in scored]
    )
    labels = np.concatenate([predictions.labels for predictions in scored])
    # A class needs at least one photo in each fold.
    usable = np.flatnonzero(np.bincount(labels, minlength=num_classes)[labels] >= num_folds)
    features, labels = features[usable], labels[usable]
    if len(np.unique(labels)) < 2:
        return None
    probabilities = np.zeros((len(labels), num_classes), np.float32)
    accuracies, macro_f1s = [], []
    for train, test in StratifiedKFold(num_folds, shuffle=True, random_state=seed).split(features, labels):
        probabilities[test] = _fit_and_predict(features[train], labels[train], features[test], num_classes)
        predicted = probabilities[test].argmax(axis=1)
        accuracies.append(float(np.mean(predicted == labels[test])))
        macro_f1s.append(float(f1_score(labels[test], predicted, average="macro")))
    num_right = int(np.count_nonzero(probabilities.argmax(axis=1) == labels))
    pooled_interval = wilson_interval(num_right, len(labels))
    accuracy = corrected_interval(accuracies)
    return FoldFigures(
        num_folds=num_folds,
        num_images=len(labels),
        what=FROZEN if frozen else TRAINED,
        # If the folds happen to agree, the interval must not be narrower than the interval for all photos together.
        accuracy=accuracy.model_copy(
            update={"low": min(accuracy.low, pooled_interval.low), "high": max(accuracy.high, pooled_interval.high)}
        ),
        macro_f1=corrected_interval(macro_f1s),
        accuracies=tuple(accuracies),
    )


def corrected_interval(scores: Sequence[float]) -> Interval:
    """The mean of the folds' scores, with its 95 % interval corrected as in Nadeau and Bengio (2003).

    Any two folds share most of their training photos, so their scores differ less than scores on fresh data would; the
    usual standard error of the mean would be far too small.
    """
    from scipy.stats import t

    num_folds = len(scores)
    mean = float(np.mean(scores))
    variance = float(np.var(scores, ddof=1)) * (1 / num_folds + 1 / (num_folds - 1))
    half_width = float(t.ppf((1 + CONFIDENCE) / 2, num_folds - 1)) * math.sqrt(variance)
    return Interval(value=mean, low=max(0.0, mean - half_width), high=min(1.0, mean + half_width))


def _fit_and_predict(
    train_features: np.ndarray, train_labels: np.ndarray, test_features: np.ndarray, num_classes: int
) -> np.ndarray:
    """Probabilities of a logistic regression: float64 (n, num_classes); 0 for a class without training photos."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=REGULARIZATION, max_iter=MAX_STEPS))
    with warnings.catch_warnings():
        # The solver may reach the maximum number of iterations before it converges; its last result is good enough.
        warnings.simplefilter("ignore")
        model.fit(train_features, train_labels)
    probabilities = np.zeros((len(test_features), num_classes))
    probabilities[:, model.classes_] = model.predict_proba(test_features)
    return probabilities
