"""What the figures mean, in plain sentences: what the model is worth and why, what to photograph or relabel next."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.dataset import DatasetInfo
from components.contract.artifacts.evaluation import EvaluationInfo
from components.contract.artifacts.figures import AllFigures, ClassFigures, Figures
from components.evaluate.formatting import estimate, interval, listed, percent, photos
from components.evaluate.measure.slices import is_clear

WEAK_RECALL = 0.1
"""How far below the mean recall a class stands out."""
LEARNT_BY_HEART = 0.08
"""A gap between training and validation accuracy that matters."""
LOST_SHARE = 0.03
UNRELIABLE_AUC = 0.85
OVERSURE = 0.02


def insights(
    info: EvaluationInfo,
    figures: AllFigures,
    dataset: DatasetInfo,
    bundle: BundleInfo,
    history: Mapping[str, Sequence[float]],
) -> list[str]:
    """Sentences, the most useful first."""
    return [
        *_worth(info, figures, bundle),
        *_weakest_class(figures.test, dataset),
        *_commonest_confusion(figures.test),
        *_labels(figures),
        *_slices(figures),
        *_training(bundle, history),
        *_calibration(figures),
        *_robustness(figures),
        *_strangers(figures),
    ]


def _worth(info: EvaluationInfo, figures: AllFigures, bundle: BundleInfo) -> Iterator[str]:
    test, comparison = figures.test, info.gate.comparison
    commonest = max(test.per_class, key=lambda one: one.num_images)
    share = commonest.num_images / test.num_images
    yield (
        f"{bundle.model.name} names {percent(test.accuracy.value)} of new photos rightly "
        f"({interval(test.accuracy)}), against {percent(share)} for always saying {commonest.class_name}. "
        f"{_effort(bundle)}"
    )
    if comparison is not None:
        best = {"better": "This model is the better one", "worse": "The champion stays the better one"}.get(
            info.gate.verdict, "Neither model is surely the better one"
        )
        yield (
            f"{best}: of {photos(comparison.num_won + comparison.num_lost)} that the two name differently in a way "
            f"that matters, this model is right on {comparison.num_won} and the champion on "
            f"{comparison.num_lost}."
        )
    if figures.folds is not None:
        yield (
            f"Across {figures.folds.num_folds} folds a head on the same features reaches "
            f"{estimate(figures.folds.accuracy)}, from "
            f"{percent(min(figures.folds.accuracies))} in the worst fold to "
            f"{percent(max(figures.folds.accuracies))} in the best: that is how much one small test split can "
            "mislead."
        )


def _effort(bundle: BundleInfo) -> str:
    facts = bundle.model
    if facts.kind == "pretrained" and facts.num_trained_parameters < facts.num_parameters / 2:
        return (
            f"It owes that to a backbone that had learnt from other photos before: only "
            f"{facts.num_trained_parameters:,} of its {facts.num_parameters:,} parameters were trained "
            "here."
        )
    return f"All of it was learnt from these photos, with {facts.num_trained_parameters:,} trained parameters."


def _weakest_class(test: Figures, dataset: DatasetInfo) -> Iterator[str]:
    known = [one for one in test.per_class if one.recall is not None]
    mean = test.balanced_accuracy.value
    weakest = min(known, key=lambda one: _recall(one))
    if len(known) < 2 or mean - _recall(weakest) < WEAK_RECALL:
        return
    counts = dataset.counts["train"]
    num, usual = counts.get(weakest.class_name, 0), median(counts.values())
    text = (
        f"Its weakest class is {weakest.class_name}: {percent(_recall(weakest))} of "
        f"{photos(weakest.num_images, 'test photo')} were found."
    )
    if num < usual:
        yield (
            f"{text} It had {photos(num, 'training photo')}, where {usual:g} are usual: photograph more "
            f"{weakest.class_name} next."
        )
    else:
        yield (
            f"{text} It had no fewer training photos than others ({num}), so the photos themselves are hard: add "
            "kinds of them that are missed, or look whether its labels hold."
        )


def _recall(one: ClassFigures) -> float:
    return one.recall.value if one.recall is not None else 1.0


def _commonest_confusion(test: Figures) -> Iterator[str]:
    if not test.most_confused or test.most_confused[0].num_images < 2:
        return
    pair = test.most_confused[0]
    wrong = test.num_images - test.num_correct
    yield (
        f"The commonest mistake takes {pair.class_name} for {pair.predicted_as}: {pair.num_images} of {wrong} "
        "wrong answers. Photos that show what sets the two apart are worth more than photos of other "
        "classes."
    )


def _labels(figures: AllFigures) -> Iterator[str]:
    num = figures.num_label_errors
    if num:
        yield (
            f"{photos(num)} look{'s' if num == 1 else ''} as if the label were wrong. Look at the first of "
            "label_errors.csv, mend what is wrong and give the file to darkroom data relabel: wrong labels cost "
            "twice, in training and in these figures."
        )


def _slices(figures: AllFigures) -> Iterator[str]:
    if not figures.slices:
        return
    worst = figures.slices[0]
    where = f"photos of {worst.trait} {worst.part!r}" if worst.trait == "folder" else f"{worst.part} photos"
    about = "" if worst.trait == "folder" else f" (by {worst.trait})"
    text = f"It does worst on {where}{about}: {percent(worst.accuracy.value)} of {worst.num_images}"
    if worst.accuracy.value >= figures.test.accuracy.value:
        return
    if is_clear(worst, figures.slices):
        yield f"{text}, which is more than chance. Photograph more like these."
    else:
        yield f"{text}; with so many slices looked at, chance may explain it."


def _training(bundle: BundleInfo, history: Mapping[str, Sequence[float]]) -> Iterator[str]:
    learnt, checked, at = history.get("accuracy"), history.get("val_accuracy"), bundle.best_epoch - 1
    if learnt and checked and at < min(len(learnt), len(checked)) and learnt[at] - checked[at] > LEARNT_BY_HEART:
        yield (
            f"It knows its training photos much better ({percent(learnt[at])}) than new ones "
            f"({percent(checked[at])}): more photos or stronger augmentation would help, longer training would "
            "not."
        )
    elif bundle.best_epoch == bundle.epochs_run > 1:
        yield (
            f"Its last epoch, {bundle.best_epoch}, was its best: it was still getting better, so that more epochs "
            "may help."
        )


def _calibration(figures: AllFigures) -> Iterator[str]:
    found = figures.calibration
    if found is None:
        return
    if found.error_before - found.error_after > OVERSURE:
        how = "too sure of itself" if found.temperature > 1 else "surer than it said"
        yield (
            f"It was {how}: sureness and accuracy lay {percent(found.error_before)} apart. A temperature of "
            f"{found.temperature:.2f}, learnt from the validation photos, brings that to "
            f"{percent(found.error_after)}."
        )
    target = percent(found.target_accuracy)
    if found.threshold is None:
        yield (
            f"No threshold makes {target} of its answers right on the validation photos, so that none is withheld: "
            "the model is not good enough for that target yet."
        )
    elif found.threshold > 0 and found.answered_accuracy is not None:
        yield (
            f"Answering only where it is at least {percent(found.threshold)} sure, it answers "
            f"{percent(found.coverage.value)} of the test photos and is right on "
            f"{percent(found.answered_accuracy.value)} of those; the target was {target}."
        )


def _robustness(figures: AllFigures) -> Iterator[str]:
    disturbed = figures.robustness[1:]
    if not disturbed:
        return
    worst = max(disturbed, key=lambda one: one.num_lost - one.num_won)
    lost = (worst.num_lost - worst.num_won) / worst.num_images
    if lost > LOST_SHARE:
        yield (
            f"Photos that are {worst.disturbance} cost it the most: {percent(lost)} of the answers. If such photos "
            "are to be expected, train with them."
        )
    else:
        yield "Mild blur, noise, compression and changes of light cost it next to nothing."


def _strangers(figures: AllFigures) -> Iterator[str]:
    if figures.calibration is None:
        return
    missed = [
        one.kind for one in figures.calibration.familiarity if one.roc_auc is not None and one.roc_auc < UNRELIABLE_AUC
    ]
    if missed:
        yield (
            f"It does not notice well that {listed(missed)} belong to no class: do not rely on its sense of the "
            "unfamiliar for such pictures."
        )
