"""The network to train: `train.model` of params.yaml."""

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
        head: a preset, a list, or None for the default, `linear`. `imagenet` adds no layers: it is the backbone's top.
        on_a_map: True if the head's input is height × width × channels, which presets first pool or flatten; False if
            it is a flat vector.
    """
    if isinstance(head, tuple):
        return head
    if head == "imagenet":
        return ()
    layers = _PRESET_HEADS[head or "linear"]
    return layers if on_a_map else layers[1:]


_KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    "layers": ("layers",),
    "pretrained": ("name", "weights", "head", "candidates", "choose"),
    "upload": ("path", "name", "head", "layer", "pixels", "class_names"),
    "bundle": ("from", "head", "layer"),
}
"""The keys that each kind accepts; the first is required, except that `name` is optional if there is a weights file."""


class ModelParams(Section, serialize_by_alias=True):
    """The network to train. Its output layer, with one logit per class, is added once the classes are known."""

    kind: Literal["auto", "layers", "pretrained", "upload", "bundle"] = Field(
        "auto",
        description="layers: the list in `layers`. pretrained: a backbone with a head. upload: your own model file. "
        "bundle: an earlier Darkroom model. auto: determined by the other keys, or by the size of the photos if no "
        "other key is set.",
    )
    layers: tuple[LayerSpec, ...] | None = Field(
        None, description="For kind layers: the layers of the network, with the names and arguments of Keras."
    )
    name: BackboneName | Literal["auto"] | None = Field(
        None,
        description="For kind pretrained: the backbone. auto: training probes the candidates on the photos, and uses "
        "the best. For kind upload: the network of a file that contains only weights.",
    )
    candidates: (
        Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False), Field(min_length=1)] | None
    ) = Field(
        None,
        description="For name auto: the backbones, weights files and model files to probe. null: the backbones of "
        "the preset, if their ImageNet weights are in Keras' cache or can be downloaded.",
    )
    choose: Literal["fastest", "most_accurate"] | None = Field(
        None,
        description="For name auto: the candidate to use. fastest: the fastest of those that may be as accurate as the "
        "best. null: fastest for the preset fast, otherwise most_accurate.",
    )
    weights: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="For kind pretrained: imagenet (the default), none (random weights), or the path of a weights "
        "file, which must not contain the top unless the head is imagenet. If `name` is not set, the network is "
        "recognized from a file without the top.",
    )
    head: Head | None = Field(
        None,
        description="The layers between the features and the output: linear, dense, vgg, or a list as in `layers`; for "
        "a backbone also imagenet, its original top of 1,000 classes. null: linear for a backbone; an upload or "
        "a bundle keeps its head if its classes match those of the data.",
    )
    path: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="For kind upload: a .keras or .h5 file that contains a model or only weights, or a zip of such a "
        "file.",
    )
    layer: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="For kinds upload and bundle: the layer to which a new head is attached."
    )
    pixels: PixelScale | None = Field(
        None, description="For kind upload: the range of input pixels, if the file does not define it."
    )
    class_names: Annotated[tuple[str, ...], Strict(False), Field(min_length=2)] | None = Field(
        None,
        description="For a model of kind upload that is used unchanged: its classes in the order of its outputs. null: "
        "read from a file such as labels.txt or class_names.json next to the model file or in its zip; without such a "
        "file, the classes of the data in alphabetical order.",
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
        if self.name == "auto" and (kind != "pretrained" or self.weights is not None or self.head == "imagenet"):
            raise fault(
                "name: auto chooses among pretrained networks, each with its default weights and a new head; remove "
                "weights, path and head: imagenet"
            )
        if self.name != "auto" and (self.candidates or self.choose):
            raise fault("candidates and choose require name: auto")
        if self.head == "imagenet" and kind != "pretrained":
            raise fault(f"head: imagenet needs a model of kind pretrained; found kind {kind}")
        if other_keys:
            raise fault(
                f"{other_keys[0]} cannot be combined with {required_key}, which implies kind {kind}; "
                "remove one of the two"
            )
        return self

    @property
    def has_weights_file(self) -> bool:
        """Whether `weights` is the path of a file, from which the network can be recognized."""
        return self.weights not in (None, "imagenet", "none")

    @property
    def described_kind(self) -> Kind | None:
        """The kind; if it is `auto`, the kind that the other keys imply, or None if it depends on the photos."""
        if self.kind != "auto":
            return self.kind
        kinds: tuple[Kind, ...] = ("layers", "upload", "bundle")
        for kind in kinds:
            if _KEYS[kind][0] in self._set_keys:
                return kind
        return "pretrained" if self._set_keys else None

    @property
    def _set_keys(self) -> list[str]:
        """The keys that are not null."""
        keys = (
            "layers",
            "path",
            "from",
            "name",
            "weights",
            "head",
            "candidates",
            "choose",
            "layer",
            "pixels",
            "class_names",
        )
        return [key for key in keys if getattr(self, "from_" if key == "from" else key) is not None]
