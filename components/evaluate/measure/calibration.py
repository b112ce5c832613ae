"""Fits a model's calibration on the validation photos, and measures it on the test photos."""

import numpy as np

from components.contract.artifacts.dataset import Split
from components.contract.artifacts.figures import (
    CalibrationFigures,
    CoveragePoint,
    FamiliarityCheck,
    ReliabilityBin,
    wilson_interval,
)
from components.contract.inference.calibration import (
    Abstention,
    Calibration,
    CalibrationFacts,
    Familiarity,
    neighbor_distance,
    to_unit_length,
)
from components.contract.inference.graph import InferenceGraph
from components.contract.params.pipeline import EvaluateParams
from components.evaluate.measure.metrics import calibration_error, confidence_bins, photo_losses
from components.evaluate.measure.out_of_distribution import OUT_OF_DISTRIBUTION, PictureMaker
from components.evaluate.measure.predictions import BATCH_SIZE, Predictions, run_batches

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 20.0
NUM_NEIGHBORS = 5
MIN_ANSWERED = 10
"""With fewer answered validation photos, the accuracy of the answers is not meaningful."""
CURVE_POINTS = 40
NUM_OUT_OF_DISTRIBUTION = 48


def learn(validation: Predictions, reference: np.ndarray, params: EvaluateParams, export_sha256: str) -> Calibration:
    """Fits the temperature and the thresholds.

    Args:
        validation: the uncalibrated predictions for the validation photos.
        reference: float32 (n, features), embeddings of training photos.
        params: the evaluate section of the params.
        export_sha256: SHA-256 of the graph.
    """
    temperature = fit_temperature(validation.logits, validation.labels)
    # The reference is stored in half precision, so the thresholds are fitted on the rounded values.
    stored_reference = to_unit_length(reference).astype(np.float16).astype(np.float32)
    facts = CalibrationFacts(
        export_sha256=export_sha256,
        temperature=temperature,
        abstention=Abstention(target_accuracy=params.target_accuracy, threshold=None, coverage=1.0, accuracy=0.0),
        familiarity=_fit_familiarity(validation.embeddings, stored_reference, params.familiar_share),
    )
    probabilities = Calibration(facts, stored_reference).probabilities(validation.logits)
    abstention = find_abstention(probabilities, validation.labels, params.target_accuracy)
    return Calibration(facts.model_copy(update={"abstention": abstention}), stored_reference)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the lowest log loss (Guo et al., 2017), pulled toward 1 by a weak prior.

    The prior, a standard normal distribution of the log temperature, weighs less than one photo. It matters if every
    answer is correct: log loss alone would then push the temperature toward 0.

    Args:
        logits: float32 (n, classes).
        labels: int32 (n,).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    exact = logits.astype(np.float64)
    exact -= exact[np.arange(len(labels)), labels][:, None]

    def cost(log_temperature: float) -> float:
        losses = logsumexp(exact / np.exp(log_temperature), axis=1)
        return float(losses.sum() + log_temperature**2 / 2)

    solution = minimize_scalar(
        cost, bounds=np.log([MIN_TEMPERATURE, MAX_TEMPERATURE]), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(solution.x))


def find_abstention(probabilities: np.ndarray, labels: np.ndarray, target: float) -> Abstention:
    """Finds the lowest threshold at which the accuracy of the answered validation photos reaches the target.

    Args:
        probabilities: float32 (n, classes), calibrated.
        labels: int32 (n,).
        target: the target accuracy, from 0 to 1.
    """
    confidence = probabilities.max(axis=1)
    thresholds, accuracy, coverage = sweep_thresholds(confidence, probabilities.argmax(axis=1) == labels)
    has_enough = coverage * len(labels) >= min(MIN_ANSWERED, len(labels))
    qualifying = np.flatnonzero((accuracy >= target) & has_enough)
    if len(qualifying) == 0:
        return Abstention(target_accuracy=target, threshold=None, coverage=1.0, accuracy=float(accuracy[-1]))
    best = qualifying[-1]
    return Abstention(
        target_accuracy=target,
        # If the accuracy on all photos reaches the target, the model never abstains.
        threshold=0.0 if coverage[best] == 1 else float(thresholds[best]),
        coverage=float(coverage[best]),
        accuracy=float(accuracy[best]),
    )


