"""The report: one HTML file that stands alone, whatever it is opened in."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.contract.artifacts.figures import AllFigures, ClassFigures, Figures
from components.contract.pages.environment import new_environment
from components.contract.pages.parts import PAGE_PARTS_DIR
from components.contract.text import printable
from components.evaluate.formatting import epoch_range, file_size, interval, per_hundred, percent
from components.evaluate.measure.metrics import confused_pairs
from components.evaluate.measure.slices import is_clear
from components.evaluate.report.augmentation import NEVER_VARIED, augmentation_sentences
from components.evaluate.report.charts.figures import MAX_DRAWN, MAX_NUMBERED, inline_svg
from components.evaluate.report.charts.network_diagram import build_boxes, describe_boxes
from components.evaluate.report.leaderboard_page import table_context
from components.evaluate.report.model import (
    EXPLANATION_TEXTS,
    SMALL_PIXELS,
    TEMPLATES_DIR,
    THUMBNAIL_PIXELS,
    VERDICT_WORDS,
    Content,
    Doubt,
    OddPhoto,
    Photo,
    balance_sentence,
    is_tiny,
    reproduce_commands,
    reproduce_params,
    shrink_sheet,
    thumbnail,
    train_params,
    use_commands,
)
from components.evaluate.report.search import best_trials, search_sentences, trial_row
from components.evaluate.report.spotlight import spotlight

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

CONTENTS = (
    ("data", "Data"),
    ("model", "Model"),
    ("training", "Training"),
    ("figures", "Results"),
    ("confusion", "Confusion matrix"),
    ("classes", "Classes"),
    ("mistakes", "Mistakes"),
    ("slices", "Kinds of photos"),
    ("labels", "Doubtful labels"),
    ("outliers", "Outliers"),
    ("calibration", "Sureness"),
    ("insights", "Insights"),
    ("reproduce", "Make it again"),
    ("use", "Use it"),
)
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
MANY_CLASSES = 25
"""A table of more classes is folded."""
MOST_PAIRS = 5_000
"""Of the table of confused pairs; confusion_matrix.csv holds all."""
MOST_SLICES = 12
IN_SHORT = 3
"""Insights that stand beside the verdict already, for those who read no further."""


def render(content: Content) -> str:
    """The report as HTML."""
    environment = new_environment([TEMPLATES_DIR, PAGE_PARTS_DIR])
    environment.filters |= {
        "percent": lambda share: percent(share).replace(" ", NO_BREAK_SPACE),
        "interval": lambda figure: interval(figure).replace(" ", NO_BREAK_SPACE),
        "per_hundred": per_hundred,
        "count": lambda number: f"{number:,}",
        "decimal": lambda number: f"{number:.3f}",
        "epochs": epoch_range,
        "file_size": file_size,
        "css": lambda share: f"{100 * share:.2f}%",
    }
    names, slices = content.figures.class_names, content.figures.slices
    augmentation_texts = augmentation_sentences(content.bundle.params)
    return environment.get_template("report.html.j2").render(
        contents=CONTENTS,
        evaluation=content.evaluation,
        dataset=content.dataset,
        bundle=content.bundle,
        figures=content.figures,
        test=content.figures.test,
        validation=content.figures.validation,
        calibration=content.figures.calibration,
        balance=balance_sentence(content.dataset),
        samples=content.samples and _sheet_uri(content.samples),
        variants=_sheet_uri(content.variants) if content.variants and NEVER_VARIED in augmentation_texts else None,
        augmentations=augmentation_texts,
        search=search_sentences(content.study) if content.study else [],
        trials=[trial_row(trial) for trial in best_trials(content.study)] if content.study else [],
        board=content.params.leaderboard,
        **(table_context(content.params.leaderboard) if content.params.leaderboard else {}),
        verdict_word=VERDICT_WORDS[content.evaluation.gate.verdict],
        caveats=content.caveats,
        insights=content.insights,
        in_short=IN_SHORT,
        params=train_params(content.bundle),
        curves=_curve_charts(content),
        phases=content.history.phases,
        architecture=_chart(content, "architecture", describe_boxes(build_boxes(content.bundle))),
        reliability=_chart(content, "reliability", _describe_reliability(content.figures)),
        coverage=_chart(content, "coverage", "Accuracy of the answers, against the share of photos that are answered."),
        robustness=_chart(content, "robustness", _describe_robustness(content.figures)),
        many_classes=MANY_CLASSES,
        numbered=len(names) <= MAX_NUMBERED,
        confusion=_confusion_chart(content.charts, content.figures.test),
        **_confused_pairs_context(content.figures.test, names),
        classes=sorted(content.figures.test.per_class, key=_f1_or_infinity),
        mistakes=[photo_context(photo, names) for photo in content.showcase.mistakes],
        right=[photo_context(photo, names) for photo in content.showcase.right],
        pairs=[
            (pair, [photo_context(photo, names, SMALL_PIXELS) for photo in photos])
            for pair, photos in content.showcase.pairs
        ],
        doubts=[_doubt_context(doubt, names) for doubt in content.showcase.doubts],
        outliers=[_outlier_context(photo, names) for photo in content.showcase.outliers],
        explained=EXPLANATION_TEXTS[content.showcase.method],
        slices=[(item, is_clear(item, slices)) for item in slices[:MOST_SLICES]],
        num_slices=len(slices),
        reproduce=reproduce_commands(content),
        reproduce_params=reproduce_params(content),
        use=use_commands(),
    )


def _f1_or_infinity(class_figures: ClassFigures) -> float:
    return math.inf if class_figures.f1 is None else class_figures.f1


def data_uri(pixels: np.ndarray, size: int = THUMBNAIL_PIXELS) -> str:
    """A small picture to stand inside the page; as for `thumbnail`."""
    kind, data = thumbnail(pixels, size)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def photo_context(photo: Photo, class_names: Sequence[str], size: int = THUMBNAIL_PIXELS) -> dict[str, Any]:
    """What the page says of a photo."""
    answer = photo.answer
    class_name, predicted_as = class_names[answer.label], class_names[answer.predicted]
    is_wrong = answer.label != answer.predicted
    outcome = f"taken for {predicted_as}" if is_wrong else "named rightly"
    return {
        "image": data_uri(photo.pixels, size),
        "heat": None if photo.heat is None else data_uri(_spotlit_pixels(photo), size),
        "tiny": is_tiny(photo.pixels),
        "description": f"A test photo of {class_name} that was {outcome}",
        "class_name": class_name,
        "predicted_as": predicted_as,
        "wrong": is_wrong,
        "probability": answer.probability,
        "path": photo.path,
    }


def _spotlit_pixels(photo: Photo) -> np.ndarray:
    assert photo.heat is not None, "the caller has looked"
    return spotlight(photo.pixels, photo.heat)


def _doubt_context(doubt: Doubt, class_names: Sequence[str]) -> dict[str, Any]:
    label, suggested = class_names[doubt.error.label], class_names[doubt.error.suggested]
    return {
        "image": data_uri(doubt.pixels, SMALL_PIXELS),
        "tiny": is_tiny(doubt.pixels),
        "description": f"A photo labelled {label} that looks like {suggested}",
        "label": label,
        "suggested": suggested,
        "confidence": doubt.error.confidence,
        "split": doubt.error.split,
        "path": doubt.path,
    }


def _outlier_context(photo: OddPhoto, class_names: Sequence[str]) -> dict[str, Any]:
    class_name = class_names[photo.outlier.label]
    return {
        "image": data_uri(photo.pixels, SMALL_PIXELS),
        "tiny": is_tiny(photo.pixels),
        "description": f"A photo of {class_name} that is unlike all others",
        "caption": f"{class_name}, {photo.outlier.split}; distance {photo.outlier.distance:.2f}",
        "path": photo.path,
    }


def _sheet_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(shrink_sheet(jpeg)).decode()}"


def _chart(content: Content, name: str, description: str) -> "Markup | None":
    from markupsafe import Markup

    chart = content.charts.get(name)
    if chart is None:
        return None
    return Markup(inline_svg(chart, printable(description), name))  # noqa: S704 - inline_svg escapes its texts


def _describe_reliability(figures: AllFigures) -> str:
    bins = figures.calibration.bins if figures.calibration else ()
    points = "; ".join(f"{percent(item.sureness)} sure, {percent(item.accuracy.value)} right" for item in bins)
    return f"Reliability of {len(bins)} groups of answers: {points}."


def _describe_robustness(figures: AllFigures) -> str:
    points = "; ".join(f"{check.disturbance} {percent(check.accuracy.value)}" for check in figures.robustness)
    return f"Accuracy of the same photos: {points}."


def _confused_pairs_context(test: Figures, class_names: Sequence[str]) -> dict[str, object]:
    """The pairs that the page lists: the most confused where a matrix is drawn, else all of them, to be searched."""
    all_pairs = confused_pairs(test.confusion_matrix, class_names)
    is_drawn = len(class_names) <= MAX_DRAWN
    return {
        "confused": test.most_confused if is_drawn else all_pairs[:MOST_PAIRS],
        "num_confused": len(all_pairs),
    }


def _confusion_chart(charts: Mapping[str, "Figure"], test: Figures) -> "Markup | None":
    from markupsafe import Markup

    if "confusion_matrix" not in charts:
        return None
    description = (
        f"Confusion matrix of {len(test.per_class)} classes: {test.num_correct} of {test.num_images} test "
        "photos stand on the diagonal."
    )
    if test.most_confused:
        pair = test.most_confused[0]
        description += f" The commonest mistake: {pair.class_name} taken for {pair.predicted_as}, {pair.num_images} ×."
    element = inline_svg(charts["confusion_matrix"], printable(description), "confusion")
    return Markup(element)  # noqa: S704 - inline_svg escapes its texts


def _curve_charts(content: Content) -> list["Markup"]:
    elements = []
    curves = content.history.curves
    for metric in ("loss", "accuracy"):
        ranges = [
            f"{name} from {curves[key][0]:.3f} to {curves[key][-1]:.3f}"
            for name, key in (("training", metric), ("validation", f"val_{metric}"))
            if curves.get(key)
        ]
        kept_epoch = f"epoch {content.bundle.best_epoch} was kept"
        description = f"{metric.capitalize()} per epoch: {', '.join(ranges)}; {kept_epoch}."
        element = _chart(content, f"{metric}_curve", description)
        if element is not None:
            elements.append(element)
    return elements
