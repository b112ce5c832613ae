"""The verdict on a candidate: returned as data, never raised as an exception."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import DatasetInfo, Split
from components.contract.artifacts.evaluation import Comparison, Verdict, VerdictWord
from components.contract.artifacts.figures import Figures, Interval
from components.contract.params.pipeline import GateParams
from components.contract.text import join_names, pluralize
from components.contract.tracking.store import reason_of
from components.evaluate.formatting import percent
from components.evaluate.gate.champion import (
    Champion,
    NotComparableError,
    Rival,
    advise_more_photos,
    find_champion,
    score_champion,
)
from components.evaluate.gate.comparison import (
    MIN_COMPARED,
    MIN_RESAMPLED,
    SIGNIFICANCE_LEVEL,
    compare,
    find_recall_losses,
)
from components.evaluate.gate.looks import try_count_looks
from components.evaluate.measure.predictions import Predictions

ROUNDING = 1e-9
"""The tolerance for rounding errors in the balanced accuracy, which is a mean of recalls."""


@dataclass(frozen=True)
class Candidate:
    """The model to judge.

    Attributes:
        figures: the metrics on the test split.
        predictions: the predictions for the test split.
        split: the photos of the test split.
        latency_ms: the graph's time per photo.
        size_bytes: total size of the graph's files.
        train_image_ids: IDs of the photos that the model was trained on, if its bundle lists them.
    """

    figures: Figures
    predictions: Predictions
    split: Split
    latency_ms: float
    size_bytes: int
    train_image_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """A verdict with its reasons."""

    word: VerdictWord
    reasons: tuple[str, ...]
    comparison: Comparison | None = None


def judge(
    candidate: Candidate,
    model_name: str,
    params: GateParams,
    *,
    dataset_dir: Path,
    dataset: DatasetInfo,
    run_id: str | None,
    resamples: int,
    rng: np.random.Generator,
) -> Verdict:
    """Decides whether a candidate may be promoted, and states each reason in a sentence.

    Args:
        candidate: the model to judge.
        model_name: name of the registered model.
        params: the minimum metrics, the limits on latency and size, and the verdicts that promote a model.
        dataset_dir: contains manifest.parquet, and golden/: test photos stored as files, for a champion with a
            different image size.
        dataset: the candidate's data set.
        run_id: ID of the candidate's MLflow run, so that the candidate is not counted twice among the scored models.
        resamples: number of resamples of the paired bootstrap.
        rng: draws the resamples.
    """
    champion: Champion | None = None
    try:
        champion = find_champion(model_name)
    except Exception as error:  # MLflow raises its own errors and those of requests and SQLAlchemy
        finding = Finding(
            "not comparable",
            (f"The model registry did not report whether {model_name} has a champion: {reason_of(error)}.",),
        )
    else:
        if champion is None:
            finding = Finding("first", (f"No version of {model_name} is the champion yet.",))
        else:
            finding = _compare_with_champion(champion, candidate, params, dataset_dir, dataset, resamples, rng)
    violations = find_broken_floors(candidate, params)
    word = "worse" if violations and finding.word != "not comparable" else finding.word
    return Verdict(
        verdict=word,
        reasons=(*finding.reasons, *violations),
        promoting=params.promote,
        champion=champion.version if champion else None,
        comparison=finding.comparison,
        looks=try_count_looks(candidate.split, run_id),
    )


def find_broken_floors(candidate: Candidate, params: GateParams) -> tuple[str, ...]:
    """A sentence for each requirement that the candidate does not meet."""
    accuracy, macro_f1 = candidate.figures.accuracy.value, candidate.figures.macro_f1.value
    balanced_accuracy = candidate.figures.balanced_accuracy.value
    latency_ms, size_mb = candidate.latency_ms, candidate.size_bytes / 1e6
    class_counts = np.unique(candidate.predictions.labels, return_counts=True)[1]
    majority_share = float(class_counts.max() / class_counts.sum())
    is_chance = accuracy <= majority_share and balanced_accuracy <= 1 / len(class_counts) + ROUNDING
    checks = (
        (
            len(class_counts) > 1 and is_chance,
            f"This model classifies {percent(accuracy)} of the test photos correctly; always predicting the "
            f"majority class would reach {percent(majority_share)}. The model has not learned to separate the "
            "classes.",
        ),
        (
            accuracy < params.min_accuracy,
            f"The accuracy, {percent(accuracy)}, is below evaluate.gate.min_accuracy, {percent(params.min_accuracy)}.",
        ),
        (
            macro_f1 < params.min_macro_f1,
            f"The macro F1, {percent(macro_f1)}, is below evaluate.gate.min_macro_f1, {percent(params.min_macro_f1)}.",
        ),
        (
            params.max_latency_ms is not None and latency_ms > params.max_latency_ms,
            (
                f"The graph takes {latency_ms:.1f} ms per photo, more than evaluate.gate.max_latency_ms, "
                f"{params.max_latency_ms}."
            ),
        ),
        (
            params.max_size_mb is not None and size_mb > params.max_size_mb,
            f"The graph is {size_mb:.1f} MB, more than evaluate.gate.max_size_mb, {params.max_size_mb}.",
        ),
    )
    return tuple(reason for is_broken, reason in checks if is_broken)


def _compare_with_champion(
    champion: Champion,
    candidate: Candidate,
    params: GateParams,
    dataset_dir: Path,
    dataset: DatasetInfo,
    resamples: int,
    rng: np.random.Generator,
) -> Finding:
    try:
        rival = score_champion(champion, dataset_dir, dataset, candidate.split, candidate.train_image_ids)
    except NotComparableError as error:
        return Finding(
            "not comparable",
            (f"The champion, version {champion.version}, cannot be compared with this model. {error}",),
        )
    finding = decide(
        candidate.predictions, rival, dataset.class_names, params, champion.version, resamples=resamples, rng=rng
    )
    num_missing = MIN_COMPARED - len(rival.indices)
    if num_missing <= 0:
        return finding
    advice = (
        f"A significant difference requires at least {MIN_COMPARED} test photos that neither model was "
        f"trained on. {advise_more_photos(dataset, num_missing)}"
    )
    return replace(finding, reasons=(*finding.reasons, advice))


def decide(
    predictions: Predictions,
    rival: Rival,
    class_names: Sequence[str],
    params: GateParams,
    version: str,
    *,
    resamples: int,
    rng: np.random.Generator,
) -> Finding:
    """The verdict and its reasons, from the predictions of both models for the same photos.

    "better": significantly better in accuracy or macro F1, significantly worse in neither, and no class has a recall
    that drops too far. "worse": significantly worse in accuracy, in macro F1 or in the recall of a class. Otherwise:
    "cannot tell". With fewer than MIN_RESAMPLED photos, macro F1 is ignored.
    """
    labels, candidate = predictions.labels[rival.indices], predictions.predicted[rival.indices]
    comparison = compare(candidate, rival.predicted, labels, resamples=resamples, rng=rng)
    comparison = comparison.model_copy(update={"num_left_out": rival.num_left_out})
    macro_f1_difference = comparison.macro_f1_difference
    is_significant = comparison.p_value < SIGNIFICANCE_LEVEL
    is_resampled = comparison.num_images >= MIN_RESAMPLED
    gains = (is_significant and comparison.num_won > comparison.num_lost, is_resampled and macro_f1_difference.low > 0)
    losses = (
        is_significant and comparison.num_won < comparison.num_lost,
        is_resampled and macro_f1_difference.high < 0,
    )
    recall_losses, significant_recall_loss = find_recall_losses(
        candidate, rival.predicted, labels, class_names, params.max_recall_drop
    )
    word: VerdictWord = "cannot tell"
    if any(losses) or significant_recall_loss:
        word = "worse"
    elif any(gains) and not recall_losses:
        word = "better"
    chance = "significant" if is_significant else "it may be chance"
    missing = _describe_missing(rival, labels, predictions, class_names)
    return Finding(
        word,
        (
            f"Both models were scored on {pluralize(comparison.num_images, 'test photo')} that neither was "
            f"trained on: this model classifies {percent(comparison.candidate_accuracy)} correctly "
            f"and the champion, version {version}, {percent(comparison.champion_accuracy)}.{missing}",
            f"On {comparison.num_won} of these photos, only this model is correct; on {comparison.num_lost}, only the "
            f"champion. McNemar's mid-p test yields p = {comparison.p_value:.3f}: {chance}.",
            f"The difference is {_format_difference(comparison.accuracy_difference)} points in accuracy and "
            f"{_format_difference(macro_f1_difference)} points in macro F1"
            f"{'.' if is_resampled else f', which counts only with {MIN_RESAMPLED} or more photos.'}",
            *recall_losses,
        ),
        comparison,
    )


def _describe_missing(rival: Rival, labels: np.ndarray, predictions: Predictions, class_names: Sequence[str]) -> str:
    """States which test photos are not compared, and why; empty if all are compared."""
    num_images, text = len(predictions.labels), ""
    if rival.num_left_out:
        text += (
            f" Left out because one of the models was trained on the photo or on a near-duplicate: "
            f"{rival.num_left_out:,} of the {num_images:,} test photos."
        )
        absent_classes = [name for label, name in enumerate(class_names) if label not in labels]
        if absent_classes:
            text += f" The comparison has no photos of {join_names(absent_classes)}."
    if len(rival.indices) + rival.num_left_out < num_images:
        text += " The champion needs a different image size, so only the test photos stored as files are compared."
    return text


def _format_difference(figure: Interval) -> str:
    """Formats a difference and its interval in percentage points, as `+1.2 (-0.3 to +2.7)`."""
    return f"{100 * figure.value:+.1f} ({100 * figure.low:+.1f} to {100 * figure.high:+.1f})"
