"""Draws the network: one box per layer, a single box for a backbone, with output shapes and parameter counts."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.contract.artifacts.bundle import BundleInfo
from components.contract.errors import ModelError
from components.contract.layers.backbone_sizes import feature_shape
from components.contract.layers.backbones import BACKBONES
from components.contract.layers.layer import Layer
from components.contract.layers.shapes import Shape, shape_text
from components.contract.layers.stack import TracedLayer, parse_layer, trace
from components.contract.params.base import height_width
from components.contract.params.model import head_layers
from components.evaluate.report.charts.style import LINE, RIGHT, SOFT, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BOXES = 26
"""If the network has more boxes, only the first and last ones are shown."""
BOX_HEIGHT, GAP, WIDTH = 26, 8, 360
NAME_SIZE, FACTS_SIZE = 11.5, 10.5
LETTER_WIDTH = 0.55
"""The average width of a letter, relative to the font size."""


@dataclass(frozen=True)
class Box:
    """One part of the network.

    Attributes:
        name: the name of the part.
        output_shape: the shape of its output; empty if it is unknown.
        num_parameters: the number of its parameters; 0 if it has none, or the number is unknown.
        state: "trained", "partly trained", "frozen", or empty.
    """

    name: str
    output_shape: str
    num_parameters: int
    state: str


def build_boxes(bundle: BundleInfo) -> list[Box]:
    """The boxes from the photo to the classes; parts that the bundle does not describe are left out."""
    model = bundle.params.get("model") or {}
    input_size = _input_size(bundle)
    input_shape: Shape | None = (*input_size, 3)
    boxes = [Box("photo, RGB", shape_text((*bundle.image_size, 3)), 0, "")]
    if input_size != bundle.image_size:
        boxes.append(Box("scaled down", shape_text((*input_size, 3)), 0, ""))
    is_custom = bool(model.get("layers"))
    layers = [parse_layer(layer) for layer in model["layers"]] if is_custom else _parse_head(model.get("head"))
    if not is_custom:
        input_shape = _backbone_shape(bundle, model.get("name")) if layers and model.get("layer") is None else None
        boxes.append(_backbone_box(bundle, layers, input_shape))
    boxes += _layer_boxes(layers, input_shape, len(bundle.class_names)) if is_custom or layers else []
    return boxes


def architecture_chart(boxes: Sequence[Box]) -> "Figure":
    """Draws the boxes from top to bottom; trained layers have a solid blue outline, frozen layers a dashed one."""
    from matplotlib.patches import FancyBboxPatch

    visible_boxes = list(boxes)
    if len(visible_boxes) > MOST_BOXES:
        half = MOST_BOXES // 2
        ellipsis_box = Box(f"… {len(visible_boxes) - 2 * half} more layers …", "", 0, "")
        visible_boxes = [*visible_boxes[:half], ellipsis_box, *visible_boxes[-half:]]
    height = len(visible_boxes) * (BOX_HEIGHT + GAP) + GAP
    with style():
        figure = new_figure(WIDTH, height)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        axes.axis("off")
        for number, box in enumerate(visible_boxes):
            bottom = height - (number + 1) * (BOX_HEIGHT + GAP)
            if number:
                axes.plot([WIDTH / 2] * 2, [bottom + BOX_HEIGHT, bottom + BOX_HEIGHT + GAP], color=SOFT, linewidth=1)
            axes.add_patch(
                FancyBboxPatch(
                    (10, bottom),
                    WIDTH - 20,
                    BOX_HEIGHT,
                    boxstyle="round,pad=0,rounding_size=4",
                    facecolor="none",
                    edgecolor=RIGHT if box.state == "trained" else SOFT if box.state else LINE,
                    linestyle="--" if box.state == "frozen" else "-",
                    linewidth=1.6 if box.state == "trained" else 1,
                )
            )
            middle = bottom + BOX_HEIGHT / 2
            weights = f"{box.num_parameters:,} {box.state}" if box.num_parameters else box.state
            facts = " · ".join(filter(None, (weights, box.output_shape)))
            max_letters = int((WIDTH - 44 - len(facts) * FACTS_SIZE * LETTER_WIDTH) / (NAME_SIZE * LETTER_WIDTH))
            name = box.name if len(box.name) <= max_letters else box.name[: max_letters - 1] + "…"
            axes.text(18, middle, name, va="center", ha="left", fontsize=NAME_SIZE)
            axes.text(WIDTH - 18, middle, facts, va="center", ha="right", fontsize=FACTS_SIZE, color=SOFT)
    return figure


def describe_boxes(boxes: Sequence[Box]) -> str:
    """Describes the diagram in words, for screen readers."""
    parts = "; ".join(f"{box.name} {box.output_shape}".strip() for box in boxes)
    return f"From the photo to the classes: {parts}."


def _layer_boxes(layers: Sequence[Layer], input_shape: Shape | None, num_classes: int) -> list[Box]:
    traced_layers: Sequence[TracedLayer] = ()
    if input_shape is not None:
        with contextlib.suppress(ModelError):  # the layers may not fit this input shape
            traced_layers = trace(tuple(layers), input_shape)
    boxes = [Box(_describe_layer(layer), "", 0, "") for layer in layers[len(traced_layers) :]]
    for node in traced_layers:
        state = "trained" if node.num_parameters else ""
        boxes.append(Box(_describe_layer(node.layer), shape_text(node.output_shape), node.num_parameters, state))
    last_shape = traced_layers[-1].output_shape if traced_layers else None if layers else input_shape
    if not boxes or not _outputs_classes(layers[-1], num_classes):
        weights = (last_shape[0] + 1) * num_classes if last_shape is not None and len(last_shape) == 1 else 0
        boxes.append(Box("Dense, one number per class", f"{num_classes}", weights, "trained"))
    return boxes


def _parse_head(head: str | list[Any] | None) -> list[Layer]:
    """Parses the head; empty if it is None (the network keeps its own head) or `imagenet` (the backbone's top)."""
    if isinstance(head, list):
        return [parse_layer(layer) for layer in head]
    return list(head_layers(head)) if head is not None else []


def _outputs_classes(layer: Layer, num_classes: int) -> bool:
    return layer.arguments.get("units") == num_classes or layer.arguments.get("activation") == "softmax"


def _describe_layer(layer: Layer) -> str:
    """Shortens `Conv2D(filters=32, kernel_size=3)` to `Conv2D 32, 3`, or to the kind if there are no arguments."""
    kind, _, arguments = str(layer).rstrip(")").partition("(")
    values = [part.partition("=")[2] or part for part in arguments.split(", ") if not part.startswith("padding=")]
    return f"{kind} {', '.join(filter(None, values))}".strip()


def _backbone_shape(bundle: BundleInfo, name: str | None) -> Shape | None:
    """The backbone's output shape, None if unknown: a missing shape must not prevent the verdict from being written."""
    input_size = _input_size(bundle)
    fits = name in BACKBONES and min(input_size) >= BACKBONES[name].smallest
    return feature_shape(str(name), input_size) if fits else None


def _input_size(bundle: BundleInfo) -> tuple[int, int]:
    """The (height, width) of the network's input, to which larger photos are scaled down."""
    return height_width(bundle.params.get("image_size") or bundle.image_size)


def _backbone_box(bundle: BundleInfo, head: Sequence[Layer], output_shape: Shape | None) -> Box:
    facts = bundle.model
    num_backbone_parameters = facts.num_parameters
    if output_shape is not None:
        head_boxes = _layer_boxes(head, output_shape, len(bundle.class_names))
        num_backbone_parameters -= sum(box.num_parameters for box in head_boxes)
    # The output layer is always trained; any other trained layer may be in the backbone.
    all_frozen = facts.num_trained_parameters <= facts.num_parameters - num_backbone_parameters
    state = (
        "frozen"
        if all_frozen
        else "trained"
        if facts.num_trained_parameters == facts.num_parameters
        else "partly trained"
    )
    shape = shape_text(output_shape) if output_shape else ""
    return Box(facts.name, shape, num_backbone_parameters, state)
