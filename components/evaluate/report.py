"""The report: one HTML file that stands alone, whatever it is opened in."""

import base64
import io
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.contract.bundle import BundleInfo
from components.contract.dataset import DatasetInfo
from components.contract.evaluation import AllFigures, EvaluationInfo, Figures, Interval
from components.contract.tracking import flatten
from components.evaluate.charts import MAX_NUMBERED, inline_svg
from components.evaluate.mistakes import Mistake

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

TEMPLATES_DIR = Path(__file__).parent / "templates"
CONTENTS = (
    ("figures", "Figures"), ("data", "Data"), ("model", "Model"), ("training", "Training"),
    ("confusion", "Confusion matrix"), ("classes", "Classes"), ("mistakes", "Mistakes"),
    ("reproduce", "Make it again"), ("use", "Use it"),
)  # fmt: skip
VERDICT_WORDS = {
    "first": "First of its name",
    "better": "Better than the champion",
    "worse": "Worse than the champion",
    "cannot tell": "Cannot tell",
    "not comparable": "Not comparable",
}
THUMBNAIL_PIXELS = 224
TINY_PIXELS = 96
"""Pictures up to this size are shown as they are, with visible pixels."""
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
FEW_PHOTOS = 100
MANY_CLASSES = 25
"""A table of more classes is folded."""


@dataclass(frozen=True)
class Photo:
    """A mistake with what the page shows of it.

    Attributes:
        mistake: what went wrong.
        pixels: uint8 (height, width, 3), RGB.
        path: of the original file within the data, where it is known.
    """

    mistake: Mistake
    pixels: np.ndarray
    path: str | None


@dataclass(frozen=True)
class Content:
    """All that the report tells."""

    evaluation: EvaluationInfo
    figures: AllFigures
    dataset: DatasetInfo
    bundle: BundleInfo
    history: Mapping[str, Sequence[float]]
    charts: Mapping[str, "Figure"]
    """As `draw_charts` gives them."""
    photos: Sequence[Photo]


def render(content: Content) -> str:
    """The report as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {
        "percent": lambda share: percent(share).replace(" ", NO_BREAK_SPACE),
        "interval": lambda figure: interval(figure).replace(" ", NO_BREAK_SPACE),
        "per_hundred": per_hundred,
        "count": lambda number: f"{number:,}",
        "decimal": lambda number: f"{number:.3f}",
        "css": lambda share: f"{100 * share:.2f}%",
    }
    return environment.get_template("report.html.j2").render(
        contents=CONTENTS,
        evaluation=content.evaluation,
        dataset=content.dataset,
        bundle=content.bundle,
        test=content.figures.test,
        validation=content.figures.validation,
        balance=balance(content.dataset),
        verdict_word=VERDICT_WORDS[content.evaluation.gate.verdict],
        caveats=caveats(content),
        params=sorted((key, value) for key, value in flatten(content.bundle.params).items() if value != "None"),
        curves=_curves(content),
        many_classes=MANY_CLASSES,
        numbered=len(content.figures.class_names) <= MAX_NUMBERED,
        confusion=_confusion(content.charts, content.figures.test),
        classes=sorted(content.figures.test.per_class, key=lambda one: math.inf if one.f1 is None else one.f1),
        mistakes=[_shown(photo, content.figures.class_names) for photo in content.photos],
        reproduce=reproduce_commands(content),
        use=use_commands(),
    )


def caveats(content: Content) -> list[str]:
    """What a reader must know before trusting the figures, in plain sentences."""
    test, validation = content.figures.test, content.figures.validation
    found = []
    if content.bundle.dataset_fingerprint != content.dataset.fingerprint:
        found.append("The model was trained on another version of the data: photos that it learnt from may be among "
                     "the test photos, which would flatter every figure.")  # fmt: skip
    if test.num_images < FEW_PHOTOS:
        there = "is only 1 test photo" if test.num_images == 1 else f"are only {test.num_images} test photos"
        found.append(f"There {there}, so the intervals are wide. More photos would tell more than another model.")
    if test.num_correct == test.num_images:
        found.append("No mistake on these test photos does not mean none on others: "
                     f"up to {percent(1 - test.accuracy.low)} of mistakes would be no surprise.")  # fmt: skip
    for split, figures in (("test", test), ("validation", validation)):
        if figures.absent_classes:
            found.append(f"The {split} split holds no photo of {_listed(figures.absent_classes)}, so nothing is known "
                         "of how well it is recognised there.")  # fmt: skip
    found += _one_sided(test) or _no_better_than_guessing(test)
    if (content.dataset.source.git_revision or "").endswith("-dirty"):
        found.append("The data stood in a repository with uncommitted changes, so the git revision does not pin them.")
    return found


def balance(dataset: DatasetInfo) -> str:
    """How unequal the classes are in training, where it matters: a sentence, or nothing."""
    counts = [num for num in dataset.counts["train"].values() if num]
    ratio = max(counts, default=1) / min(counts, default=1)
    return f" The commonest class has {ratio:.1f} times as many training photos as the rarest." if ratio >= 1.5 else ""


def reproduce_commands(content: Content) -> str:
    """The commands that make the same model again."""
    source, run_id = content.dataset.source, content.evaluation.mlflow_run_id
    lines = []
    if source.git_revision:
        lines.append(f"git checkout {source.git_revision.removesuffix('-dirty')}")
    if source.dvc:
        lines.append("dvc pull")
    if run_id:
        lines.append(f"mlflow runs describe --run-id {run_id}    # every parameter of the run")
    lines.append(f"darkroom run --params params.yaml --data {shlex.quote(source.uri)}")
    return "\n".join(lines)


def use_commands() -> str:
    """The commands that ask the model."""
    return "\n".join((
        "darkroom serve",
        "curl -F files=@PHOTO.jpg http://127.0.0.1:3000/predict",
        "darkroom predict FOLDER --output predictions.csv",
    ))  # fmt: skip


def percent(share: float | None) -> str:
    """`97.2 %`, and a dash for what is not defined."""
    return "–" if share is None else f"{_points(share)} %"


def interval(figure: Interval) -> str:
    """`95.0–98.5 %`."""
    return f"{_points(figure.low)}–{_points(figure.high)} %"


def per_hundred(share: float) -> str:
    """A share as a number of a hundred, without decimals."""
    return f"{100 * share:.0f}"


def data_uri(pixels: np.ndarray) -> str:
    """A small picture to stand inside the page: PNG where it is tiny, else JPEG.

    Args:
        pixels: uint8 (height, width, 3), RGB.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    kind, options = ("png", {"optimize": True}) if is_tiny(pixels) else ("jpeg", {"quality": 82})
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def is_tiny(pixels: np.ndarray) -> bool:
    return bool(max(pixels.shape[:2]) <= TINY_PIXELS)


