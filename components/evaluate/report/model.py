"""The content of the report, with the text and pictures that the page and the PDF share."""

import io
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from components.contract.artifacts.bundle import BundleInfo
from components.contract.artifacts.dataset import FULL_RANGE, DatasetInfo
from components.contract.artifacts.evaluation import EvaluationInfo
from components.contract.artifacts.figures import AllFigures, ConfusedPair
from components.contract.artifacts.study import StudyInfo
from components.contract.inference.cam import Method
from components.contract.pages.blocks import Chart
from components.contract.params.pipeline import EvaluateParams
from components.contract.tracking.run import flatten
from components.evaluate.data_quality.label_errors import LabelError
from components.evaluate.data_quality.outliers import Outlier
from components.evaluate.measure.mistakes import Answer
from components.evaluate.report.caveats import list_caveats
from components.evaluate.report.charts.figures import inline_svg
from components.evaluate.report.insights import list_insights
from components.evaluate.report.training_history import History, phase_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERDICT_WORDS = {
    "first": "First model",
    "better": "Better than the champion",
    "worse": "Worse than required",
    "cannot tell": "Cannot tell",
    "not comparable": "Not comparable",
}
EXPLANATION_TEXTS = {
    "class activation map": "Bright areas support the predicted class, according to the class activation map. In "
    "this network, whose output layer follows global average pooling, the map is exact and equals Grad-CAM.",
    "occlusion": "Bright areas support the predicted class: the brighter an area, the more the score drops if the "
    "area is covered.",
    None: "",
}
SHEET_PIXELS = 880
"""The maximum width of the sheet of samples."""


@dataclass(frozen=True)
class Photo:
    """A test photo with everything that the report shows about it.

    Attributes:
        answer: the model's prediction.
        pixels: uint8 (height, width, 3), RGB.
        path: path of the original file, relative to the data folder; None if it is unknown.
        heat: float32 (rows, columns), how much each area supports the answer, from 0 to 1; None if there is no
            explanation.
    """

    answer: Answer
    pixels: np.ndarray
    path: str | None
    heat: np.ndarray | None = None


@dataclass(frozen=True)
class Doubt:
    """A photo whose label is doubtful; `pixels` and `path` as in Photo."""

    error: LabelError
    pixels: np.ndarray
    path: str | None


@dataclass(frozen=True)
class OddPhoto:
    """A photo unlike all others; `pixels` and `path` as in Photo."""

    outlier: Outlier
    pixels: np.ndarray
    path: str | None


@dataclass(frozen=True)
class Showcase:
    """The photos that the report shows.

    Attributes:
        mistakes: the most confident wrong answers.
        right: some correct answers.
        pairs: the most commonly confused pairs of classes, with their photos.
        doubts: the photos with the most doubtful labels.
        outliers: the photos that are most unlike all others.
        method: the method of the explanations; None if there are no explanations.
    """

    mistakes: Sequence[Photo] = ()
    right: Sequence[Photo] = ()
    pairs: Sequence[tuple[ConfusedPair, Sequence[Photo]]] = ()
    doubts: Sequence[Doubt] = ()
    outliers: Sequence[OddPhoto] = ()
    method: Method | None = None


@dataclass(frozen=True)
class Content:
    """The content of the report.

    Attributes:
        charts: all charts by name: those of `draw_charts`, and `architecture`.
        pictures: the same charts as PNG files.
        samples: a JPEG file of labeled photos, if preprocess wrote one.
        variants: a JPEG file of one photo's augmented variants, if train wrote one.
        study: the search that found the params, if there was one.
    """

    evaluation: EvaluationInfo
    figures: AllFigures
    dataset: DatasetInfo
    bundle: BundleInfo
    params: EvaluateParams
    history: History
    charts: Mapping[str, "Figure"]
    pictures: Mapping[str, bytes]
    showcase: Showcase
    samples: bytes | None = None
    variants: bytes | None = None
    study: StudyInfo | None = None

    @cached_property
    def caveats(self) -> list[str]:
        """What to know before using the model, one sentence each."""
        info = self.evaluation
        return list_caveats(self.figures, self.dataset, self.bundle, info.gate, info.mlflow_run_id)

    @cached_property
    def insights(self) -> list[str]:
        """What the results show, one sentence each."""
        return list_insights(self.evaluation, self.figures, self.dataset, self.bundle, self.history.curves)


def charts_of(content: Content, *names: tuple[str, str], label: str | None = None) -> list[Chart]:
    """The charts with these names; names of charts that the report does not contain are skipped.

    Args:
        content: the content of the report.
        names: the name of each chart, and a description of it for screen readers.
        label: the label of each chart, as in `Chart`.
    """
    return [
        Chart(name, partial(inline_svg, content.charts[name], description, name), label)
        for name, description in names
        if name in content.charts
    ]


def file_name(path: str | None) -> str | None:
    """The name of a file without its folders; None if the path is unknown."""
    return path and path.rpartition("/")[2]


def train_params(bundle: BundleInfo) -> list[tuple[str, str]]:
    """The train params by name; the params of a phase have the prefix `phases.` and the phase's number."""
    params = dict(bundle.params)
    phases = phase_settings(params)
    params |= {"phases": None} | {f"phases.{number}": phase for number, phase in enumerate(phases, start=1)}
    return sorted((key, value) for key, value in flatten(params).items() if value != "None")


def balance_sentence(dataset: DatasetInfo) -> str:
    """A sentence on the class imbalance of the training photos; empty if the imbalance is small."""
    counts = [num for num in dataset.counts["train"].values() if num]
    ratio = max(counts, default=1) / min(counts, default=1)
    return (
        f" The most common class has {ratio:.1f} times as many training photos as the rarest." if ratio >= 1.5 else ""
    )


def reproduce_commands(content: Content) -> str:
    """The commands that reproduce the model."""
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


def reproduce_params(content: Content) -> str:
    """The part of this run's params.yaml that the model and its evaluation depend on, with a line per section."""
    dataset = content.dataset
    pixel_range = {} if dataset.pixel_range == FULL_RANGE else {"pixel_range": list(dataset.pixel_range)}
    sections = {
        "preprocess": {"image_size": list(dataset.image_size), "resize": dataset.resize, **pixel_range},
        "train": content.bundle.params,
        "evaluate": content.params.model_dump(mode="json", exclude={"leaderboard"}),
        "deploy": {"model_name": content.evaluation.model_name},
    }
    return "\n".join(f"{name}: {json.dumps(section, ensure_ascii=False)}" for name, section in sections.items())


def use_commands() -> str:
    """The commands that send photos to the model."""
    return "\n".join(
        (
            "darkroom serve",
            "curl -F files=@PHOTO.jpg http://127.0.0.1:3000/predict",
            "darkroom predict FOLDER --output predictions.csv",
        )
    )


def shrink_sheet(jpeg: bytes) -> bytes:
    """Shrinks a sheet of samples to a size that fits a report; returns a JPEG file."""
    from PIL import Image

    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    image.thumbnail((SHEET_PIXELS, 2 * SHEET_PIXELS))
    file = io.BytesIO()
    image.save(file, "jpeg", quality=72)
    return file.getvalue()
