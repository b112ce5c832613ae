"""Which network is trained: `train.model` of params.yaml."""

from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Discriminator, Field, Strict, Tag, model_validator

from components.contract.layers.backbone_facts import BackboneName, PixelScale
from components.contract.layers.layer import Layer
from components.contract.layers.stack import LayerSpec, parse_layer
from components.contract.params.base import Section
from components.contract.validation_messages import fault

Kind = Literal["layers", "pretrained", "upload", "bundle"]

HeadName = Literal["linear", "dense", "vgg", "imagenet"]
_PRESET_HEADS: Final[dict[str, tuple[Layer, ...]]] = {
    "linear": (parse_layer("GlobalAveragePooling2D"), parse_layer({"Dropout": {"rate": 0.5}})),
    "dense": (
        parse_layer("GlobalAveragePooling2D"),
        parse_layer({"Dense": {"units": 100, "activation": "relu"}}),
        parse_layer({"Dropout": {"rate": 0.2}}),
    ),
    "vgg": (
        parse_layer("Flatten"),
        parse_layer({"Dense": {"units": 256, "activation": "relu"}}),
        parse_layer({"Dropout": {"rate": 0.5}}),
    ),
}

Head = Annotated[
    Annotated[HeadName, Tag("preset")] | Annotated[tuple[LayerSpec, ...], Tag("list")],
    Discriminator(lambda value: "preset" if isinstance(value, str) else "list"),
]


def head_layers(head: str | tuple[Layer, ...] | None, *, on_a_map: bool = True) -> tuple[Layer, ...]:
    """The layers of a head.

    Args:
        head: a preset, a list, or None for the default, which is `linear`. `imagenet` has none but its own.
        on_a_map: whether its input is height × width × channels, which a preset pools; otherwise a flat vector.
    """
    if isinstance(head, tuple):
        return head
    if head == "imagenet":
        return ()
    layers = _PRESET_HEADS[head or "linear"]
    return layers if on_a_map else layers[1:]


_KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    "layers": ("layers",),
    "pretrained": ("name", "weights", "head"),
    "upload": ("path", "name", "head", "layer", "pixels", "class_names"),
    "bundle": ("from", "head", "layer"),
}
"""The keys of each kind; the first is required."""


class ModelParams(Section, serialize_by_alias=True):
    """Which network is trained. Its output layer, one logit per class, comes from the data."""

    kind: Literal["auto", "layers", "pretrained", "upload", "bundle"] = Field(
        "auto",
        description="layers: the list below. pretrained: a backbone with a head. upload: your own model file. "
        "bundle: an earlier Darkroom model. auto: follows from the other keys; without them, from the "
        "size of the pictures.",
    )
    layers: tuple[LayerSpec, ...] | None = Field(
        None, description="For kind layers: the network, layer by layer, with Keras' names and arguments."
    )
    name: BackboneName | None = Field(
        None,
        description="For kind pretrained: the backbone. For kind upload: the network of a file that contains only "
        "weights.",
    )
    weights: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="For kind pretrained: imagenet (the default), none, or the path of a weights file, without "
        "top unless the head is imagenet. The network of a file without top is recognized if `name` is omitted.",
    )
    head: Head | None = Field(
        None,
        description="The layers between features and output: linear, dense, vgg, or a list as in `layers`; for a "
        "backbone also imagenet, its own top of 1,000 classes. null: linear for a backbone; an upload or "
        "a bundle keeps its own head if its classes match the data.",
    )
    path: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="For kind upload: a .keras or .h5 file, a whole model or only weights, or a zip of one."
    )
    layer: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="For kinds upload and bundle: the layer whose output is the input of a new head."
    )
    pixels: PixelScale | None = Field(
        None, description="For kind upload: the pixel range of the network, if the file does not contain it."
    )
    class_names: Annotated[tuple[str, ...], Strict(False), Field(min_length=2)] | None = Field(
        None,
        description="For kind upload, used unchanged: its classes in the order of its outputs. null: from labels.txt "
        "or class_names.json beside it or in its zip, otherwise in alphabetical order.",
    )
    from_: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        alias="from",
        description="For kind bundle: a run id, a bundle's folder, an MLflow run id, or a registered name@alias.",
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        for key in ("layers", "head"):
            if getattr(self, key) == ():
                raise fault(f"{key} must have at least one layer; it is empty")
        kind = self.described_kind
        if kind is None:
            return self
        required_key, other_keys = _KEYS[kind][0], [key for key in self._set_keys if key not in _KEYS[kind]]
        if required_key not in self._set_keys and kind == "pretrained" and not self.has_weights_file:
            raise fault(
                f"{self._set_keys[0] if self.kind == 'auto' else 'kind pretrained'} needs a name, one of "
                f"{', '.join(get_args(BackboneName))}"
            )
        if required_key not in self._set_keys and not self.has_weights_file:
            requirement = "a list `layers`" if required_key == "layers" else f"`{required_key}`"
            raise fault(f"kind {kind} needs {requirement}" + (f", not {self._set_keys[0]}" if self._set_keys else ""))
        if self.head == "imagenet" and kind != "pretrained":
            raise fault(f"head imagenet belongs to a backbone; a model of kind {kind} does not have it")
        if other_keys:
            raise fault(
                f"{required_key} makes it a model of kind {kind}, which does not accept {other_keys[0]}; "
                "keep one of the two"
            )
        return self

    @property
    def has_weights_file(self) -> bool:
        """Whether `weights` is the path of a file, whose network can be recognized."""
        return self.weights not in (None, "imagenet", "none")

    @property
    def described_kind(self) -> Kind | None:
        """The kind that follows from the other keys if it is `auto`; None if it depends on the pictures."""
        if self.kind != "auto":
            return self.kind
        kinds: tuple[Kind, ...] = ("layers", "upload", "bundle")
        for kind in kinds:
            if _KEYS[kind][0] in self._set_keys:
                return kind
        return "pretrained" if self._set_keys else None

    @property
    def _set_keys(self) -> list[str]:
        """The keys that have a value."""
        keys = ("layers", "path", "from", "name", "weights", "head", "layer", "pixels", "class_names")
        return [key for key in keys if getattr(self, "from_" if key == "from" else key) is not None]
