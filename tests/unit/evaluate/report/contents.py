"""Test helpers: the content of a report, and a parser for its HTML page."""

from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

import numpy as np

from components.contract.artifacts.bundle import BundleInfo, ExportFacts, ModelFacts
from components.contract.artifacts.dataset import DatasetInfo, Source
from components.contract.artifacts.evaluation import Comparison, EvaluationInfo, Verdict
from components.contract.artifacts.figures import (
    AllFigures,
    CalibrationFigures,
    FamiliarityCheck,
    FoldFigures,
    Interval,
    RobustnessFigures,
    SliceFigures,
    SplitFigures,
)
from components.contract.params.pipeline import EvaluateParams
from components.evaluate.data_quality.label_errors import LabelError
from components.evaluate.measure.metrics import compute_figures
from components.evaluate.measure.mistakes import Answer
from components.evaluate.report.charts.figures import draw_charts, to_png
from components.evaluate.report.charts.network_diagram import architecture_chart, build_boxes
from components.evaluate.report.model import Content, Doubt, Photo, Showcase
from components.evaluate.report.training_history import History, build_phases

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "$\\frac{a}{b}$ & {{ 7 * 7 }}",
    "bell\x07, 猫 and 🐱",
    "a name that is much too long to fit next to any chart",
)


def content(
    names: tuple[str, ...] = ("cat", "dog", "owl"),
    *,
    per_class: int = 40,
    accuracy: float = 0.8,
    side: int = 32,
    num_photos: int = 3,
    verdict: str = "first",
    with_pictures: bool = False,
    phases: tuple[Sequence[float | str], Sequence[Mapping[str, Any]]] = ((), ()),
    samples: bytes | None = None,
    **bundle_changes: Any,
) -> Content:
    """Returns the report's content for a model with approximately this accuracy."""
    rng = np.random.default_rng(0)
    num = len(names)
    labels = np.repeat(np.arange(num, dtype=np.int32), per_class)
    predicted = np.where(rng.random(len(labels)) < accuracy, labels, rng.integers(0, num, len(labels)))
    probabilities = (np.eye(num)[predicted] * 0.8 + 0.2 / num).astype(np.float32)
    split = compute_figures(labels, probabilities, names, resamples=100, rng=rng)
    all_figures = AllFigures(class_names=names, validation=split, test=split, **measured_figures(split.accuracy))
    curves = {
        "loss": [1.0, 0.6, 0.3],
        "val_loss": [0.9, 0.5, 0.55],
        "accuracy": [0.4, 0.7, 0.9],
        "val_accuracy": [0.5, 0.8, 0.79],
    }
    history = History(curves, build_phases(*phases))
    source = Source(uri="data/my photos; rm -rf $HOME", dvc="0123456789abcdef.dir", git_revision="f" * 40)
    bundle = BundleInfo(
        dataset_name="pets",
        dataset_fingerprint="a" * 64,
        source=source,
        class_names=names,
        image_size=(side, side),
        resize="stretch",
        params={"model": {"kind": "layers"}, "epochs": 3},
        library_versions={"keras": "3.15.1"},
        epochs_run=3,
        best_epoch=2,
        model=ModelFacts(
            kind="layers",
            name="CNN",
            num_parameters=1234567,
            num_trained_parameters=1234,
            num_layers=9,
            trained_layers=tuple(f"layer_{number}" for number in range(9)),
        ),
        export=ExportFacts(outputs=("logits",), max_probability_difference=2e-7, num_compared=8, sha256="e" * 64),
    ).model_copy(update=bundle_changes)
    counts = dict.fromkeys(names, per_class)
    dataset = DatasetInfo(
        name="pets",
        class_names=names,
        image_size=(side, side),
        resize="stretch",
        native_size=(side, side),
        counts={"train": {**counts, names[0]: 3 * per_class}, "validation": counts, "test": counts},
        rejected={"truncated": 2},
        fingerprint="a" * 64,
        source=source,
    )
    headline = SplitFigures(num_images=split.num_images, accuracy=split.accuracy, macro_f1=split.macro_f1)
    gate_verdict = Verdict(
        verdict=verdict,
        reasons=("Because <b>it</b> is so.", "And so."),
        looks=12,
        comparison=Comparison(
            num_images=120,
            candidate_accuracy=0.8,
            champion_accuracy=0.7,
            num_won=13,
            num_lost=2,
            p_value=0.01,
            accuracy_difference=split.accuracy,
            macro_f1_difference=split.accuracy,
        ),
    )
    info = EvaluationInfo(
        model_name="pets",
        class_names=names,
        dataset_fingerprint="a" * 64,
        export_sha256="e" * 64,
        validation=headline,
        test=headline,
        gate=gate_verdict,
        latency_p50_ms=9.5,
        size_bytes=14_000_000,
        mlflow_run_id="0123456789abcdef",
    )
    heat = rng.random((4, 4)).astype(np.float32)
    photos = [
        Photo(
            Answer(number, "id", 0, 1, 0.9, 0.05),
            rng.integers(0, 256, (side, side, 3)).astype(np.uint8),
            f"{names[0]}/{number}.jpg",
            heat,
        )
        for number in range(num_photos)
    ]
    showcase = Showcase(
        mistakes=photos,
        right=photos[:1],
        method="occlusion",
        pairs=[(pair, photos[:2]) for pair in split.most_confused[:2]],
        doubts=[Doubt(LabelError("test", "id", 0, 1, 0.8), photo.pixels, photo.path) for photo in photos[:1]],
    )
    charts = draw_charts(all_figures, history, 2) | {"architecture": architecture_chart(build_boxes(bundle))}
    pictures = {name: to_png(chart) for name, chart in charts.items()} if with_pictures else {}
    return Content(info, all_figures, dataset, bundle, EvaluateParams(), history, charts, pictures, showcase, samples)


