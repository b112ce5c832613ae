"""Which network is trained: `train.model` of params.yaml."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from components.contract.faults import fault
from components.contract.layers import LayerSpec
from components.contract.section import Section

BackboneName = Literal["MobileNetV2"]
BACKBONE_SIZES: dict[str, int] = {"MobileNetV2": 224}
"""The input size in pixels that each backbone was made for."""

BACKBONE_FEATURES: dict[str, tuple[int, int]] = {"MobileNetV2": (32, 1280)}
"""Pixels per place of each backbone's feature map, which is the least that a photo's side may have; and its channels.
Enough to check a head before anything heavy is imported."""


class ModelParams(Section):
    """Which network is trained. Its output layer, one logit per class, comes from the data."""

    kind: Literal["auto", "layers", "pretrained"] = Field(
        "auto", description="layers: the list below. pretrained: a backbone with a head. auto: whichever of the two is "
        "given; else by the size of the pictures."
    )  # fmt: skip
    layers: tuple[LayerSpec, ...] | None = Field(
        None, description="For kind layers: the network, layer by layer, named and set as in Keras."
    )
    name: BackboneName | None = Field(None, description="For kind pretrained: the backbone.")
    weights: Annotated[str, Field(min_length=1)] | None = Field(
        None, description="For kind pretrained: imagenet (the default), none, or the path of a weights file without "
        "top."
    )  # fmt: skip
    head: tuple[LayerSpec, ...] | None = Field(
        None, description="For kind pretrained: the layers between backbone and output, as in `layers`."
    )

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        for key in ("layers", "head"):
            if getattr(self, key) == ():
                raise fault(f"{key} must hold at least one layer; it is empty")
        backbone_keys = [key for key in ("name", "weights", "head") if getattr(self, key) is not None]
        known = ", ".join(get_args(BackboneName))
        if self.layers is not None and (backbone_keys or self.kind == "pretrained"):
            other = backbone_keys[0] if backbone_keys else "kind: pretrained"
            raise fault(f"layers describe a network of its own, yet {other} is given too; keep one of the two")
        if self.kind == "layers" and self.layers is None:
            raise fault("kind layers needs a list `layers`" + (f", not {backbone_keys[0]}" if backbone_keys else ""))
        if self.name is None and (self.kind == "pretrained" or backbone_keys):
            raise fault(f"{backbone_keys[0] if backbone_keys else 'kind pretrained'} needs a name, one of {known}")
        return self
