"""The verdict on a candidate: data for those who promote, never an exception."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import DatasetInfo, Split
from components.contract.artifacts.evaluation import Comparison, Verdict, VerdictWord
from components.contract.artifacts.figures import Figures, Interval
from components.contract.params.pipeline import GateParams
from components.evaluate.formatting import percent
from components.evaluate.gate.champion import (
    Champion,
    NotComparableError,
    Rival,
    find_champion,
    first_line,
    score_champion,
)
from components.evaluate.measure.metrics import macro_f1, percentile_interval
from components.evaluate.measure.predictions import Predictions

log = logging.getLogger(__name__)

SURE = 0.05
"""A difference that chance makes less often than this is taken for one."""
ROUNDING = 1e-9
"""By so much a mean of recalls may differ from what it is."""
TEST_SET_TAG = "darkroom.test_set"
"""On every MLflow run whose model was scored: which test photos it was scored on."""


@dataclass(frozen=True)
class Candidate:
    """What is judged.

    Attributes:
        figures: on the test split.
        predictions: of it.
        split: its photos.
        latency_ms: of one photo through the graph.
        size_bytes: of the graph's files.
    """

    figures: Figures
    predictions: Predictions
    split: Split
    latency_ms: float
    size_bytes: int


@dataclass(frozen=True)
class Finding:
    """A verdict's word with its reasons."""

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
    """Says whether a candidate may be promoted, with every reason in plain words.

    Args:
        candidate: what is judged.
        model_name: of the registered model.
        params: floors, budgets, and which verdicts promote.
        dataset_dir: golden/ holds photos for a champion that takes another size.
        dataset: the candidate's.
        run_id: of the candidate's MLflow run, which is not counted twice.
        resamples: of the paired bootstrap.
        rng: draws them.
    """
    champion: Champion | None = None
    try:
        champion = find_champion(model_name)
    except Exception as error:  # MLflow raises its own, requests' and SQLAlchemy's errors alike
        finding = Finding(
            "not comparable",
            (f"The model registry could not be asked whether {model_name} has a champion: {first_line(error)}.",),
        )
    else:
        if champion is None:
            finding = Finding("first", (f"No version of {model_name} is the champion yet.",))
        else:
            finding = _against(champion, candidate, params, dataset_dir, dataset, resamples, rng)
    broken = broken_floors(candidate, params)
    word = "worse" if broken and finding.word != "not comparable" else finding.word
    return Verdict(
        verdict=word,
        reasons=(*finding.reasons, *broken),
        promoting=params.promote,
        champion=champion.version if champion else None,
        comparison=finding.comparison,
        looks=_looks(candidate.split, run_id),
    )


def broken_floors(candidate: Candidate, params: GateParams) -> tuple[str, ...]:
    """What the candidate must reach and does not, a sentence each."""
    accuracy, macro = candidate.figures.accuracy.value, candidate.figures.macro_f1.value
    latency_ms, size_mb = candidate.latency_ms, candidate.size_bytes / 1e6
    counts = np.unique(candidate.predictions.labels, return_counts=True)[1]
    one_name = float(counts.max() / counts.sum())
    is_chance = accuracy <= one_name and candidate.figures.balanced_accuracy.value <= 1 / len(counts) + ROUNDING
    checks = (
        (
            len(counts) > 1 and is_chance,
            f"It names {percent(accuracy)} of the test photos rightly, and one name for all of them would be right on "
            f"{percent(one_name)}: it has learnt nothing that tells the classes apart.",
        ),
        (
            accuracy < params.min_accuracy,
            f"Its accuracy of {percent(accuracy)} is below evaluate.gate.min_accuracy, {percent(params.min_accuracy)}.",
        ),
        (
            macro < params.min_macro_f1,
            f"Its macro F1 of {percent(macro)} is below evaluate.gate.min_macro_f1, {percent(params.min_macro_f1)}.",
        ),
        (
            params.max_latency_ms is not None and latency_ms > params.max_latency_ms,
            f"It takes {latency_ms:.1f} ms a photo, over evaluate.gate.max_latency_ms, {params.max_latency_ms}.",
        ),
        (
            params.max_size_mb is not None and size_mb > params.max_size_mb,
            f"Its graph has {size_mb:.1f} MB, over evaluate.gate.max_size_mb, {params.max_size_mb}.",
        ),
    )
    return tuple(reason for broken, reason in checks if broken)


