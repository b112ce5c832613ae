"""Computes the results for the verdict and the report: predictions, calibration, metrics, label errors, outliers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.dataset import Split, SplitName
from components.contract.artifacts.figures import AllFigures, Figures, FoldFigures
from components.contract.inference.calibration import Calibration
from components.contract.inference.graph import InferenceGraph
from components.contract.params.pipeline import EvaluateParams
from components.evaluate.data_quality.cross_fit import cross_fit
from components.evaluate.data_quality.embedding_map import EmbeddingMap, MapPhotos, draw_map
from components.evaluate.data_quality.label_errors import HeldOutPredictions, LabelError, find_label_errors, rank_errors
from components.evaluate.data_quality.outliers import Outlier, find_outliers
from components.evaluate.measure.calibration import Embedder, assess, draw_reference, learn
from components.evaluate.measure.cross_validation import cross_validate, has_frozen_features
from components.evaluate.measure.metrics import compute_figures
from components.evaluate.measure.predictions import Predictions, score
from components.evaluate.measure.robustness import disturb
from components.evaluate.measure.slices import Original, find_slices

log = logging.getLogger(__name__)

SCORED: tuple[SplitName, ...] = ("validation", "test")


@dataclass(frozen=True)
class Examination:
    """The results of `examine`.

    Attributes:
        scored: the calibrated predictions for the validation and test photos.
        label_errors: photos with doubtful labels, the most doubtful first.
        outliers: photos unlike all others, the farthest first.
        embedding_map: a map of photos from all splits; None if there are too few photos, or no
            training photos are searched.
    """

    scored: Mapping[SplitName, Predictions]
    calibration: Calibration
    figures: AllFigures
    label_errors: Sequence[LabelError]
    outliers: Sequence[Outlier]
    embedding_map: EmbeddingMap | None


def examine(
    graph: InferenceGraph,
    splits: Mapping[SplitName, Split],
    bundle: BundleInfo,
    params: EvaluateParams,
    originals: Mapping[str, Original],
    export_sha256: str,
) -> Examination:
    """Scores and calibrates the model, computes its metrics, and searches the data for label errors and outliers.

    Args:
        graph: the exported graph.
        splits: all three splits of the data set.
        bundle: the bundle that contains the graph.
        params: the evaluate section of the params.
        originals: the original files of the photos, by image_id, as far as they are known.
        export_sha256: SHA-256 of the graph.

    Raises:
        ArtifactError: the validation or test split is empty, or the graph returns numbers that are not finite.
    """
    class_names, test_split = bundle.class_names, splits["test"]
    uncalibrated = {
        name: score(graph, splits[name], name, len(class_names), with_features=params.folds is not None)
        for name in SCORED
    }
    reference_split = splits["train"] if len(splits["train"]) else splits["validation"]
    embed = Embedder(graph, reference_split)
    reference = draw_reference(reference_split, params.reference_photos, new_generator(params, "reference"))
    calibration = learn(uncalibrated["validation"], embed(reference), params, export_sha256)
    scored = {
        name: replace(predictions, temperature=calibration.facts.temperature)
        for name, predictions in uncalibrated.items()
    }
    test = scored["test"]
    folds = _cross_validate_features(graph, splits, uncalibrated, bundle, params)
    search = _search_data(embed, splits["train"], scored, len(class_names), params)
    split_figures = measure(scored, class_names, params)
    log.info("Measuring confidence, slices and robustness.")
    all_figures = AllFigures(
        class_names=class_names,
        validation=split_figures["validation"],
        test=split_figures["test"],
        calibration=assess(calibration, test, graph, test_split, new_generator(params, "strangers")),
        slices=find_slices(test, test_split, originals, class_names),
        robustness=disturb(graph, test_split, test, params.robustness_photos, new_generator(params, "disturbances")),
        folds=folds,
        num_label_errors=len(search.label_errors),
        num_outliers=len(search.outliers),
        num_searched=search.num_photos,
    )
    return Examination(scored, calibration, all_figures, search.label_errors, search.outliers, search.embedding_map)


def measure(
    scored: Mapping[SplitName, Predictions], class_names: tuple[str, ...], params: EvaluateParams
) -> dict[SplitName, Figures]:
    """Computes the metrics of each scored split; each split has its own random number generator for the resamples."""
    split_figures: dict[SplitName, Figures] = {}
    for name, predictions in scored.items():
        split_figures[name] = compute_figures(
            predictions.labels,
            predictions.probabilities,
            class_names,
            resamples=params.bootstrap_resamples,
            rng=new_generator(params, name),
        )
        if split_figures[name].absent_classes:
            log.warning(
                "The %s split has no photos of %s; its macro averages exclude classes without photos.",
                name,
                ", ".join(split_figures[name].absent_classes),
            )
    return split_figures


def new_generator(params: EvaluateParams, purpose: str) -> np.random.Generator:
    """A random number generator for one purpose; its draws do not depend on the draws for other purposes."""
    return np.random.default_rng((params.seed, *purpose.encode()))


def _cross_validate_features(
    graph: InferenceGraph,
    splits: Mapping[SplitName, Split],
    uncalibrated: Mapping[SplitName, Predictions],
    bundle: BundleInfo,
    params: EvaluateParams,
) -> FoldFigures | None:
    """Cross-validates if `params.folds` is set; includes the training photos if no features were learned from them."""
    if params.folds is None:
        return None
    # Without a feature map, only the embedding is available, and the head may have learned it from the training photos.
    frozen, num_classes = has_frozen_features(bundle) and "feature_map" in graph.outputs, len(bundle.class_names)
    fold_predictions = list(uncalibrated.values())
    if frozen and len(splits["train"]):
        fold_predictions.append(score(graph, splits["train"], "train", num_classes, with_features=True))
    folds = cross_validate(fold_predictions, params.folds, frozen=frozen, num_classes=num_classes, seed=params.seed)
    if folds is None:
        log.warning(
            "Cross-validation is skipped: at least two classes must have %d or more photos, one per fold.", params.folds
        )
    return folds


@dataclass(frozen=True)
class _DataSearch:
    """The results of searching the photos in all splits.

    Attributes:
        num_photos: the number of photos searched; 0 if no training photos were searched.
    """

    label_errors: Sequence[LabelError]
    outliers: Sequence[Outlier] = ()
    embedding_map: EmbeddingMap | None = None
    num_photos: int = 0


def _search_data(
    embed: Embedder,
    train: Split,
    scored: Mapping[SplitName, Predictions],
    num_classes: int,
    params: EvaluateParams,
) -> _DataSearch:
    """Searches the photos in all splits for doubtful labels and outliers, and draws a map of these photos.

    Held-out photos are judged by the network itself, training photos by a head that was not trained on them.
    """
    held_out = _hold_out(scored)
    errors = find_label_errors(held_out)
    num_train = min(len(train), params.searched_photos)
    if num_train == 0:
        return _DataSearch(errors)
    log.info(
        "Searching %s photos of all splits for label errors and outliers.", f"{num_train + len(held_out.labels):,}"
    )
    indices = draw_reference(train, num_train, new_generator(params, "searched photos"))
    train_embeddings = embed(indices)
    train_ids = [train.image_ids[index] for index in indices]
    splits = ["train"] * num_train + list(held_out.splits)
    image_ids = [*train_ids, *held_out.image_ids]
    labels = np.concatenate([train.labels[indices], held_out.labels])
    embeddings = np.concatenate([train_embeddings, *(predictions.embeddings for predictions in scored.values())])
    probabilities = cross_fit(embeddings, labels, num_classes, new_generator(params, "cross-fit"))[:num_train]
    cross_fitted = HeldOutPredictions(splits[:num_train], train_ids, labels[:num_train], probabilities)
    errors = rank_errors([*errors, *find_label_errors(cross_fitted)])
    outliers = find_outliers(splits, image_ids, labels, embeddings)
    predicted = np.concatenate([probabilities.argmax(axis=1), held_out.probabilities.argmax(axis=1)])
    doubtful = {error.image_id for error in errors} | {outlier.image_id for outlier in outliers}
    photos = MapPhotos(splits, image_ids, labels, predicted)
    embedding_map = draw_map(photos, embeddings, doubtful, new_generator(params, "embedding map"))
    return _DataSearch(errors, outliers, embedding_map, len(labels))


def _hold_out(scored: Mapping[SplitName, Predictions]) -> HeldOutPredictions:
    """The predictions for the validation and test photos, which the model was not trained on."""
    all_scored = list(scored.values())
    return HeldOutPredictions(
        splits=[predictions.split for predictions in all_scored for _ in predictions.image_ids],
        image_ids=[image_id for predictions in all_scored for image_id in predictions.image_ids],
        labels=np.concatenate([predictions.labels for predictions in all_scored]),
        probabilities=np.concatenate([predictions.probabilities for predictions in all_scored]),
    )