def _points(share: float) -> str:
    """One decimal, and none where the share is 0 or 1 exactly: `100.0` has been rounded, `100` has not."""
    return f"{100 * share:.0f}" if share in (0, 1) else f"{100 * share:.1f}"


def _one_sided(test: Figures) -> list[str]:
    """Classes that the model never names, or always."""
    named = [one.class_name for one in test.per_class if one.num_predicted]
    if len(named) == 1:
        return [f"The model gave every test photo the same name, {named[0]}: it has learnt nothing."]
    silent = [one.class_name for one in test.per_class if one.num_images and not one.num_predicted]
    return [f"No test photo was ever named {_listed(silent)}."] if silent else []


def _no_better_than_guessing(test: Figures) -> list[str]:
    commonest = max(test.per_class, key=lambda one: one.num_images)
    share = commonest.num_images / test.num_images
    if share < test.accuracy.low or share == 1:
        return []
    return [f"Naming every test photo {commonest.class_name} would be right for {percent(share)} of them; the model is "
            "not surely better than that."]  # fmt: skip


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _confusion(charts: Mapping[str, "Figure"], test: Figures) -> "Markup":
    from markupsafe import Markup

    description = (f"Confusion matrix of {len(test.per_class)} classes: {test.num_correct} of {test.num_images} test "
                   "photos stand on the diagonal.")  # fmt: skip
    if test.most_confused:
        pair = test.most_confused[0]
        description += f" The commonest mistake: {pair.class_name} taken for {pair.predicted_as}, {pair.num_images} ×."
    return Markup(inline_svg(charts["confusion_matrix"], description, "confusion"))


def _curves(content: Content) -> list["Markup"]:
    from markupsafe import Markup

    elements = []
    for what in ("loss", "accuracy"):
        chart = content.charts.get(f"{what}_curve")
        if chart is not None:
            ends = [
                f"{name} from {content.history[key][0]:.3f} to {content.history[key][-1]:.3f}"
                for name, key in (("training", what), ("validation", f"val_{what}"))
                if content.history.get(key)
            ]
            kept = f"epoch {content.bundle.best_epoch} was kept"
            description = f"{what.capitalize()} per epoch: {', '.join(ends)}; {kept}."
            elements.append(Markup(inline_svg(chart, description, what)))
    return elements


def _shown(photo: Photo, class_names: Sequence[str]) -> dict[str, Any]:
    mistake = photo.mistake
    class_name, predicted_as = class_names[mistake.label], class_names[mistake.predicted]
    return {
        "image": data_uri(photo.pixels),
        "tiny": is_tiny(photo.pixels),
        "description": f"A test photo of {class_name} that was taken for {predicted_as}",
        "class_name": class_name,
        "predicted_as": predicted_as,
        "probability": mistake.probability,
        "path": photo.path,
    }
