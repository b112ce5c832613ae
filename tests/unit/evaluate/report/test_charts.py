"""Charts contain their numbers and labels as text, follow the page's dark mode, and can be read on a phone."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from components.contract.artifacts.bundle import ModelFacts
from components.evaluate.report.charts.figures import inline_svg, shorten
from components.evaluate.report.charts.network_diagram import build_boxes
from components.evaluate.report.charts.style import INK
from tests.unit.evaluate.report.contents import content


@pytest.mark.parametrize("num_classes", [2, 3, 30, 31, 60])
def test_the_confusion_matrix_shows_its_numbers_if_they_are_readable(num_classes: int) -> None:
    report_content = content(tuple(f"class {number}" for number in range(num_classes)), per_class=6, num_photos=0)
    svg = inline_svg(report_content.charts["confusion_matrix"], "described", "confusion")
    numbers = Counter(re.findall(r">(\d+)</text>", svg))
    matrix = np.array(report_content.figures.test.confusion_matrix)
    expected = Counter(str(number) for number in matrix[matrix > 0]) if num_classes <= 30 else Counter()
    assert numbers == expected
    assert svg.count(">class ") == 2 * num_classes
    assert len(svg) < 200_000


def test_no_matrix_is_drawn_for_too_many_classes() -> None:
    charts = content(tuple(f"class {number}" for number in range(61)), per_class=2, num_photos=0).charts
    assert "confusion_matrix" not in charts


def test_charts_adapt_to_the_dark_theme() -> None:
    for name, chart in content().charts.items():
        svg = inline_svg(chart, "described", name)
        assert INK not in svg
        assert "var(--ink)" in svg
        assert "var(--soft)" in svg
        assert "<style" not in svg
        assert "<metadata" not in svg


@pytest.mark.parametrize(("name", "text"), [("a" * 22, "a" * 22), ("a" * 23, "a" * 21 + "…"), ("a\x00b", r"a\x00b")])
def test_names_next_to_a_chart_are_short_and_printable(name: str, text: str) -> None:
    assert shorten(name) == text


def test_text_in_charts_is_readable_on_a_phone() -> None:
    """A phone screen that is 390 px wide leaves 354 px for a chart."""
    for name, chart in content().charts.items():
        svg = inline_svg(chart, "described", name)
        view_box = re.search(r'viewBox="0 0 ([\d.]+) ', svg)
        assert view_box is not None
        scale = max(354, 0.86 * float(view_box[1])) / float(view_box[1])
        sizes = [float(size) for size in re.findall(r"font(?:-size)?: (?:\d+ )?([\d.]+)px", svg)]
        assert sizes, name
        assert min(sizes) * scale >= 9.4, (name, min(sizes), scale)


def test_a_backbone_is_one_box_with_its_output_shape() -> None:
    facts = ModelFacts(
        kind="pretrained",
        name="MobileNetV2",
        num_parameters=2_270_794,
        num_trained_parameters=12_810,
        trained_layers=("logits",),
        num_layers=158,
    )
    head = ["GlobalAveragePooling2D", {"Dropout": {"rate": 0.5}}]
    params = {"model": {"name": "MobileNetV2", "weights": "imagenet", "head": head}}
    names = tuple(f"class {number}" for number in range(10))
    boxes = build_boxes(content(names, side=224, num_photos=0, model=facts, params=params).bundle)
    assert [(box.name, box.output_shape, box.num_parameters, box.state) for box in boxes[1:]] == [
        ("MobileNetV2", "7 × 7 × 1280", 2_257_984, "frozen"),
        ("GlobalAveragePooling2D", "1280", 0, ""),
        ("Dropout 0.5", "1280", 0, ""),
        ("Dense, one number per class", "10", 12_810, "trained"),
    ]


@pytest.mark.parametrize(
    ("model", "box_names"),
    [
        (
            {"kind": "upload", "name": "MobileNetV2", "head": "vgg"},
            ["MobileNetV2", "Flatten", "Dense 256, relu", "Dropout 0.5", "Dense, one number per class"],
        ),
        (
            {"kind": "upload", "name": "MobileNetV2", "head": "linear", "layer": "block_3_add"},
            ["MobileNetV2", "GlobalAveragePooling2D", "Dropout 0.5", "Dense, one number per class"],
        ),
        ({"kind": "upload", "head": None}, ["MobileNetV2"]),
        ({"kind": "pretrained", "name": "MobileNetV2", "head": "imagenet"}, ["MobileNetV2"]),
    ],
)
def test_every_kind_of_model_has_a_diagram(model: dict[str, Any], box_names: list[str]) -> None:
    facts = ModelFacts(
        kind=model["kind"],
        name="MobileNetV2",
        num_parameters=5_270_794,
        num_trained_parameters=12_810,
        trained_layers=("logits",),
        num_layers=157,
    )
    names = tuple(f"class {number}" for number in range(10))
    boxes = build_boxes(content(names, side=224, num_photos=0, model=facts, params={"model": model}).bundle)
    assert [box.name for box in boxes[1:]] == box_names
