"""Everything that is found out about a model before it is judged: scores, calibration, figures, doubtful labels."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.dataset import Split, SplitName
from components.contract.artifacts.figures import AllFigures, Figures
from components.contract.inference.calibration import Calibration
from components.contract.inference.graph import InferenceGraph
from components.contract.params.pipeline import EvaluateParams
from components.evaluate.measure.calibration import assess, draw_reference, embed, learn
from components.evaluate.measure.cross_validation import CrossValidation, cross_validate, has_frozen_features
from components.evaluate.measure.label_errors import Judged, LabelError, find_label_errors
from components.evaluate.measure.metrics import figures
from components.evaluate.measure.predictions import Predictions, score
from components.evaluate.measure.robustness import disturb
from components.evaluate.measure.slices import Original, find_slices

log = logging.getLogger(__name__)

SCORED: tuple[SplitName, ...] = ("validation", "test")


@dataclass(frozen=True)
class Examination:
    """What was found out.

    Attributes:
        scored: validation and test, calibrated.
        label_errors: the most doubtful first.
    """

    scored: Mapping[SplitName, Predictions]
    calibration: Calibration
    figures: AllFigures
    label_errors: Sequence[LabelError]


def examine(
    graph: InferenceGraph,
    splits: Mapping[SplitName, Split],
    bundle: BundleInfo,
    params: EvaluateParams,
    originals: Mapping[str, Original],
    export_sha256: str,
) -> Examination:
    """Scores the splits, learns the calibration from validation, and measures on test what both are worth.

    Args:
        graph: the exported graph.
        splits: of the data set, all three.
        bundle: of the graph.
        params: the section.
        originals: the files of the photos, by image_id, as far as they are known.
        export_sha256: of the graph.

    Raises:
        ArtifactError: a split that is scored is empty, or the graph's numbers are not finite.
    """
    names, test_split = bundle.class_names, splits["test"]
    plain = {
        name: score(graph, splits[name], name, len(names), with_features=params.folds is not None) for name in SCORED
    }
    calibration = learn(plain["validation"], _embed_reference(graph, splits, params), params, export_sha256)
    scored = {name: replace(one, temperature=calibration.facts.temperature) for name, one in plain.items()}
    test = scored["test"]
    folds = _fold(graph, splits, plain, bundle, params)
    errors = find_label_errors(folds.judged if folds else _judged(scored))
    measured = measure(scored, names, params)
    log.info("Looking at sureness, kinds of photos and disturbances.")
    found = AllFigures(
        class_names=names,
        validation=measured["validation"],
        test=measured["test"],
        calibration=assess(calibration, test, graph, test_split, generator(params, "strangers")),
        slices=find_slices(test, test_split, originals, names),
        robustness=disturb(graph, test_split, test, params.robustness_photos, generator(params, "disturbances")),
        folds=folds.figures if folds else None,
        num_label_errors=len(errors),
    )
    return Examination(scored, calibration, found, errors)


def measure(
    scored: Mapping[SplitName, Predictions], class_names: tuple[str, ...], params: EvaluateParams
) -> dict[SplitName, Figures]:
    """The figures of both splits. Each split draws its resamples by itself."""
    measured: dict[SplitName, Figures] = {}
    for name, predictions in scored.items():
        measured[name] = figures(
            predictions.labels,
            predictions.probabilities,
            class_names,
            resamples=params.bootstrap_resamples,
            rng=generator(params, name),
        )
        if measured[name].absent_classes:
            log.warning(
                "The %s split holds no photo of %s; its macro figures leave these classes out.",
                name,
                ", ".join(measured[name].absent_classes),
            )
    return measured


def generator(params: EvaluateParams, what: str) -> np.random.Generator:
    """Randomness for one purpose, so that what one purpose draws does not depend on what another drew."""
    return np.random.default_rng((params.seed, *what.encode()))


def _embed_reference(graph: InferenceGraph, splits: Mapping[SplitName, Split], params: EvaluateParams) -> np.ndarray:
    """Embeddings of some training photos; where there are none, of validation photos."""
    split = splits["train"] if len(splits["train"]) else splits["validation"]
    return embed(graph, split, draw_reference(split, params.reference_photos, generator(params, "reference")))


def _fold(
    graph: InferenceGraph,
    splits: Mapping[SplitName, Split],
    plain: Mapping[SplitName, Predictions],
    bundle: BundleInfo,
    params: EvaluateParams,
) -> CrossValidation | None:
    """The cross-validation where it is asked for, with the training photos if the features know nothing of them."""
    if params.folds is None:
        return None
    # Without a feature map only the embedding is left, and a head may have learnt it from the training photos.
    frozen, num_classes = has_frozen_features(bundle) and "feature_map" in graph.outputs, len(bundle.class_names)
    taking_part = list(plain.values())
    if frozen and len(splits["train"]):
        taking_part.append(score(graph, splits["train"], "train", num_classes, with_features=True))
    found = cross_validate(taking_part, params.folds, frozen=frozen, num_classes=num_classes, seed=params.seed)
    if found is None:
        log.warning(
            "A cross-validation needs %d photos of each of two classes, one a fold; there are fewer.", params.folds
        )
    return found


def _judged(scored: Mapping[SplitName, Predictions]) -> Judged:
    """Validation and test photos, which the model did not learn from."""
    all_scored = list(scored.values())
    return Judged(
        splits=[one.split for one in all_scored for _ in one.image_ids],
        image_ids=[image_id for one in all_scored for image_id in one.image_ids],
        labels=np.concatenate([one.labels for one in all_scored]),
        probabilities=np.concatenate([one.probabilities for one in all_scored]),
    )
