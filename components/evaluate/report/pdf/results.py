"""The second part of the report on paper: figures, failures and calibration."""

from components.contract.artifacts.figures import Interval
from components.evaluate.formatting import interval, percent, pluralize
from components.evaluate.measure.slices import is_clear
from components.evaluate.report.model import EXPLANATION_TEXTS, Content
from components.evaluate.report.pdf.story import Story

MOST_PHOTOS = 12


def add_results(story: Story, content: Content) -> None:
    """The figures of both splits, and those of each class."""
    test, validation = content.figures.test, content.figures.validation
    story.heading("Results")
    rows = [["figure", "test", "95 % interval", "validation"]]
    for name, key, is_share in (
        ("accuracy", "accuracy", True),
        ("balanced accuracy", "balanced_accuracy", True),
        ("macro F1", "macro_f1", True),
        ("Cohen’s kappa", "cohen_kappa", False),
        ("ROC AUC", "roc_auc", False),
        ("average precision", "average_precision", False),
        ("log loss", "log_loss", False),
    ):
        rows.append([name, *_cells(getattr(test, key), is_share), _cells(getattr(validation, key), is_share)[0]])
    rows.append(["calibration error", percent(test.calibration_error), "", percent(validation.calibration_error)])
    for average in ("macro", "weighted"):
        for key in ("precision", "recall", "f1"):
            if (average, key) != ("macro", "f1"):  # stands above, with its interval
                test_value, validation_value = (getattr(getattr(split, average), key) for split in (test, validation))
                rows.append(
                    [f"{average} {key.replace('f1', 'F1')}", percent(test_value), "", percent(validation_value)]
                )
    for rank_text, key in (("the first 2", "top_2_accuracy"), ("the first 5", "top_5_accuracy")):
        if getattr(test, key) is not None:
            rows.append(
                [
                    f"right class among {rank_text}",
                    percent(getattr(test, key)),
                    "",
                    percent(getattr(validation, key)),
                ]
            )
    story.table(rows, (0.36, 0.16, 0.26, 0.16))
    folds = content.figures.folds
    if folds is not None:
        story.text(
            f"{folds.num_folds} folds: accuracy {percent(folds.accuracy.value)} "
            f"({interval(folds.accuracy)}), macro F1 {percent(folds.macro_f1.value)}. "
            f"{folds.what}"
        )
    story.chart(content, "confusion_matrix", 0.8)
    if "confusion_matrix" not in content.charts and test.most_confused:
        story.text("The most confused classes; report.html lists all and lets you search them", "h3")
        story.table(
            [["photos of", "taken for", "photos", "of the class"]]
            + [
                [pair.class_name, pair.predicted_as, str(pair.num_images), percent(pair.share)]
                for pair in test.most_confused
            ],
            (0.38, 0.38, 0.1, 0.14),
        )
    story.table(
        [["class", "photos", "precision", "recall", "interval", "F1", "ROC AUC"]]
        + [
            [
                figures.class_name,
                str(figures.num_images),
                percent(figures.precision),
                percent(figures.recall.value if figures.recall else None),
                interval(figures.recall) if figures.recall else "–",
                percent(figures.f1),
                "–" if figures.roc_auc is None else f"{figures.roc_auc:.3f}",
            ]
            for figures in sorted(test.per_class, key=lambda figures: 2.0 if figures.f1 is None else figures.f1)
        ],
        (0.27, 0.1, 0.13, 0.12, 0.18, 0.1, 0.1),
    )