def measured_figures(accuracy: Interval) -> dict[str, Any]:
    """Returns the content of figures.json apart from the figures of the two splits."""
    return {
        "calibration": CalibrationFigures(
            temperature=1.7,
            error_before=0.12,
            error_after=0.03,
            log_loss_before=0.9,
            log_loss_after=0.6,
            bins=({"num_images": 50, "sureness": 0.8, "accuracy": accuracy},),
            curve=(
                {"threshold": 0.1, "coverage": 1.0, "accuracy": 0.8},
                {"threshold": 0.9, "coverage": 0.4, "accuracy": 0.97},
            ),
            target_accuracy=0.95,
            threshold=0.71,
            coverage=accuracy,
            answered_accuracy=accuracy,
            familiarity=(
                FamiliarityCheck(kind="the test photos", num_images=9, flagged=accuracy, roc_auc=None),
                FamiliarityCheck(kind="noise", num_images=9, flagged=accuracy, roc_auc=0.61),
            ),
        ),
        "slices": (
            SliceFigures(
                trait="brightness",
                part="dark",
                num_images=40,
                accuracy=Interval(value=0.3, low=0.2, high=0.4),
                p_value=0.0001,
            ),
        ),
        "robustness": tuple(
            RobustnessFigures(disturbance=name, num_images=40, accuracy=accuracy, num_lost=lost, num_won=0)
            for name, lost in (("as they are", 0), ("blurred", 9))
        ),
        "folds": FoldFigures(
            num_folds=5,
            num_images=90,
            what="Heads on frozen features.",
            accuracy=accuracy,
            macro_f1=accuracy,
            accuracies=(0.7, 0.8, 0.9),
        ),
        "num_label_errors": 3,
    }


class Page(HTMLParser):
    """Collects the elements of a page with their attributes, and its text outside of scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag in ("script", "style"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.text += data

    def all(self, *tags: str) -> Iterator[dict[str, str]]:
        return (attributes for tag, attributes in self.elements if tag in tags)


TWO_PHASES = (
    ["head", "head", "all"],
    [
        {"name": "head", "epochs": 2, "learning_rate": 0.001, "schedule": None},
        {"name": "all", "epochs": 5, "optimizer": {"kind": "sgd"}},
    ],
)
