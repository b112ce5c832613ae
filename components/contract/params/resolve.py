"""Replaces every `auto` in params.yaml according to the data, once, before anything is compiled or run."""

from typing import Literal, TypeVar

from components.contract.artifacts.dataset import PixelRange
from components.contract.errors import ModelError, ParamsError
from components.contract.layers.backbone_sizes import feature_shape, warn_of_small_photos
from components.contract.layers.backbones import BACKBONES
from components.contract.layers.layer import Layer
from components.contract.layers.shapes import Shape
from components.contract.layers.stack import parse_layer, trace_shapes
from components.contract.params.base import MIN_SIZE, TINY_PIXELS
from components.contract.params.model import ModelParams, head_layers
from components.contract.params.pipeline import Params
from components.contract.params.presets import apply_preset, without_preset
from components.contract.params.probing import is_probed, largest_candidate, settle_candidates
from components.contract.params.training import Phase, TrainParams
from components.contract.params.tuning import auto_space, check_space
from components.contract.record import BaseRecord

BATCH_NORMALIZATION = {"BatchNormalization": {"momentum": 0.9}}
"""With this momentum, the moving statistics adapt within about ten steps. With Keras' default of 0.99, they lag behind
for several epochs if an epoch has few steps."""

SMALL_CNN: tuple[Layer, ...] = tuple(
    parse_layer(layer)
    for layer in (
        {"Conv2D": {"filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        BATCH_NORMALIZATION,
        {"Conv2D": {"filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        BATCH_NORMALIZATION,
        "MaxPooling2D",
        {"Conv2D": {"filters": 64, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        BATCH_NORMALIZATION,
        {"Conv2D": {"filters": 64, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        BATCH_NORMALIZATION,
        "MaxPooling2D",
        {"Conv2D": {"filters": 128, "kernel_size": 3, "padding": "same", "activation": "relu"}},
        BATCH_NORMALIZATION,
        "GlobalAveragePooling2D",
        {"Dropout": {"rate": 0.3}},
    )
)
"""The network that replaces `kind: auto` for tiny photos."""


class InitialModelFacts(BaseRecord):
    """The facts about an uploaded file or an earlier bundle that are needed before anything runs.

    Attributes:
        display_name: the name of the model in messages.
        image_size: (height, width) of the model's input; None if it accepts any size.
        usual_size: the image size that the model was designed for, in pixels; 224 if unknown.
        pixel_range: the range of the 16-bit photos that the model was trained on; auto if there were none.
        features: the input shape of a new head; None if it depends on the size of the photos.
        decisions: a sentence for each fact that was detected.
    """

    display_name: str
    image_size: tuple[int, int] | None
    usual_size: int = 224
    pixel_range: Literal["auto"] | PixelRange = "auto"
    features: Shape | None
    decisions: tuple[str, ...] = ()


class Resolution(BaseRecord):
    """Params without any `auto`, and one sentence for each value that was resolved."""

    params: Params
    decisions: tuple[str, ...]
    data: tuple[str, ...] = ()


def resolve(
    params: Params, *, native_size: tuple[int, int], data_name: str, initial_model: InitialModelFacts | None = None
) -> Resolution:
    """Replaces every `auto`, and checks the values that depend on the data.

    Args:
        params: the params as read.
        native_size: (height, width) in pixels, the median size of the photos.
        data_name: the name of the data, for `deploy.model_name: auto`.
        initial_model: the facts about the upload or bundle in `train.model`; None if this machine cannot read it.

    Raises:
        ParamsError: a value is invalid for the resolved size.
        ModelError: the layers cannot be built at the resolved size.
    """
    decisions: list[str] = []
    image_size, reason = _resolve_image_size(params, native_size, initial_model)
    if params.preprocess.image_size == "auto":
        decisions.append(f"preprocess.image_size: auto became {image_size}, {reason}.")
    preprocess = params.preprocess.model_copy(update={"image_size": image_size})
    if preprocess.pixel_range == "auto" and initial_model is not None:
        preprocess = preprocess.model_copy(update={"pixel_range": initial_model.pixel_range})
        if initial_model.pixel_range != "auto":
            decisions.append(
                f"preprocess.pixel_range: auto became {list(initial_model.pixel_range)}, the range with "
                f"which {initial_model.display_name} was trained."
            )

    train, train_decisions = resolve_train(params.train, preprocess.size, initial_model, num_trials=params.tune.trials)
    decisions += train_decisions
    if train.model.name in BACKBONES and (warning := warn_of_small_photos(train.model.name, native_size)):
        decisions.append(warning)

    if params.tune.trials:
        check_space(train, auto_space(train) if params.tune.space == "auto" else params.tune.space, preprocess.size)

    deploy = params.deploy
    if deploy.model_name == "auto":
        deploy = deploy.model_copy(update={"model_name": data_name})
        decisions.append(f"deploy.model_name: auto became {data_name}, the name of the data.")

    resolved = params.model_copy(update={"preprocess": preprocess, "train": train, "deploy": deploy})
    return Resolution(params=resolved, decisions=tuple(decisions))


def resolve_train(
    train: TrainParams,
    image_size: tuple[int, int],
    initial_model: InitialModelFacts | None = None,
    *,
    num_trials: int = 0,
) -> tuple[TrainParams, list[str]]:
    """Replaces the `auto` values of the section `train` for photos of `image_size` (height, width).

    If there are trials, no preset is applied, because the search tunes the values that a preset would set.
    """
    if num_trials:
        train = without_preset(train)
    is_tiny = max(image_size) <= TINY_PIXELS
    train, candidate_decisions = settle_candidates(train, num_trials=num_trials)
    model, decisions = _resolve_model(train.model, image_size, initial_model)
    decisions += candidate_decisions
    input_size = train.input_size(image_size)
    if input_size == image_size:
        train = train.model_copy(update={"image_size": None})
    elif input_size[0] > image_size[0] or input_size[1] > image_size[1]:
        raise ParamsError(
            f"train.image_size must not exceed the size of the prepared photos, {_size_text(image_size)} "
            f"px; it is {_size_text(input_size)} px. Set a larger preprocess.image_size, or auto."
        )
    check_model(model, input_size, initial_model)
    train, preset_decisions = apply_preset(train, model)
    decisions += preset_decisions
    auto_values = {"augmentation": "light" if is_tiny else "medium", "trainable": _default_trainable(model)}
    phases = (
        train.phases
        if train.phases == "auto"
        else tuple(_replace_auto(phase, auto_values) for phase in train.all_phases)
    )
    if any(phase.augmentation == "auto" for phase in train.all_phases):
        pictures = "tiny pictures" if is_tiny else "photos"
        decisions.append(f"train.augmentation: auto became {auto_values['augmentation']}, for {pictures}.")
    return _replace_auto(train, auto_values).model_copy(update={"model": model, "phases": phases}), decisions


P = TypeVar("P", bound=Phase)


def _replace_auto(phase: P, auto_values: dict[str, str]) -> P:
    return phase.model_copy(update={key: value for key, value in auto_values.items() if getattr(phase, key) == "auto"})


def _default_trainable(model: ModelParams) -> Literal["all", "head"]:
    """Returns `all` for a new network, and `head` for a pretrained one."""
    return "all" if model.kind == "layers" or model.weights == "none" else "head"


def _resolve_model(
    model: ModelParams, image_size: tuple[int, int], initial_model: InitialModelFacts | None
) -> tuple[ModelParams, list[str]]:
    decisions = list(initial_model.decisions) if initial_model else []
    if model.kind == "auto" and model.described_kind is not None:
        model = model.model_copy(update={"kind": model.described_kind})
    elif model.kind == "auto" and max(image_size) <= TINY_PIXELS:
        model = model.model_copy(update={"kind": "layers", "layers": SMALL_CNN})
        decisions.append(
            f"train.model.kind: auto became layers, a small CNN of {len(SMALL_CNN)} layers, because the photos "
            f"are {_size_text(image_size)} px (not more than {TINY_PIXELS})."
        )
    elif model.kind == "auto":
        model = model.model_copy(update={"kind": "pretrained", "name": "MobileNetV2"})
        decisions.append(
            "train.model.kind: auto became pretrained, MobileNetV2, because the photos are larger than "
            f"{TINY_PIXELS} px."
        )
    if model.kind == "pretrained" and model.name is None:
        raise ParamsError(
            f"train.model.name must be set if this machine cannot read the weights file; the file is {model.weights}. "
            "Set it to the network that the weights belong to."
        )
    if model.kind == "pretrained":
        weights = None if model.name == "auto" else model.weights or "imagenet"
        model = model.model_copy(update={"weights": weights, "head": _resolve_head(model)})
    elif isinstance(model.head, str) and initial_model is not None and initial_model.features is not None:
        head = head_layers(model.head, on_a_map=len(initial_model.features) == 3)
        model = model.model_copy(update={"head": head})
    return model, decisions


def _resolve_head(model: ModelParams) -> str | tuple[Layer, ...]:
    return model.head if model.head == "imagenet" else head_layers(model.head)


def check_model(
    model: ModelParams, image_size: tuple[int, int], initial_model: InitialModelFacts | None = None
) -> None:
    """Checks that the layers can be built for photos of `image_size` (height, width).

    Raises:
        ModelError: a layer cannot be built; the message names it and its input shape.
    """
    if model.layers is not None:
        trace_shapes(model.layers, (*image_size, 3))
    if model.kind == "pretrained" and model.name in BACKBONES:
        features = feature_shape(model.name, image_size)
        if model.head != "imagenet":
            trace_shapes(head_layers(model.head), features, "train.model.head")
        elif min(image_size) != max(image_size) or image_size[0] != BACKBONES[model.name].size:
            size = BACKBONES[model.name].size
            raise ModelError(
                f"{model.name} with the head imagenet needs photos of {size} × {size} px; the photos are "
                f"{_size_text(image_size)} px. Set preprocess.image_size: auto."
            )
    if initial_model is not None:
        if initial_model.image_size not in (None, image_size):
            raise ModelError(
                f"{initial_model.display_name} needs photos of {_size_text(initial_model.image_size)} px; "
                f"the photos are {_size_text(image_size)} px. Set preprocess.image_size: auto."
            )
        if initial_model.features is not None and isinstance(model.head, tuple):
            trace_shapes(model.head, initial_model.features, "train.model.head")


def _resolve_image_size(
    params: Params, native_size: tuple[int, int], initial_model: InitialModelFacts | None
) -> tuple[int | tuple[int, int], str]:
    image_size = params.preprocess.image_size
    if image_size != "auto":
        return image_size, "as set"
    largest = _largest_size(params)
    if largest is not None:
        return largest
    model = params.train.model
    if is_probed(params.train):
        return largest_candidate(params.train, initial_model.usual_size if initial_model else 0)
    kind = model.described_kind
    if kind in ("upload", "bundle"):
        if initial_model is None:
            raise ParamsError(
                f"Set preprocess.image_size for a model of kind {kind} that this machine cannot read: --set "
                "preprocess.image_size=… (darkroom run determines it automatically)"
            )
        if initial_model.image_size is None:
            return initial_model.usual_size, f"because {initial_model.display_name} accepts photos of any size"
        height, width = initial_model.image_size
        return (height if height == width else (height, width)), f"the input size of {initial_model.display_name}"
    if kind == "pretrained" and model.name is not None:
        size = BACKBONES[model.name].size
        return size, f"the size for which {model.name} was designed"
    if max(native_size) <= TINY_PIXELS:
        height, width = (max(MIN_SIZE, side) for side in native_size)
        return (height if height == width else (height, width)), "the native size of the pictures"
    if model.layers is not None:
        return 128, f"for a custom network (the photos are {_size_text(native_size)} px)"
    size = BACKBONES["MobileNetV2"].size
    return size, f"for MobileNetV2, because the photos are {_size_text(native_size)} px (more than {TINY_PIXELS})"


def _largest_size(params: Params) -> tuple[int | tuple[int, int], str] | None:
    """The largest size that training with these params needs, and why; None if only the model determines it."""
    space = params.tune.space if params.tune.trials and params.tune.space != "auto" else {}
    if "image_size" in space:
        sizes = [size for size in space["image_size"].ends() if isinstance(size, int)]
        return max(sizes, default=MIN_SIZE), "the largest size in the search space"
    if params.train.image_size is not None:
        return params.train.image_size, "the value of train.image_size"
    if "model.name" in space:
        names = [name for name in space["model.name"].ends() if isinstance(name, str) and name in BACKBONES]
        return max(
            (BACKBONES[name].size for name in names), default=MIN_SIZE
        ), "the largest input size of the backbones in the search space"
    return None


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"