def add_failures(story: Story, content: Content) -> None:
    """Mistakes, weak slices and doubtful labels."""
    figures, showcase, class_names = content.figures, content.showcase, content.figures.class_names
    story.heading("Where it fails")
    photos_of_pair = {(pair.class_name, pair.predicted_as): pair_photos for pair, pair_photos in showcase.pairs}
    for pair in figures.test.most_confused[:5]:
        pair_photos = photos_of_pair.get((pair.class_name, pair.predicted_as), ())
        story.text(
            f"{pair.class_name} taken for {pair.predicted_as}: {pluralize(pair.num_images)}, "
            f"{percent(pair.share)} of the class.",
            "h3" if pair_photos else "body",
        )
        story.captioned_photos([(photo.pixels, percent(photo.answer.probability)) for photo in pair_photos])
    if showcase.mistakes:
        story.text("Wrong answers, the surest first", "h3")
        story.text(EXPLANATION_TEXTS[showcase.method], "soft")
        story.explained_photos(showcase.mistakes[:MOST_PHOTOS], class_names)
    if showcase.right:
        story.text("Some right answers, to compare with", "h3")
        story.explained_photos(showcase.right, class_names)
    if figures.slices:
        story.text("Kinds of photos, the worst first", "h3")
        story.table(
            [["photos", "by", "number", "accuracy", "interval", ""]]
            + [
                [
                    item.part,
                    item.trait,
                    str(item.num_images),
                    percent(item.accuracy.value),
                    interval(item.accuracy),
                    "clear" if is_clear(item, figures.slices) else "may be chance",
                ]
                for item in figures.slices[:8]
            ],
            (0.3, 0.14, 0.1, 0.13, 0.18, 0.15),
        )
    story.chart(content, "robustness", 0.8)
    if figures.num_label_errors:
        story.text("Doubtful labels", "h3")
        story.text(
            f"{pluralize(figures.num_label_errors)} in label_errors.csv, with the names of their files; "
            "correct it and give it to darkroom data relabel. The first of them:"
        )
        story.captioned_photos(
            [
                (
                    item.pixels,
                    f"labeled {class_names[item.error.label]}, looks like {class_names[item.error.suggested]} "
                    f"({percent(item.error.confidence)})",
                )
                for item in showcase.doubts
            ]
        )
    if figures.num_outliers:
        story.text("Outliers", "h3")
        story.text(
            f"{pluralize(figures.num_outliers)} of {figures.num_searched:,}, ranked in outliers.csv, are far from all "
            "others. The first of them:"
        )
        story.captioned_photos(
            [
                (item.pixels, f"{class_names[item.outlier.label]}, distance {item.outlier.distance:.2f}")
                for item in showcase.outliers
            ]
        )


def add_calibration(story: Story, content: Content) -> None:
    """How far probabilities can be trusted, and what is called unfamiliar."""
    calibration = content.figures.calibration
    if calibration is None:
        return
    story.heading("How sure is it, and how right?")
    story.text(
        f"A temperature of {calibration.temperature:.2f}, learned from the validation photos, brings confidence and "
        f"accuracy of the test photos from {percent(calibration.error_before)} apart to "
        f"{percent(calibration.error_after)}."
    )
    story.charts_beside(content, "reliability", "coverage")
    if calibration.threshold and calibration.answered_accuracy is not None:
        story.text(
            f"Answers below {percent(calibration.threshold)} are withheld. Of the test photos "
            f"{percent(calibration.coverage.value)} are answered, {percent(calibration.answered_accuracy.value)} "
            f"({interval(calibration.answered_accuracy)}) of them correctly; the target was "
            f"{percent(calibration.target_accuracy)}."
        )
    story.table(
        [["pictures", "number", "called unfamiliar", "ROC AUC against test photos"]]
        + [
            [
                check.kind,
                str(check.num_images),
                percent(check.flagged.value),
                "–" if check.roc_auc is None else f"{check.roc_auc:.3f}",
            ]
            for check in calibration.familiarity
        ],
        (0.36, 0.12, 0.22, 0.28),
    )


def _cells(figure: Interval | None, is_share: bool) -> tuple[str, str]:
    if figure is None:
        return "–", "–"
    if is_share:
        return percent(figure.value), interval(figure)
    return f"{figure.value:.3f}", f"{figure.low:.3f}–{figure.high:.3f}"
