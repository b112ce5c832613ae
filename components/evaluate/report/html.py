"""The report: one HTML file that stands alone, whatever it is opened in."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.contract.artifacts.figures import AllFigures, Figures
from components.contract.text import for_page, printable
from components.evaluate.formatting import epochs, file_size, interval, per_hundred, percent
from components.evaluate.measure.explain import spotlight
from components.evaluate.measure.slices import is_clear
from components.evaluate.report.augmentation import NEVER_VARIED, augmentations
from components.evaluate.report.charts.figures import MAX_NUMBERED, inline_svg
from components.evaluate.report.charts.network_diagram import boxes_of, describe
from components.evaluate.report.leaderboard_page import table_of
from components.evaluate.report.model import (
    EXPLAINED,
    SMALL_PIXELS,
    TEMPLATES_DIR,
    THUMBNAIL_PIXELS,
    VERDICT_WORDS,
    Content,
    Doubt,
    Photo,
    balance,
    is_tiny,
    reproduce_commands,
    reproduce_params,
    sheet,
    thumbnail,
    train_params,
    use_commands,
)
from components.evaluate.report.search import best_trials, search_sentences, trial_row

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
    ("calibration", "Sureness"),
    ("insights", "Insights"),
    ("reproduce", "Make it again"),
    ("use", "Use it"),
)
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
MANY_CLASSES = 25
"""A table of more classes is folded."""
MOST_SLICES = 12
IN_SHORT = 3
"""Insights that stand beside the verdict already, for those who read no further."""


def render(content: Content) -> str:
    """The report as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=for_page,
    )
    environment.filters |= {
        "percent": lambda share: percent(share).replace(" ", NO_BREAK_SPACE),
        "interval": lambda figure: interval(figure).replace(" ", NO_BREAK_SPACE),
        "per_hundred": per_hundred,
        "count": lambda number: f"{number:,}",
        "decimal": lambda number: f"{number:.3f}",
        "epochs": epochs,
        "file_size": file_size,
        "css": lambda share: f"{100 * share:.2f}%",
    }
    names = content.figures.class_names
    varied = augmentations(content.bundle.params)
    return environment.get_template("report.html.j2").render(
        contents=CONTENTS,
        evaluation=content.evaluation,
        dataset=content.dataset,
        bundle=content.bundle,
        figures=content.figures,
        test=content.figures.test,
        validation=content.figures.validation,
        calibration=content.figures.calibration,
        balance=balance(content.dataset),
        samples=content.samples and _embedded(content.samples),
        variants=_embedded(content.variants) if content.variants and NEVER_VARIED in varied else None,
        augmentations=varied,
        search=search_sentences(content.study) if content.study else [],
        trials=[trial_row(trial) for trial in best_trials(content.study)] if content.study else [],
        board=content.params.leaderboard,
        **(table_of(content.params.leaderboard) if content.params.leaderboard else {}),
        verdict_word=VERDICT_WORDS[content.evaluation.gate.verdict],
        caveats=content.caveats,
        insights=content.insights,
        in_short=IN_SHORT,
        params=train_params(content.bundle),
        curves=_curves(content),
        phases=content.history.phases,
        architecture=_chart(content, "architecture", describe(boxes_of(content.bundle))),
        reliability=_chart(content, "reliability", _reliability_words(content.figures)),
        coverage=_chart(content, "coverage", "Accuracy of the answers, against the share of photos that are answered."),
        robustness=_chart(content, "robustness", _robustness_words(content.figures)),
        many_classes=MANY_CLASSES,
        numbered=len(names) <= MAX_NUMBERED,
        confusion=_confusion(content.charts, content.figures.test),
        classes=sorted(content.figures.test.per_class, key=lambda one: math.inf if one.f1 is None else one.f1),
        mistakes=[shown(photo, names) for photo in content.shown.mistakes],
        right=[shown(photo, names) for photo in content.shown.right],
        pairs=[(pair, [shown(photo, names, SMALL_PIXELS) for photo in photos]) for pair, photos in content.shown.pairs],
        doubts=[_doubt(one, names) for one in content.shown.doubts],
        explained=EXPLAINED[content.shown.method],
        slices=[(one, is_clear(one, content.figures.slices)) for one in content.figures.slices[:MOST_SLICES]],
        num_slices=len(content.figures.slices),
        reproduce=reproduce_commands(content),
        reproduce_params=reproduce_params(content),
        use=use_commands(),
    )


