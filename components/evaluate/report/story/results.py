"""Shows the metrics of the validation and test splits, the confused pairs of classes, and the metrics of each class."""

import math
from collections.abc import Iterator

from components.contract.artifacts.figures import Figures, Interval
from components.contract.pages.blocks import (
    Beside,
    Block,
    Column,
    Fold,
    Heading,
    Mark,
    PageOnly,
    Photo,
    Photos,
    Section,
    Table,
    Text,
    Words,
)
from components.evaluate.formatting import interval, per_hundred, percent
from components.evaluate.measure.metrics import confused_pairs
from components.evaluate.report.charts.figures import MAX_NUMBERED
from components.evaluate.report.model import Content, charts_of, file_name
from components.evaluate.report.story.verdict import track

MOST_PAIRS = 5_000
"""The maximum number of rows in the table of confused pairs; confusion_matrix.csv contains all pairs."""
MOST_BESIDE = 15
"""The maximum number of classes for which the matrix leaves room for a table beside it."""
INTERVALS = (
    ("Accuracy", "accuracy"),
    ("Balanced accuracy", "balanced_accuracy"),
    ("Macro F1", "macro_f1"),
    ("Cohen’s kappa", "cohen_kappa"),
    ("ROC AUC, one versus rest", "roc_auc"),
    ("Average precision, one versus rest", "average_precision"),
    ("Log loss (lower is better)", "log_loss"),
)
SHARES = frozenset({"accuracy", "balanced_accuracy", "macro_f1"})
"""The metrics that are shown as percentages; all others are shown as plain numbers."""
AVERAGES = (
    ("Macro precision", "macro", "precision"),
    ("Macro recall", "macro", "recall"),
    ("Weighted precision", "weighted", "precision"),
    ("Weighted recall (the same as accuracy)", "weighted", "recall"),
    ("Weighted F1", "weighted", "f1"),
)
RANKS = (("Top-2 accuracy", "top_2_accuracy"), ("Top-5 accuracy", "top_5_accuracy"))


def result_section(content: Content) -> Section:
    """All metrics, with their intervals."""
    test, validation = content.figures.test, content.figures.validation
    return Section(
        "figures",
        "Results",
        [
            Text(
                "Ranges in parentheses are 95 % intervals, in which the true value plausibly lies, given the number of "
                "photos.",
                "soft",
            ),
            Heading("All metrics"),
            Table(["Metric", "Test", "Validation"], list(_rows(test, validation)), "All metrics", style="narrow"),
            Text(
                "The epoch and the calibration were chosen with the validation photos, so the metrics for these photos "
                "are too optimistic; the metrics for the test photos are not.",
                "soft small",
            ),
            *_folds(content),
        ],
        "Results",
    )


def _rows(test: Figures, validation: Figures) -> Iterator[list[Words]]:
    yield ["Photos", f"{test.num_images:,}", f"{validation.num_images:,}"]
    for title, name in INTERVALS:
        if getattr(test, name) is not None:
            yield [title, *(_with_interval(getattr(split, name), name in SHARES) for split in (test, validation))]
    yield [
        "Calibration error (lower is better)",
        percent(test.calibration_error),
        percent(validation.calibration_error),
    ]
    for title, average, name in AVERAGES:
        yield [title, *(percent(getattr(getattr(split, average), name)) for split in (test, validation))]
    for title, name in RANKS:
        if getattr(test, name) is not None:
            yield [title, *(percent(getattr(split, name)) for split in (test, validation))]


def _with_interval(figure: Interval | None, is_share: bool) -> Words:
    if figure is None:
        return "–"
    if is_share:
        return f"{percent(figure.value)} ", Mark("soft range", f"({interval(figure)})")
    return f"{figure.value:.3f} ", Mark("soft range", f"({figure.low:.3f}–{figure.high:.3f})")


def _folds(content: Content) -> list[Block]:
    folds = content.figures.folds
    if folds is None:
        return []
    return [
        Heading(f"Cross-validation with {folds.num_folds} folds"),
        Text(
            f"Accuracy {percent(folds.accuracy.value)} ({interval(folds.accuracy)}), macro F1 "
            f"{percent(folds.macro_f1.value)} ({interval(folds.macro_f1)}). Accuracy of each fold: "
            f"{', '.join(map(percent, folds.accuracies))}."
        ),
        Text(
            f"{folds.what} The number of photos is {folds.num_images:,}. With so few photos, the result of one test "
            "split depends strongly on which photos it contains; the interval (Nadeau and Bengio, 2003) takes into "
            "account that the folds share training photos.",
            "soft",
        ),
    ]


