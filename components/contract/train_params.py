"""How the network is trained: the section `train` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from components.contract.model_params import ModelParams
from components.contract.section import Fraction, Section, Seed


class AugmentationParams(Section):
    """How strongly training photos vary. Each value is the largest change, drawn anew per photo and epoch."""

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    zoom: Fraction = 0.0
    shear_degrees: Annotated[float, Field(ge=0, le=60)] = 0.0
    shift: Fraction = Field(0.0, description="As a fraction of height and width.")
    brightness: Fraction = Field(0.0, description="As a fraction of the full range, added.")
    contrast: Fraction = Field(0.0, description="As a fraction, multiplied around the photo's mean.")


AUGMENTATION_PRESETS: dict[str, AugmentationParams] = {
    "none": AugmentationParams(),
    "light": AugmentationParams(rotation_degrees=10, zoom=0.1, shift=0.08),
    "medium": AugmentationParams(
        horizontal_flip=True, rotation_degrees=15, zoom=0.15, shift=0.08, brightness=0.15, contrast=0.15
    ),
    "strong": AugmentationParams(
        horizontal_flip=True, rotation_degrees=25, zoom=0.3, shear_degrees=10, shift=0.15, brightness=0.25,
        contrast=0.3,
    ),
}  # fmt: skip


class EarlyStopping(Section):
    """Ends training when the validation loss no longer falls; the best weights are kept."""

    patience: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="Epochs without a better validation loss.")
    min_delta: Annotated[float, Field(ge=0, lt=1)] = 0.0


class TrainParams(Section):
    """How the network is trained."""

    model: ModelParams = ModelParams()
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 30
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 32
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    schedule: Literal["constant", "cosine"] = Field(
        "cosine", description="How the learning rate goes on: constant, or down to 0 by half a cosine over all epochs."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    augmentation: Annotated[
        Annotated[Literal["auto", "none", "light", "medium", "strong"], Tag("preset")]
        | Annotated[AugmentationParams, Tag("settings")],
        Discriminator(lambda value: "preset" if isinstance(value, str) else "settings"),
    ] = Field(
        "auto", description="A preset, or settings of your own. auto: light for tiny pictures, which may be text or "
        "digits and are not flipped; else medium."
    )  # fmt: skip
    views: Annotated[int, Field(ge=1, le=32)] = Field(
        3, description="For a frozen backbone: how many variants of each training photo pass through it, once. The "
        "first is the photo itself, the others are augmented."
    )  # fmt: skip
    early_stopping: EarlyStopping | None = EarlyStopping()
    seed: Seed = 42

    @property
    def augmentation_params(self) -> AugmentationParams:
        """The augmentation in numbers; only after `resolve`."""
        if isinstance(self.augmentation, AugmentationParams):
            return self.augmentation
        assert self.augmentation != "auto", "augmentation must be resolved before a step runs"
        return AUGMENTATION_PRESETS[self.augmentation]
