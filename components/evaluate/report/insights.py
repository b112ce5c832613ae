"""What the metrics mean, in plain sentences: how good the model is and why, and what to photograph or relabel next."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.dataset import DatasetInfo
from components.contract.artifacts.evaluation import EvaluationInfo
from components.contract.artifacts.figures import AllFigures, ClassFigures, Figures
from components.contract.text import join_names, pluralize
from components.evaluate.formatting import estimate, interval, percent
from components.evaluate.measure.slices import is_clear

WEAK_RECALL = 0.1
"""The weakest class is mentioned if its recall is at least this far below the mean recall."""
OVERFITTING_GAP = 0.08
"""A larger gap between training and validation accuracy is reported as overfitting."""
MEMORIZED_ACCURACY = 0.95
"""At this training accuracy or above, the network has memorized its training photos."""
SLIGHT_AGREEMENT = 0.2
"""Up to this value, the agreement of predictions and labels beyond chance is slight (Landis and Koch, 1977)."""
MAX_LOST_SHARE = 0.03
UNRELIABLE_AUC = 0.85
OVERCONFIDENCE = 0.02


def list_insights(
    info: EvaluationInfo,
    figures: AllFigures,
    dataset: DatasetInfo,
    bundle: BundleInfo,
    history: Mapping[str, Sequence[float]],
) -> list[str]:
    """Lists the insights as sentences, the most useful first."""
    return [
        *_validation_at_chance(figures.validation, bundle, history),
        *_worth(info, figures, bundle),
        *_weakest_class(figures.test, dataset),
        *_commonest_confusion(figures.test),
        *_labels(figures),
        *_outliers(figures),
        *_slices(figures),
        *_training(figures.validation, bundle, history),
        *_calibration(figures),
        *_robustness(figures),
        *_out_of_distribution(figures),
    ]


def _worth(info: EvaluationInfo, figures: AllFigures, bundle: BundleInfo) -> Iterator[str]:
    test, comparison = figures.test, info.gate.comparison
    majority_class = _majority_class(test)
    share = majority_class.num_images / test.num_images
    yield (
        f"{bundle.model.name} classifies {percent(test.accuracy.value)} of the test photos correctly "
        f"({interval(test.accuracy)}), compared with {percent(share)} for always predicting "
        f"{majority_class.class_name}. {_effort(bundle)}"
    )
    if comparison is not None:
        conclusion = {"better": "This model is better", "worse": "The champion is still better"}.get(
            info.gate.verdict, "Neither model is significantly better"
        )
        num_differing = comparison.num_won + comparison.num_lost
        yield (
            f"{conclusion}: of the {pluralize(num_differing)} that only one of the two models classifies "
            f"correctly, this model is correct on {comparison.num_won} and the champion on {comparison.num_lost}. The "
            f"models were compared on {pluralize(comparison.num_images, 'test photo')} that neither was trained "
            "on."
        )
    if figures.folds is not None:
        yield (
            f"In {figures.folds.num_folds}-fold cross-validation, a head on the same features reaches an accuracy of "
            f"{estimate(figures.folds.accuracy)}, from {percent(min(figures.folds.accuracies))} in the "
            f"worst fold to {percent(max(figures.folds.accuracies))} in the best. This shows how misleading one "
            "small test split can be."
        )


def _effort(bundle: BundleInfo) -> str:
    facts = bundle.model
    if facts.kind == "pretrained" and facts.num_trained_parameters < facts.num_parameters / 2:
        return (
            f"Its backbone was pretrained on other photos: only {facts.num_trained_parameters:,} of the model's "
            f"{facts.num_parameters:,} parameters were trained in this run."
        )
    return f"It was trained on photos of this data set only, with {facts.num_trained_parameters:,} trained parameters."


def _weakest_class(test: Figures, dataset: DatasetInfo) -> Iterator[str]:
    classes_with_photos = [class_figures for class_figures in test.per_class if class_figures.recall is not None]
    mean = test.balanced_accuracy.value
    weakest = min(classes_with_photos, key=_recall)
    if len(classes_with_photos) < 2 or mean - _recall(weakest) < WEAK_RECALL:
        return
    counts = dataset.counts["train"]
    num_photos, usual_num = counts.get(weakest.class_name, 0), median(counts.values())
    text = (
        f"The weakest class is {weakest.class_name}: the model recognized {percent(_recall(weakest))} of its "
        f"{pluralize(weakest.num_images, 'test photo')}."
    )
    if num_photos < usual_num:
        yield (
            f"{text} The class has {pluralize(num_photos, 'training photo')}; the median is {usual_num:g}. Add photos "
            f"of {weakest.class_name} next."
        )
    else:
        yield (
            f"{text} The class has {pluralize(num_photos, 'training photo')}, at least the median of all classes, so "
            "its photos may be difficult: add photos like those that the model gets wrong, or check the labels."
        )


def _recall(class_figures: ClassFigures) -> float:
    return class_figures.recall.value if class_figures.recall is not None else 1.0


def _commonest_confusion(test: Figures) -> Iterator[str]:
    if not test.most_confused or test.most_confused[0].num_images < 2:
        return
    pair = test.most_confused[0]
    wrong = test.num_images - test.num_correct
    yield (
        f"The most common error is {pair.class_name} predicted as {pair.predicted_as}: {pair.num_images} "
        f"of {wrong} wrong answers. Photos that show the difference between the two classes help more than photos "
        "of other classes."
    )


def _labels(figures: AllFigures) -> Iterator[str]:
    num = figures.num_label_errors
    if num:
        yield (
            f"{pluralize(num)} look{'s' if num == 1 else ''} mislabeled. Check the photos at the top of "
            "label_errors.csv, correct their labels there, and pass the file to darkroom data relabel: wrong labels "
            "harm both training and these metrics."
        )


def _outliers(figures: AllFigures) -> Iterator[str]:
    num = figures.num_outliers
    if num:
        yield (
            f"{pluralize(num)} {'is' if num == 1 else 'are'} unlike the others. Check outliers.csv: such "
            "photos often show none of the classes."
        )


def _slices(figures: AllFigures) -> Iterator[str]:
    if not figures.slices:
        return
    worst = figures.slices[0]
    subject = f"photos in {worst.trait} {worst.part!r}" if worst.trait == "folder" else f"{worst.part} photos"
    qualifier = "" if worst.trait == "folder" else f" (by {worst.trait})"
    text = f"Accuracy is lowest on {subject}{qualifier}: {percent(worst.accuracy.value)} of {worst.num_images} photos"
    if worst.accuracy.value >= figures.test.accuracy.value:
        return
    if is_clear(worst, figures.slices):
        yield f"{text}. The difference is significant: add more photos like these."
    else:
        yield f"{text}. With so many slices compared, this may be chance."


def _validation_at_chance(
    validation: Figures, bundle: BundleInfo, history: Mapping[str, Sequence[float]]
) -> Iterator[str]:
    if not _is_at_chance(validation, history):
        return
    majority_class = _majority_class(validation)
    advice = (
        "check the labels of the validation photos, and whether they come from the same cameras and "
        "places as the training photos"
    )
    if any("batch_norm" in name for name in bundle.model.trained_layers):
        advice += "; then replace BatchNormalization with GroupNormalization, or raise train.batch_size"
    yield (
        f"Training accuracy reaches {percent(max(history['accuracy']))}, but validation accuracy is at chance: "
        f"{percent(validation.accuracy.value)} of {pluralize(validation.num_images)}, compared with "
        f"{percent(majority_class.num_images / validation.num_images)} for always predicting "
        f"{majority_class.class_name}. More epochs will not help: {advice}."
    )


def _is_at_chance(validation: Figures, history: Mapping[str, Sequence[float]]) -> bool:
    """Whether the network has memorized its training photos but is at chance on the validation photos."""
    accuracy, chance = validation.accuracy, _majority_class(validation).num_images / validation.num_images
    is_guessing = accuracy.low <= chance < 1 and accuracy.value - chance <= SLIGHT_AGREEMENT * (1 - chance)
    return is_guessing and max(history.get("accuracy", ()), default=0.0) >= MEMORIZED_ACCURACY


def _majority_class(figures: Figures) -> ClassFigures:
    return max(figures.per_class, key=lambda class_figures: class_figures.num_images)


def _training(validation: Figures, bundle: BundleInfo, history: Mapping[str, Sequence[float]]) -> Iterator[str]:
    if _is_at_chance(validation, history):
        return
    accuracies = list(zip(history.get("accuracy", ()), history.get("val_accuracy", ()), strict=False))
    train_accuracy, validation_accuracy = (accuracies[bundle.best_epoch - 1 :] or [(0.0, 0.0)])[0]
    if train_accuracy - validation_accuracy > OVERFITTING_GAP:
        yield (
            f"Accuracy is much higher on training photos ({percent(train_accuracy)}) than on validation photos "
            f"({percent(validation_accuracy)}): "
            "more photos or stronger augmentation would help; longer training would not."
        )
    elif bundle.best_epoch == bundle.epochs_run > 1:
        yield (
            f"The last epoch, {bundle.best_epoch}, was the best: the model was still improving, so more epochs may "
            "help."
        )


def _calibration(figures: AllFigures) -> Iterator[str]:
    calibration = figures.calibration
    if calibration is None:
        return
    if calibration.error_before - calibration.error_after > OVERCONFIDENCE:
        attitude = "overconfident" if calibration.temperature > 1 else "underconfident"
        yield (
            f"The model was {attitude}: confidence and accuracy differed by {percent(calibration.error_before)}. "
            f"A temperature of {calibration.temperature:.2f}, fitted on the validation photos, reduces "
            f"this difference to {percent(calibration.error_after)}."
        )
    target = percent(calibration.target_accuracy)
    if calibration.threshold is None:
        yield (
            f"There is no threshold at which {target} of the model's answers on the validation photos are "
            "correct, so it never abstains: the model is not accurate enough for this target yet."
        )
    elif calibration.threshold > 0 and calibration.answered_accuracy is not None:
        yield (
            f"If the model answers only when its confidence is at least {percent(calibration.threshold)}, it answers "
            f"{percent(calibration.coverage.value)} of the test photos and is correct on "
            f"{percent(calibration.answered_accuracy.value)} of those; the target was {target}."
        )


def _robustness(figures: AllFigures) -> Iterator[str]:
    disturbances = figures.robustness[1:]
    if not disturbances:
        return
    worst = max(disturbances, key=lambda check: check.num_lost - check.num_won)
    lost_share = (worst.num_lost - worst.num_won) / worst.num_images
    if lost_share > MAX_LOST_SHARE:
        yield (
            f"Of all disturbances, “{worst.disturbance}” reduces accuracy the most: {percent(lost_share)} more of the "
            "answers are wrong. If you expect such photos, train with them."
        )
    else:
        yield "Mild blur, noise, compression and brightness changes hardly reduce accuracy."


def _out_of_distribution(figures: AllFigures) -> Iterator[str]:
    if figures.calibration is None:
        return
    unnoticed_kinds = [
        check.kind
        for check in figures.calibration.familiarity
        if check.roc_auc is not None and check.roc_auc < UNRELIABLE_AUC
    ]
    if unnoticed_kinds:
        yield (
            f"The model does not reliably detect {join_names(unnoticed_kinds)} as unfamiliar: "
            "do not rely on its familiarity score for such pictures."
        )