def confusion_section(content: Content) -> Section:
    """Shows which classes are confused: a matrix, or a table if there are many classes."""
    test, names = content.figures.test, content.figures.class_names
    all_pairs = confused_pairs(test.confusion_matrix, names)
    matrix = charts_of(content, ("confusion_matrix", _describe_matrix(test)), label="Confusion matrix")
    pairs = test.most_confused if matrix else all_pairs[:MOST_PAIRS]
    table: list[Block] = []
    if pairs:
        rows = [[pair.class_name, pair.predicted_as, f"{pair.num_images:,}", percent(pair.share)] for pair in pairs]
        columns: list[Column | str] = ["Photos of", Column("predicted as", "word"), "Photos", "Share of the class"]
        table = [
            Heading("Most confused pairs"),
            Table(columns, rows, "Most confused pairs", search="Search the confused pairs"),
        ]
    elif not matrix:
        table = [Text("All test photos were classified correctly.")]
    lead = _matrix_lead(len(names)) if matrix else _table_lead(len(names), len(pairs), len(all_pairs))
    return Section(
        "confusion",
        "Confusion matrix" if matrix else "Confused classes",
        [
            Text(lead, "soft"),
            Beside(matrix, table, is_split=len(names) <= MOST_BESIDE),
            *([PageOnly([_rates(test)])] if len(names) <= MAX_NUMBERED else []),
            *_pairs(content),
        ],
        "Confusion matrix",
    )


def _describe_matrix(test: Figures) -> str:
    mistake = ""
    if test.most_confused:
        pair = test.most_confused[0]
        mistake = f" The most common error: {pair.class_name} predicted as {pair.predicted_as}, {pair.num_images} ×."
    return (
        f"Confusion matrix of {len(test.per_class)} classes: {test.num_correct} of {test.num_images} test photos are "
        f"on the diagonal.{mistake}"
    )


def _matrix_lead(num_classes: int) -> Words:
    lead = (
        "Each row contains the test photos of one class, and each column those that were predicted as one class. ",
        Mark("key right", ""),
        "correct, on the diagonal; ",
        Mark("key wrong", ""),
        "wrong, off the diagonal. The deeper the color, the larger the share of the row.",
    )
    if num_classes <= MAX_NUMBERED:
        return lead
    return (
        *lead,
        " With so many classes, the cells have no numbers; ",
        Mark("code", "confusion_matrix.csv"),
        " contains them all.",
    )


def _table_lead(num_classes: int, num_listed: int, num_pairs: int) -> Words:
    extent = (
        f"the {num_listed:,} most confused of {num_pairs:,} pairs" if num_listed < num_pairs else "every confused pair"
    )
    return (
        f"A matrix of {num_classes:,} classes is too large to read. This table lists {extent}, the most common first; ",
        Mark("code", "confusion_matrix.csv"),
        " contains the complete matrix.",
    )


def _rates(test: Figures) -> Block:
    names = [figures.class_name for figures in test.per_class]
    rows = []
    for name, line in zip(names, test.confusion_matrix, strict=True):
        total = line.sum()
        empty = "·" if total else "–"
        rows.append([name, *(per_hundred(number / total) if number else empty for number in line)])
    return Fold("As percentages", [Table(["Percent of the class", *names], rows, "Confusion rates")])


def _pairs(content: Content) -> Iterator[Block]:
    for pair, photos in content.showcase.pairs:
        description = f"A test photo of {pair.class_name} that was predicted as {pair.predicted_as}"
        yield Heading(f"{pair.class_name}, predicted as {pair.predicted_as} ({pair.num_images:,})")
        yield Photos(
            [
                Photo([photo.pixels], [description], percent(photo.answer.probability), file_name(photo.path))
                for photo in photos
            ],
            "small",
        )


def class_section(content: Content) -> Section:
    """Precision, recall and F1 of each class, the weakest first."""
    classes = sorted(content.figures.test.per_class, key=lambda figures: math.inf if figures.f1 is None else figures.f1)
    rows = [
        [
            figures.class_name,
            f"{figures.num_images:,}",
            percent(figures.precision),
            percent(figures.recall.value if figures.recall else None),
            interval(figures.recall) if figures.recall else "no test photos",
            track(figures.recall) if figures.recall else "",
            percent(figures.f1),
            "–" if figures.roc_auc is None else f"{figures.roc_auc:.3f}",
        ]
        for figures in classes
    ]
    columns: list[Column | str] = [
        "Class",
        "Photos",
        "Precision",
        "Recall",
        Column("Recall interval", "roomy soft"),
        Column("0 to 100 %", "roomy"),
        "F1",
        Column("ROC AUC", "roomy"),
    ]
    return Section(
        "classes",
        "Results by class",
        [
            Text(
                "Weakest class first. Precision: the share of photos predicted as this class that belong to it. "
                "Recall: the share of photos of this class that were recognized; the line shows its interval.",
                "soft",
            ),
            Table(columns, rows, "Results by class", search="Search the classes"),
        ],
        "Classes",
    )