def digest_of_test_set(split: Split) -> str:
    """Names a set of test photos with their labels, in whatever order they stand."""
    lines = sorted(f"{image_id} {label}" for image_id, label in zip(split.image_ids, split.labels, strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def count_looks(split: Split, run_id: str | None) -> int:
    """How many models have been scored on these test photos, this one included.

    Each look is a tag on its MLflow run, so that none is lost or counted twice, whoever scores at the same time.

    Raises:
        Exception: the store does not answer, in MLflow's or its libraries' own words.
    """
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient()
    experiments = [one.experiment_id for one in client.search_experiments(view_type=ViewType.ALL)]
    query = f"tags.`{TEST_SET_TAG}` = '{digest_of_test_set(split)}'"
    found: set[str] = set()
    token = None
    while token != "":
        page = client.search_runs(experiments, query, ViewType.ALL, max_results=1000, page_token=token)
        found |= {run.info.run_id for run in page}
        token = page.token or ""
    return len(found - {run_id}) + 1


def _looks(split: Split, run_id: str | None) -> int | None:
    try:
        return count_looks(split, run_id)
    except Exception as error:  # as above
        log.warning("MLflow could not be asked how often these test photos were looked at: %s.", first_line(error))
        return None


def compare(
    candidate: np.ndarray, champion: np.ndarray, labels: np.ndarray, *, resamples: int, rng: np.random.Generator
) -> Comparison:
    """McNemar's exact test, and the paired bootstrap, on photos that both have named.

    Args:
        candidate: int (n,), the label that it gave each photo.
        champion: the same.
        labels: int32 (n,), the true ones.
        resamples: of the photos.
        rng: draws them.
    """
    ours, theirs = candidate == labels, champion == labels
    won, lost = int(np.count_nonzero(ours & ~theirs)), int(np.count_nonzero(~ours & theirs))
    num, num_classes = len(labels), int(max(candidate.max(), champion.max(), labels.max())) + 1
    # Photos that both name alike are drawn together: cells of (label, candidate, champion), as many as there are.
    cells, counts = np.unique(np.stack([labels, candidate, champion]), axis=1, return_counts=True)
    drawn = np.concatenate([counts[None], rng.multinomial(num, counts / num, size=resamples)]).astype(np.float64)
    one_hot = np.eye(num_classes)
    label, first, second = cells
    scores = [
        macro_f1(drawn @ (one_hot[label] * (label == named)[:, None]), drawn @ one_hot[label], drawn @ one_hot[named])
        for named in (first, second)
    ]
    accuracy = drawn @ ((label == first).astype(float) - (label == second)) / num
    macro = scores[0] - scores[1]
    return Comparison(
        num_images=num,
        candidate_accuracy=float(ours.mean()),
        champion_accuracy=float(theirs.mean()),
        num_won=won,
        num_lost=lost,
        p_value=mcnemar(won, lost),
        accuracy_difference=percentile_interval(float(accuracy[0]), accuracy[1:]),
        macro_f1_difference=percentile_interval(float(macro[0]), macro[1:]),
    )


def mcnemar(won: int, lost: int) -> float:
    """How often chance alone divides photos on which two models differ at least so unequally (exact, two-sided)."""
    from scipy.stats import binomtest

    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def lost_recall(
    candidate: np.ndarray, champion: np.ndarray, labels: np.ndarray, class_names: Sequence[str], floor: float
) -> tuple[list[str], bool]:
    """The classes whose recall falls by more than the floor, a sentence each; and whether one surely does."""
    found, sure = [], False
    for label, name in enumerate(class_names):
        inside = labels == label
        ours, theirs = (named[inside] == label for named in (candidate, champion))
        if not inside.any() or theirs.mean() - ours.mean() <= floor:
            continue
        won, lost = int(np.count_nonzero(ours & ~theirs)), int(np.count_nonzero(~ours & theirs))
        surely = mcnemar(won, lost) / 2 < SURE  # one-sided: the question is whether it fell
        sure |= surely
        found.append(
            f"The recall of {name} falls from {percent(theirs.mean())} to {percent(ours.mean())} on "
            f"{np.count_nonzero(inside)} photos, by more than evaluate.gate.max_recall_drop, {percent(floor)}"
            f"{'' if surely else '; with so few photos it may be chance'}."
        )
    return found, sure


def _against(
    champion: Champion,
    candidate: Candidate,
    params: GateParams,
    dataset_dir: Path,
    dataset: DatasetInfo,
    resamples: int,
    rng: np.random.Generator,
) -> Finding:
    try:
        rival = score_champion(champion, dataset_dir, dataset, candidate.split)
    except NotComparableError as error:
        return Finding(
            "not comparable",
            (f"The champion, version {champion.version}, cannot be compared with this model. {error}",),
        )
    return decide(
        candidate.predictions, rival, dataset.class_names, params, champion.version, resamples=resamples, rng=rng
    )


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
    """The word and its reasons, from what both said of the same photos.

    Better is what is better for sure in accuracy or macro F1, and worse for sure in neither. Worse is what is worse for
    sure in one of them, or in a class. Everything else cannot be told.
    """
    labels, candidate = predictions.labels[rival.chosen], predictions.predicted[rival.chosen]
    found = compare(candidate, rival.predicted, labels, resamples=resamples, rng=rng)
    accuracy, macro = found.accuracy_difference, found.macro_f1_difference
    sure = found.p_value < SURE
    gains = (sure and found.num_won > found.num_lost, macro.low > 0)
    losses = (sure and found.num_won < found.num_lost, macro.high < 0)
    dropped, surely_dropped = lost_recall(candidate, rival.predicted, labels, class_names, params.max_recall_drop)
    word: VerdictWord = "cannot tell"
    if any(losses) or surely_dropped:
        word = "worse"
    elif any(gains) and not dropped:
        word = "better"
    part = (
        ""
        if found.num_images == len(predictions.labels)
        else (" The champion takes photos of another size, so only the test photos kept as files are compared.")
    )
    return Finding(
        word,
        (
            f"On the same {found.num_images:,} test photos, scored now, this model names "
            f"{percent(found.candidate_accuracy)} rightly and the champion, version {version}, "
            f"{percent(found.champion_accuracy)}.{part}",
            f"This model alone is right on {found.num_won}, the champion alone on {found.num_lost}; McNemar's exact "
            f"test gives p = {found.p_value:.3f}: {'more than chance' if sure else 'chance may explain it'}.",
            f"By paired bootstrap accuracy differs by {_points(accuracy)} and macro F1 by {_points(macro)} points.",
            *dropped,
        ),
        found,
    )


def _points(figure: Interval) -> str:
    """`+1.2 (-0.3 to +2.7)`, in hundredths."""
    return f"{100 * figure.value:+.1f} ({100 * figure.low:+.1f} to {100 * figure.high:+.1f})"
