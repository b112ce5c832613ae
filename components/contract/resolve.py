"""Settles every `auto` of params.yaml by the data, once, before anything is compiled or run."""

from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from components.contract.errors import ModelError
from components.contract.layers import Layer, parse_layer, trace_shapes
from components.contract.model_params import BACKBONE_FEATURES, BACKBONE_SIZES, ModelParams
from components.contract.params import Params
from components.contract.section import MIN_SIZE, TINY_PIXELS
from components.contract.train_params import Phase, TrainParams

NORMALIZED = {"BatchNormalization": {"momentum": 0.9}}
"""Follows within some ten steps; Keras' own 0.99 lags behind for epochs where an epoch has few."""

SMALL_CNN: tuple[Layer, ...] = tuple(
    parse_layer(layer)
    for layer in (
        {"Conv2D": {"filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        NORMALIZED,
        {"Conv2D": {"filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        NORMALIZED,
        "MaxPooling2D",
        {"Conv2D": {"filters": 64, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        NORMALIZED,
        {"Conv2D": {"filters": 64, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        NORMALIZED,
        "MaxPooling2D",
        {"Conv2D": {"filters": 128, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        NORMALIZED,
        "GlobalAveragePooling2D",
        {"Dropout": {"rate": 0.3}},
    )
)
"""What `kind: auto` becomes for tiny pictures."""

LINEAR_HEAD: tuple[Layer, ...] = (
    parse_layer("GlobalAveragePooling2D"),
    parse_layer({"Dropout": {"rate": 0.5}}),
)


class Resolution(BaseModel):
    """Params without any `auto`, and one sentence for each value that was settled."""

    model_config = ConfigDict(frozen=True)

    params: Params
    decisions: tuple[str, ...]


def resolve(params: Params, *, native_size: tuple[int, int], data_name: str) -> Resolution:
    """Settles every `auto`, and checks what only the data can tell.

    Args:
        params: as read.
        native_size: (height, width), the median of the photos' own sizes in pixels.
        data_name: what the data are called, for `deploy.model_name: auto`.

    Raises:
        ParamsError: a value cannot stand with the resolved size.
        ModelError: the layers cannot be built at the resolved size.
    """
    decisions: list[str] = []
    image_size, why = _resolve_image_size(params, native_size)
    if params.preprocess.image_size == "auto":
        decisions.append(f"preprocess.image_size: auto became {image_size}, {why}.")
    preprocess = params.preprocess.model_copy(update={"image_size": image_size})

    train, train_decisions = resolve_train(params.train, preprocess.size)
    decisions += train_decisions

    deploy = params.deploy
    if deploy.model_name == "auto":
        deploy = deploy.model_copy(update={"model_name": data_name})
        decisions.append(f"deploy.model_name: auto became {data_name}, the name of the data.")

    resolved = params.model_copy(update={"preprocess": preprocess, "train": train, "deploy": deploy})
    return Resolution(params=resolved, decisions=tuple(decisions))


def resolve_train(train: TrainParams, image_size: tuple[int, int]) -> tuple[TrainParams, list[str]]:
    """Settles the `auto` values of the train section for photos of `image_size` (height, width)."""
    decisions: list[str] = []
    tiny = max(image_size) <= TINY_PIXELS
    model = train.model
    if model.kind == "auto":
        if model.layers is not None:
            model = model.model_copy(update={"kind": "layers"})
        elif model.name is not None:
            model = model.model_copy(update={"kind": "pretrained"})
        elif tiny:
            model = model.model_copy(update={"kind": "layers", "layers": SMALL_CNN})
            decisions.append(
                f"train.model.kind: auto became layers, a small CNN of {len(SMALL_CNN)} layers, because the photos "
                f"are {_size_text(image_size)} px (at most {TINY_PIXELS})."
            )
        else:
            model = model.model_copy(update={"kind": "pretrained", "name": "MobileNetV2"})
            decisions.append(
                "train.model.kind: auto became pretrained, MobileNetV2, because the photos are larger than "
                f"{TINY_PIXELS} px."
            )
    if model.kind == "pretrained":
        model = model.model_copy(update={"weights": model.weights or "imagenet", "head": model.head or LINEAR_HEAD})
    check_model(model, image_size)
    settled = {"augmentation": "light" if tiny else "medium", "trainable": _trainable(model)}
    phases = tuple(_settle(phase, settled) for phase in train.all_phases)
    if any(phase.augmentation == "auto" for phase in train.all_phases):
        decisions.append(f"train.augmentation: auto became {settled['augmentation']}, for "
                         f"{'tiny pictures' if tiny else 'photos'}.")  # fmt: skip
    return _settle(train, settled).model_copy(update={"model": model, "phases": phases}), decisions


P = TypeVar("P", bound=Phase)


def _settle(phase: P, settled: dict[str, str]) -> P:
    return phase.model_copy(update={key: value for key, value in settled.items() if getattr(phase, key) == "auto"})


def _trainable(model: ModelParams) -> Literal["all", "head"]:
    """All of a network that knows nothing yet; else what is new in it."""
    return "all" if model.kind == "layers" or model.weights == "none" else "head"


def check_model(model: ModelParams, image_size: tuple[int, int]) -> None:
    """Checks that the layers can be built for photos of `image_size` (height, width).

    Raises:
        ModelError: they cannot; names the layer and its input.
    """
    if model.layers is not None:
        trace_shapes(model.layers, (*image_size, 3))
    if model.name is not None and model.head is not None:
        pixels_per_place, channels = BACKBONE_FEATURES[model.name]
        if min(image_size) < pixels_per_place:
            raise ModelError(f"{model.name} takes photos of at least {pixels_per_place} px a side; they are "
                             f"{_size_text(image_size)} px. Set a larger preprocess.image_size.")  # fmt: skip
        height, width = (-(-side // pixels_per_place) for side in image_size)
        trace_shapes(model.head, (height, width, channels), "train.model.head")


def _resolve_image_size(params: Params, native_size: tuple[int, int]) -> tuple[int | tuple[int, int], str]:
    given = params.preprocess.image_size
    if given != "auto":
        return given, "as given"
    model = params.train.model
    if model.name is not None:
        size = BACKBONE_SIZES[model.name]
        return size, f"what {model.name} was made for"
    if max(native_size) <= TINY_PIXELS:
        height, width = (max(MIN_SIZE, side) for side in native_size)
        return (height if height == width else (height, width)), "the native size of the pictures"
    if model.layers is not None:
        return 128, f"for a network of your own (the photos are {_size_text(native_size)} px)"
    size = BACKBONE_SIZES["MobileNetV2"]
    return size, f"for MobileNetV2, because the photos are {_size_text(native_size)} px (more than {TINY_PIXELS})"


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"