def sweep_thresholds(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each distinct threshold, the highest first, with the accuracy and the coverage of the answers that reach it."""
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    # Of photos with equal confidence, either all are answered or none.
    last_of_ties = np.flatnonzero(np.diff(sorted_confidence, append=-1) != 0)
    num_answered = last_of_ties + 1
    accuracy = np.cumsum(correct[order])[last_of_ties] / num_answered
    return sorted_confidence[last_of_ties], accuracy, num_answered / len(confidence)


def draw_reference(split: Split, num_photos: int, rng: np.random.Generator) -> np.ndarray:
    """Draws at most `num_photos` photos, about the same number per class; returns their sorted indices."""
    shuffled = rng.permutation(len(split))
    labels = split.labels[shuffled]
    # The rank of each photo within its class: the first photos of all classes come before the second photos.
    rank_in_class = np.empty(len(split), np.int64)
    for label in np.unique(labels):
        rank_in_class[labels == label] = np.arange(np.count_nonzero(labels == label))
    return np.sort(shuffled[np.argsort(rank_in_class, kind="stable")[:num_photos]])


class Embedder:
    """Computes the embeddings of a split's photos; each embedding is computed only once, and only if requested."""

    def __init__(self, graph: InferenceGraph, split: Split):
        """Stores the graph and the split; embeddings are computed when they are requested."""
        self._graph = graph
        self._split = split
        self._embeddings: dict[int, np.ndarray] = {}

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        """The embeddings of some photos: float32 (n, features)."""
        new = np.array([index for index in indices if int(index) not in self._embeddings], np.int64)
        batches = (
            (start, self._split.gather(new[start : start + BATCH_SIZE])) for start in range(0, len(new), BATCH_SIZE)
        )
        if len(new):
            rows = run_batches(self._graph, batches, len(new), "reference")[1]
            self._embeddings |= zip(map(int, new), rows, strict=True)
        return np.stack([self._embeddings[int(index)] for index in indices])


def assess(
    calibration: Calibration, test: Predictions, graph: InferenceGraph, split: Split, rng: np.random.Generator
) -> CalibrationFigures:
    """Measures the calibration on the test photos.

    Args:
        calibration: fitted on the validation photos.
        test: the calibrated predictions for the test photos.
        graph: the exported graph, which scores pictures that belong to no class.
        split: the test photos.
        rng: draws the pictures that belong to no class.
    """
    uncalibrated = Predictions(test.split, test.image_ids, test.labels, test.logits, test.embeddings)
    abstains = calibration.abstains(test.probabilities)
    num_answered = int(np.count_nonzero(~abstains))
    num_correct = int(np.count_nonzero(test.correct & ~abstains))
    facts = calibration.facts
    return CalibrationFigures(
        temperature=facts.temperature,
        error_before=calibration_error(uncalibrated.labels, uncalibrated.probabilities),
        error_after=calibration_error(test.labels, test.probabilities),
        log_loss_before=float(photo_losses(uncalibrated.labels, uncalibrated.probabilities).mean()),
        log_loss_after=float(photo_losses(test.labels, test.probabilities).mean()),
        bins=reliability_bins(test),
        curve=coverage_curve(test),
        target_accuracy=facts.abstention.target_accuracy,
        threshold=facts.abstention.threshold,
        coverage=wilson_interval(num_answered, len(test.labels)),
        answered_accuracy=wilson_interval(num_correct, num_answered) if num_answered else None,
        familiarity=check_familiarity(calibration, test, graph, split, rng),
    )


def reliability_bins(predictions: Predictions) -> tuple[ReliabilityBin, ...]:
    """The confidence and accuracy in each confidence bin that is not empty."""
    confidence = predictions.probabilities.max(axis=1).astype(np.float64)
    bins = confidence_bins(confidence)
    return tuple(
        ReliabilityBin(
            num_images=int(np.count_nonzero(bins == bin_index)),
            sureness=float(confidence[bins == bin_index].mean()),
            accuracy=wilson_interval(
                int(np.count_nonzero(predictions.correct & (bins == bin_index))),
                int(np.count_nonzero(bins == bin_index)),
            ),
        )
        for bin_index in np.unique(bins)
    )


def coverage_curve(predictions: Predictions) -> tuple[CoveragePoint, ...]:
    """Coverage and accuracy at some thresholds, from the lowest (all photos answered) to the highest (few answered)."""
    thresholds, accuracy, coverage = sweep_thresholds(predictions.probabilities.max(axis=1), predictions.correct)
    indices = np.unique(np.linspace(0, len(thresholds) - 1, CURVE_POINTS).round().astype(int))[::-1]
    return tuple(
        CoveragePoint(
            threshold=float(thresholds[index]), coverage=float(coverage[index]), accuracy=float(accuracy[index])
        )
        for index in indices
    )


def check_familiarity(
    calibration: Calibration, test: Predictions, graph: InferenceGraph, split: Split, rng: np.random.Generator
) -> tuple[FamiliarityCheck, ...]:
    """The shares of test photos, noise and pictures of other things that are flagged as unfamiliar."""
    threshold = calibration.facts.familiarity.threshold
    test_distances = calibration.unfamiliarity(test.embeddings)
    checks = [_familiarity_check("the test photos", test_distances, threshold, None)]
    for kind, make_pictures in OUT_OF_DISTRIBUTION.items():
        distances = _out_of_distribution_distances(calibration, graph, make_pictures, split, rng)
        checks.append(_familiarity_check(kind, distances, threshold, test_distances))
    return tuple(checks)


def _out_of_distribution_distances(
    calibration: Calibration, graph: InferenceGraph, make_pictures: PictureMaker, split: Split, rng: np.random.Generator
) -> np.ndarray:
    pictures = make_pictures(split, NUM_OUT_OF_DISTRIBUTION, rng)
    embedding = graph.run(pictures, with_feature_map=False).embedding
    return calibration.unfamiliarity(embedding.reshape(len(pictures), -1))


def _familiarity_check(
    kind: str, distances: np.ndarray, threshold: float, test_distances: np.ndarray | None
) -> FamiliarityCheck:
    from sklearn.metrics import roc_auc_score

    roc_auc = None
    if test_distances is not None:
        is_out_of_distribution = np.repeat([False, True], [len(test_distances), len(distances)])
        roc_auc = float(roc_auc_score(is_out_of_distribution, np.concatenate([test_distances, distances])))
    num_flagged = int(np.count_nonzero(distances > threshold))
    return FamiliarityCheck(
        kind=kind, num_images=len(distances), flagged=wilson_interval(num_flagged, len(distances)), roc_auc=roc_auc
    )


def _fit_familiarity(validation: np.ndarray, reference: np.ndarray, share: float) -> Familiarity:
    num_neighbors = min(NUM_NEIGHBORS, len(reference))
    distances = neighbor_distance(validation, reference, num_neighbors)
    threshold = float(np.quantile(distances, share, method="higher"))
    return Familiarity(
        num_neighbours=num_neighbors,
        threshold=threshold,
        familiar_share=float(np.mean(distances <= threshold)),
        num_reference=len(reference),
    )
