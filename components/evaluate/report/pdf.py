"""The report for paper: a PDF made by reportlab, without a browser or a system library."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import numpy as np

from components.contract.artifacts.figures import Interval
from components.contract.system.atomic_files import write_file
from components.evaluate.formatting import epochs, file_size, interval, percent, photos
from components.evaluate.measure.slices import is_clear
from components.evaluate.report.augmentation import NEVER_VARIED, augmentations
from components.evaluate.report.charts.style import LINE, POINTS_PER_INCH, SOFT
from components.evaluate.report.leaderboard_page import HEADINGS, cells, sentences
from components.evaluate.report.model import (
    EXPLAINED,
    VERDICT_WORDS,
    Content,
    Photo,
    balance,
    reproduce_commands,
    reproduce_params,
    sheet,
    train_params,
    use_commands,
)
from components.evaluate.report.pdf_pictures import explained_photos, fitted, small_photos
from components.evaluate.report.pdf_style import plain, register_fonts, text_styles
from components.evaluate.report.search import best_trials, search_sentences, trial_row

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

MARGIN: Final = 50.0
PAGE: Final = (595.28, 841.89)
"""A4, in points."""
WIDTH: Final = PAGE[0] - 2 * MARGIN
MOST_ROWS = 60
"""Of a table; the page holds them all, this paper the first."""
MOST_PHOTOS = 12
LEAST_SCALE = 0.6
"""Of a chart, below which its letters are too small for paper."""


def write_pdf(target: Path, content: Content) -> None:
    """The report as a PDF file; equal contents give equal bytes."""
    from reportlab.platypus import SimpleDocTemplate

    file = io.BytesIO()
    name = content.evaluation.model_name
    document = SimpleDocTemplate(
        file,
        pagesize=PAGE,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=f"{name}: evaluation",
        author="Darkroom",
        lang="en",
        invariant=1,
    )

    def number_page(canvas: Any, _: object) -> None:
        canvas.setFont("Sans", 8)
        canvas.setFillColor(SOFT)
        canvas.drawString(MARGIN, MARGIN / 2, f"{plain(name)}: evaluation, made by Darkroom")
        canvas.drawRightString(PAGE[0] - MARGIN, MARGIN / 2, str(canvas.getPageNumber()))

    document.build(Story().tell(content), onFirstPage=number_page, onLaterPages=number_page)
    write_file(target, file.getvalue())


class Story:
    """The parts of the report, one after the other."""

    def __init__(self) -> None:
        register_fonts()
        self._styles = text_styles()
        self._parts: list[Flowable] = []

    def tell(self, content: Content) -> "list[Flowable]":
        """All of it, in the order of the page."""
        self._verdict(content)
        self._data(content)
        self._model(content)
        self._results(content)
        self._failures(content)
        self._sureness(content)
        self._heading("What this means, and what to do next")
        self._list(content.insights, numbered=True)
        self._heading("Make it again")
        self._code(reproduce_commands(content))
        self._text(
            "params.yaml of this model; the whole of it stands in the run’s folder and in its MLflow run:", "soft"
        )
        self._code(reproduce_params(content))
        self._heading("Use it")
        self._text("The service answers with the class, its probability and those of all other classes.", "soft")
        self._code(use_commands())
        return self._parts

    def _verdict(self, content: Content) -> None:
        info, test, gate = content.evaluation, content.figures.test, content.evaluation.gate
        self._text(info.model_name, "title")
        self._text(
            f"{content.bundle.model.name} on {photos(content.dataset.num_kept)} of {len(info.class_names)} "
            f"classes, scored on {photos(test.num_images, 'test photo')} that took no part in any choice.",
            "soft",
        )
        self._text(f"Verdict: {VERDICT_WORDS[gate.verdict]}", "verdict")
        self._list(gate.reasons)
        self._text(
            "It becomes the champion as soon as its service has given the same answers."
            if gate.promotes
            else "It can be served, but it is not promoted."
        )
        if gate.looks is not None:
            self._text(f"Models scored on these test photos, this one included: {gate.looks}.", "soft")
        self._table(
            [["", "test", "95 % interval"]]
            + [
                [name, percent(figure.value), interval(figure)]
                for name, figure in (("Accuracy", test.accuracy), ("Macro F1", test.macro_f1))
            ],
            (0.34, 0.2, 0.3),
        )
        if content.caveats:
            self._text("Know before you trust it", "h3")
            self._list(content.caveats)

    def _data(self, content: Content) -> None:
        dataset = content.dataset
        self._heading("Data")
        counts = ", ".join(f"{dataset.num_images(split)} for {split}" for split in dataset.counts)
        self._text(
            f"{photos(dataset.num_kept)} were kept, {counts}; {dataset.num_rejected} files were rejected."
            f"{balance(dataset)}"
        )
        self._table(
            [["class", "train", "validation", "test"]]
            + [
                [name, *(str(dataset.counts[split].get(name, 0)) for split in dataset.counts)]
                for name in dataset.class_names
            ],
            (0.4, 0.15, 0.15, 0.15),
        )
        source = dataset.source
        self._text(
            f"Source: {source.uri}. Fingerprint {dataset.fingerprint[:16]}; "
            f"DVC {source.dvc or 'none'}; git {source.git_revision or 'none'}.",
            "soft",
        )
        if content.samples is not None:
            self._text("Samples, as they were prepared", "h3")
            self._parts.append(fitted(io.BytesIO(sheet(content.samples)), 0.6 * WIDTH, 0.4 * PAGE[1]))
        self._text("Preprocessing", "h3")
        height, width = dataset.image_size
        self._text(
            f"Every photo was decoded once, turned as its EXIF says, made RGB and brought to {height} × {width} "
            f"px ({dataset.resize}); the median photo had {dataset.native_size[0]} × {dataset.native_size[1]}. "
            "The service does exactly the same."
        )
        varied = augmentations(content.bundle.params)
        if varied:
            self._text("Augmentation", "h3")
            self._text(" ".join(varied))
            if content.variants is not None and NEVER_VARIED in varied:
                self._parts.append(fitted(io.BytesIO(sheet(content.variants)), 0.9 * WIDTH, 0.3 * PAGE[1]))

    def _model(self, content: Content) -> None:
        facts, bundle, info = content.bundle.model, content.bundle, content.evaluation
        self._heading("Model and training")
        speed = ""
        if info.latency_p50_ms is not None and info.size_bytes is not None:
            speed = f" One photo takes {info.latency_p50_ms:.1f} ms here; the graph has {file_size(info.size_bytes)}."
        self._text(
            f"{facts.name} ({facts.kind}): {facts.num_parameters:,} parameters, "
            f"{facts.num_trained_parameters:,} of them trained; {bundle.epochs_run} epochs run, epoch "
            f"{bundle.best_epoch} kept.{speed}"
        )
        self._chart(content, "architecture", 0.74)
        self._beside(content, "loss_curve", "accuracy_curve")
        if content.history.phases:
            self._table(
                [["phase", "epochs", "settings"]]
                + [[phase.name, epochs(phase.epochs), phase.settings] for phase in content.history.phases],
                (0.18, 0.14, 0.66),
            )
        if content.study is not None:
            self._text("The search for its params", "h3")
            self._text(" ".join(search_sentences(content.study)))
            self._table(
                [["trial", "accuracy", "epochs", "values"], *map(trial_row, best_trials(content.study))],
                (0.1, 0.13, 0.11, 0.64),
            )
        board = content.params.leaderboard
        if board is not None:
            self._text("What it was preferred to", "h3")
            self._text(" ".join(sentences(board)))
            self._table(
                [HEADINGS, *map(cells, board.rows)], (0.17, 0.09, 0.12, 0.08, 0.12, 0.1, 0.09, 0.09, 0.09, 0.05)
            )
        if content.study is not None or board is not None:
            self._text("Hyperparameters", "h3")
        self._table(
            [["parameter", "value"], *([key, value] for key, value in train_params(bundle) if len(value) < 200)],
            (0.42, 0.56),
        )

    def _results(self, content: Content) -> None:
        test, validation = content.figures.test, content.figures.validation
        self._heading("Results")
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
                    here, there = (getattr(getattr(split, average), key) for split in (test, validation))
                    rows.append([f"{average} {key.replace('f1', 'F1')}", percent(here), "", percent(there)])
        for words, key in (("the first 2", "top_2_accuracy"), ("the first 5", "top_5_accuracy")):
            if getattr(test, key) is not None:
                rows.append(
                    [f"right class among {words}", percent(getattr(test, key)), "", percent(getattr(validation, key))]
                )
        self._table(rows, (0.36, 0.16, 0.26, 0.16))
        folds = content.figures.folds
        if folds is not None:
            self._text(
                f"{folds.num_folds} folds: accuracy {percent(folds.accuracy.value)} "
                f"({interval(folds.accuracy)}), macro F1 {percent(folds.macro_f1.value)}. "
                f"{folds.what}"
            )
        self._chart(content, "confusion_matrix", 0.8)
        self._table(
            [["class", "photos", "precision", "recall", "interval", "F1", "ROC AUC"]]
            + [
                [
                    one.class_name,
                    str(one.num_images),
                    percent(one.precision),
                    percent(one.recall.value if one.recall else None),
                    interval(one.recall) if one.recall else "–",
                    percent(one.f1),
                    "–" if one.roc_auc is None else f"{one.roc_auc:.3f}",
                ]
                for one in sorted(test.per_class, key=lambda one: 2.0 if one.f1 is None else one.f1)
            ],
            (0.27, 0.1, 0.13, 0.12, 0.18, 0.1, 0.1),
        )

    def _failures(self, content: Content) -> None:
        figures, shown, names = content.figures, content.shown, content.figures.class_names
        self._heading("Where it fails")
        behind = {(pair.class_name, pair.predicted_as): cell for pair, cell in shown.pairs}
        for pair in figures.test.most_confused[:5]:
            cell = behind.get((pair.class_name, pair.predicted_as), ())
            self._text(
                f"{pair.class_name} taken for {pair.predicted_as}: {photos(pair.num_images)}, "
                f"{percent(pair.share)} of the class.",
                "h3" if cell else "body",
            )
            self._small([(photo.pixels, percent(photo.answer.probability)) for photo in cell])
        if shown.mistakes:
            self._text("Wrong answers, the surest first", "h3")
            self._text(EXPLAINED[shown.method], "soft")
            self._explained(shown.mistakes[:MOST_PHOTOS], names)
        if shown.right:
            self._text("Some right answers, to compare with", "h3")
            self._explained(shown.right, names)
        if figures.slices:
            self._text("Kinds of photos, the worst first", "h3")
            self._table(
                [["photos", "by", "number", "accuracy", "interval", ""]]
                + [
                    [
                        one.part,
                        one.trait,
                        str(one.num_images),
                        percent(one.accuracy.value),
                        interval(one.accuracy),
                        "clear" if is_clear(one, figures.slices) else "may be chance",
                    ]
                    for one in figures.slices[:8]
                ],
                (0.3, 0.14, 0.1, 0.13, 0.18, 0.15),
            )
        self._chart(content, "robustness", 0.8)
        if figures.num_label_errors:
            self._text("Doubtful labels", "h3")
            self._text(
                f"{photos(figures.num_label_errors)} in label_errors.csv, with the names of their files; "
                "correct it and give it to darkroom data relabel. The first of them:"
            )
            self._small(
                [
                    (
                        one.pixels,
                        f"labelled {names[one.error.label]}, looks like {names[one.error.suggested]} "
                        f"({percent(one.error.confidence)})",
                    )
                    for one in shown.doubts
                ]
            )

    def _sureness(self, content: Content) -> None:
        found = content.figures.calibration
        if found is None:
            return
        self._heading("How sure is it, and how right?")
        self._text(
            f"A temperature of {found.temperature:.2f}, learnt from the validation photos, brings sureness and "
            f"accuracy of the test photos from {percent(found.error_before)} apart to "
            f"{percent(found.error_after)}."
        )
        self._beside(content, "reliability", "coverage")
        if found.threshold and found.answered_accuracy is not None:
            self._text(
                f"Answers below {percent(found.threshold)} are withheld. Of the test photos "
                f"{percent(found.coverage.value)} are answered, {percent(found.answered_accuracy.value)} "
                f"({interval(found.answered_accuracy)}) of them rightly; the target was "
                f"{percent(found.target_accuracy)}."
            )
        self._table(
            [["pictures", "number", "called unfamiliar", "ROC AUC against test photos"]]
            + [
                [
                    one.kind,
                    str(one.num_images),
                    percent(one.flagged.value),
                    "–" if one.roc_auc is None else f"{one.roc_auc:.3f}",
                ]
                for one in found.familiarity
            ],
            (0.36, 0.12, 0.22, 0.28),
        )

    def _heading(self, text: str) -> None:
        self._text(text, "h2")

    def _text(self, text: str, style: str = "body") -> None:
        from reportlab.platypus import Paragraph

        self._parts.append(Paragraph(escape(plain(text)), self._styles[style]))

    def _list(self, sentences: Sequence[str], *, numbered: bool = False) -> None:
        from reportlab.platypus import Paragraph

        for number, sentence in enumerate(sentences, start=1):
            bullet = f"{number}." if numbered else "•"
            self._parts.append(Paragraph(escape(plain(sentence)), self._styles["item"], bulletText=bullet))

    def _code(self, text: str) -> None:
        from reportlab.platypus import Paragraph

        for line in text.splitlines():
            self._parts.append(Paragraph(escape(plain(line)), self._styles["code"]))

    def _table(self, rows: Sequence[Sequence[str]], shares: Sequence[float]) -> None:
        from reportlab.platypus import Paragraph, Spacer, Table

        kept = rows[: MOST_ROWS + 1]
        cells = [
            [Paragraph(escape(plain(text)), self._styles["head" if place == 0 else "cell"]) for text in row]
            for place, row in enumerate(kept)
        ]
        self._parts.append(
            Table(
                cells,
                [share * WIDTH for share in shares],
                repeatRows=1,
                hAlign="LEFT",
                spaceBefore=6,
                style=[
                    ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
                    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                    ("TOPPADDING", (0, 0), (-1, -1), 2),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
                    ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ],
            )
        )
        if len(rows) > len(kept):
            self._text(f"… and {len(rows) - len(kept)} more, in report.html.", "soft")
        self._parts.append(Spacer(1, 6))

    def _chart(self, content: Content, name: str, share: float) -> None:
        if name in content.charts:
            self._parts.append(_picture(content, name, share * WIDTH))

    def _beside(self, content: Content, *names: str) -> None:
        from reportlab.platypus import Table

        pictures = [_picture(content, name, 0.49 * WIDTH) for name in names if name in content.charts]
        if pictures:
            self._parts.append(
                Table(
                    [pictures],
                    [WIDTH / len(names)] * len(pictures),
                    hAlign="LEFT",
                    style=[("LEFTPADDING", (0, 0), (-1, -1), 0)],
                )
            )

    def _explained(self, shown: Sequence[Photo], names: Sequence[str]) -> None:
        self._parts.append(explained_photos(shown, names, WIDTH, self._styles["caption"]))

    def _small(self, shown: Sequence[tuple[np.ndarray, str]]) -> None:
        if shown:
            self._parts.append(small_photos(shown, WIDTH, self._styles["caption"]))


def _cells(figure: Interval | None, is_share: bool) -> tuple[str, str]:
    if figure is None:
        return "–", "–"
    if is_share:
        return percent(figure.value), interval(figure)
    return f"{figure.value:.3f}", f"{figure.low:.3f}–{figure.high:.3f}"


def _picture(content: Content, name: str, width: float) -> "Flowable":
    from reportlab.platypus import Image

    chart = content.charts[name]
    own_width, own_height = (POINTS_PER_INCH * side for side in chart.get_size_inches())
    inner = PAGE[1] - 2 * MARGIN
    # A tall chart shares its page where its letters can still be read.
    height = min(max(0.5 * inner, LEAST_SCALE * own_height), 0.85 * inner)
    scale = min(1.0, width / own_width, height / own_height)
    return Image(io.BytesIO(content.pictures[name]), own_width * scale, own_height * scale, hAlign="LEFT")
