"""The network as a picture: one box per layer, a backbone as one box, with shapes and parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.contract.artifacts.bundle import BundleInfo
from components.contract.errors import ModelError
from components.contract.layers.backbones import BACKBONES, feature_shape
from components.contract.layers.layer import Layer, Shape, shape_text
from components.contract.layers.stack import parse_layer, trace
from components.contract.params.base import height_width
from components.contract.params.model import head_layers
from components.evaluate.report.charts.style import GOOD, LINE, SOFT, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BOXES = 26
"""A longer network shows its first and last layers."""
BOX_HEIGHT, GAP, WIDTH = 26, 8, 360
NAME_SIZE, FACTS_SIZE = 11.5, 10.5
LETTER_WIDTH = 0.55
"""Of a letter, on average, in font sizes."""


@dataclass(frozen=True)
class Box:
    """One part of the network.

    Attributes:
        name: what it is.
        gives: the shape of its output, where it is known.
        num_parameters: 0 where it has none, or they are not known.
        state: "trained", "frozen", or nothing.
    """

    name: str
    gives: str
    num_parameters: int
    state: str


def boxes_of(bundle: BundleInfo) -> list[Box]:
    """From the photo to the classes; what the bundle does not tell is left out."""
    model = bundle.params.get("model") or {}
    seen = _seen_size(bundle)
    start: Shape | None = (*seen, 3)
    boxes = [Box("photo, RGB", shape_text((*bundle.image_size, 3)), 0, "")]
    if seen != bundle.image_size:
        boxes.append(Box("scaled down", shape_text((*seen, 3)), 0, ""))
    own = bool(model.get("layers"))
    listed = [parse_layer(layer) for layer in model["layers"]] if own else _head(model.get("head"))
    if not own:
        start = _features(bundle, model.get("name")) if listed and model.get("layer") is None else None
        boxes.append(_backbone(bundle, listed, start))
    boxes += _layers(listed, start, len(bundle.class_names)) if own or listed else []
    return boxes


def architecture_chart(boxes: Sequence[Box]) -> "Figure":
    """The boxes from top to bottom; what was trained has a firm blue line, what was frozen a dashed one."""
    from matplotlib.patches import FancyBboxPatch

    shown = list(boxes)
    if len(shown) > MOST_BOXES:
        half = MOST_BOXES // 2
        left_out = Box(f"… {len(shown) - 2 * half} more layers …", "", 0, "")
        shown = [*shown[:half], left_out, *shown[-half:]]
    height = len(shown) * (BOX_HEIGHT + GAP) + GAP
    with style():
        figure = new_figure(WIDTH, height)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        axes.axis("off")
        for number, box in enumerate(shown):
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
                    edgecolor=GOOD if box.state == "trained" else SOFT if box.state else LINE,
                    linestyle="--" if box.state == "frozen" else "-",
                    linewidth=1.6 if box.state == "trained" else 1,
                )
            )
            middle = bottom + BOX_HEIGHT / 2
            weights = f"{box.num_parameters:,} {box.state}" if box.num_parameters else box.state
            facts = " · ".join(filter(None, (weights, box.gives)))
            room = int((WIDTH - 44 - len(facts) * FACTS_SIZE * LETTER_WIDTH) / (NAME_SIZE * LETTER_WIDTH))
            name = box.name if len(box.name) <= room else box.name[: room - 1] + "…"
            axes.text(18, middle, name, va="center", ha="left", fontsize=NAME_SIZE)
            axes.text(WIDTH - 18, middle, facts, va="center", ha="right", fontsize=FACTS_SIZE, color=SOFT)
    return figure


def describe(boxes: Sequence[Box]) -> str:
    """The picture in words, for those who do not see it."""
    return "From the photo to the classes: " + "; ".join(f"{box.name} {box.gives}".strip() for box in boxes) + "."


def _layers(listed: Sequence[Layer], start: Shape | None, num_classes: int) -> list[Box]:
    before: list[Shape | None] = [None] * len(listed)
    after: list[Shape | None] = [None] * len(listed)
    if start is not None:
        try:
            traced = trace(tuple(listed), start)
            before = [layer.input_shape for layer in traced]
            after = [layer.output_shape for layer in traced]
        except ModelError:  # a head that is traced from another place than the backbone's end
            pass
    boxes = []
    for layer, shape, gives in zip(listed, before, after, strict=True):
        weights = layer.num_parameters(shape) if shape is not None else 0
        boxes.append(Box(_words(layer), shape_text(gives) if gives else "", weights, "trained" if weights else ""))
    last = after[-1] if after else start
    if not boxes or not _gives_classes(listed[-1], num_classes):
        weights = (last[0] + 1) * num_classes if last is not None and len(last) == 1 else 0
        boxes.append(Box("Dense, one number per class", f"{num_classes}", weights, "trained"))
    return boxes


def _head(head: str | list[Any] | None) -> list[Layer]:
    """None where the network kept its own, or ImageNet's."""
    if isinstance(head, list):
        return [parse_layer(layer) for layer in head]
    return list(head_layers(head)) if head is not None else []


def _gives_classes(layer: Layer, num_classes: int) -> bool:
    return getattr(layer, "units", None) == num_classes or getattr(layer, "activation", None) == "softmax"


def _words(layer: Layer) -> str:
    """`Conv2D(filters=32, kernel_size=3)` as `Conv2D 32, 3`; a lone kind as it stands."""
    kind, _, arguments = str(layer).rstrip(")").partition("(")
    values = [part.partition("=")[2] or part for part in arguments.split(", ") if not part.startswith("padding=")]
    return f"{kind} {', '.join(filter(None, values))}".strip()


def _features(bundle: BundleInfo, name: str | None) -> Shape | None:
    """What the backbone gives, as far as that is known; a picture must not keep a verdict from being written."""
    seen = _seen_size(bundle)
    fits = name in BACKBONES and min(seen) >= BACKBONES[name].smallest
    return feature_shape(str(name), seen) if fits else None


def _seen_size(bundle: BundleInfo) -> tuple[int, int]:
    """(height, width) that the network scales photos down to, or takes them at."""
    return height_width(bundle.params.get("image_size") or bundle.image_size)


def _backbone(bundle: BundleInfo, head: Sequence[Layer], gives: Shape | None) -> Box:
    facts = bundle.model
    inside = facts.num_parameters
    if gives is not None:
        inside -= sum(box.num_parameters for box in _layers(head, gives, len(bundle.class_names)))
    # The output layer is always trained; any further trained layer may stand in the backbone.
    all_frozen = facts.num_trained_parameters <= facts.num_parameters - inside
    state = "frozen" if all_frozen else "trained" if facts.num_trained_parameters == facts.num_parameters else "partly"
    return Box(facts.name, shape_text(gives) if gives else "", inside, state if state != "partly" else "partly trained")