def data_uri(pixels: np.ndarray, size: int = THUMBNAIL_PIXELS) -> str:
    """A small picture to stand inside the page; as for `thumbnail`."""
    kind, data = thumbnail(pixels, size)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def shown(photo: Photo, class_names: Sequence[str], size: int = THUMBNAIL_PIXELS) -> dict[str, Any]:
    """What the page says of a photo."""
    answer = photo.answer
    class_name, predicted_as = class_names[answer.label], class_names[answer.predicted]
    wrong = answer.label != answer.predicted
    description = f"A test photo of {class_name} that was {f'taken for {predicted_as}' if wrong else 'named rightly'}"
    return {
        "image": data_uri(photo.pixels, size),
        "heat": None if photo.heat is None else data_uri(_enlarged(photo), size),
        "tiny": is_tiny(photo.pixels),
        "description": description,
        "class_name": class_name,
        "predicted_as": predicted_as,
        "wrong": wrong,
        "probability": answer.probability,
        "path": photo.path,
    }


def _enlarged(photo: Photo) -> np.ndarray:
    assert photo.heat is not None, "the caller has looked"
    return spotlight(photo.pixels, photo.heat)


def _doubt(one: Doubt, class_names: Sequence[str]) -> dict[str, Any]:
    label, suggested = class_names[one.error.label], class_names[one.error.suggested]
    return {
        "image": data_uri(one.pixels, SMALL_PIXELS),
        "tiny": is_tiny(one.pixels),
        "description": f"A photo labelled {label} that looks like {suggested}",
        "label": label,
        "suggested": suggested,
        "confidence": one.error.confidence,
        "split": one.error.split,
        "path": one.path,
    }


def _embedded(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(sheet(jpeg)).decode()}"


def _chart(content: Content, name: str, description: str) -> "Markup | None":
    from markupsafe import Markup

    chart = content.charts.get(name)
    if chart is None:
        return None
    return Markup(inline_svg(chart, printable(description), name))  # noqa: S704 - inline_svg escapes its texts


def _reliability_words(figures: AllFigures) -> str:
    bins = figures.calibration.bins if figures.calibration else ()
    points = "; ".join(f"{percent(one.sureness)} sure, {percent(one.accuracy.value)} right" for one in bins)
    return f"Reliability of {len(bins)} groups of answers: {points}."


def _robustness_words(figures: AllFigures) -> str:
    points = "; ".join(f"{one.disturbance} {percent(one.accuracy.value)}" for one in figures.robustness)
    return f"Accuracy of the same photos: {points}."


def _confusion(charts: Mapping[str, "Figure"], test: Figures) -> "Markup":
    from markupsafe import Markup

    description = (
        f"Confusion matrix of {len(test.per_class)} classes: {test.num_correct} of {test.num_images} test "
        "photos stand on the diagonal."
    )
    if test.most_confused:
        pair = test.most_confused[0]
        description += f" The commonest mistake: {pair.class_name} taken for {pair.predicted_as}, {pair.num_images} ×."
    element = inline_svg(charts["confusion_matrix"], printable(description), "confusion")
    return Markup(element)  # noqa: S704 - inline_svg escapes its texts


def _curves(content: Content) -> list["Markup"]:
    elements = []
    curves = content.history.curves
    for what in ("loss", "accuracy"):
        ends = [
            f"{name} from {curves[key][0]:.3f} to {curves[key][-1]:.3f}"
            for name, key in (("training", what), ("validation", f"val_{what}"))
            if curves.get(key)
        ]
        kept = f"epoch {content.bundle.best_epoch} was kept"
        element = _chart(content, f"{what}_curve", f"{what.capitalize()} per epoch: {', '.join(ends)}; {kept}.")
        if element is not None:
            elements.append(element)
    return elements
