"""How the network is trained: the section `train` of params.yaml."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import Discriminator, Field, Strict, Tag, model_validator

from components.contract.params.base import MAX_SIZE, MIN_SIZE, Fraction, Section, Seed, Side, height_width
from components.contract.params.model import ModelParams
from components.contract.system.atomic_files import read_json
from components.contract.validation_messages import expects, fault


class AugmentationParams(Section):
    """How strongly training photos are augmented. Each value is the largest change, drawn for each photo and epoch."""

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    zoom: Fraction = 0.0
    shear_degrees: Annotated[float, Field(ge=0, le=60)] = 0.0
    shift: Fraction = Field(0.0, description="As a fraction of height and width.")
    brightness: Fraction = Field(0.0, description="As a fraction of the full range, added.")
    contrast: Fraction = Field(0.0, description="As a fraction of the distance from the photo's mean.")
    crop: Fraction = Field(0.0, description="How much of height and width may be cropped; the rest is enlarged.")
    saturation: Fraction = Field(0.0, description="As a fraction, multiplied; 1 ranges from gray to twice as colorful.")
    hue_degrees: Annotated[float, Field(ge=0, le=180)] = Field(0.0, description="On the color wheel.")
    blur: Annotated[float, Field(ge=0, le=20)] = Field(0.0, description="Standard deviation, in pixels.")
    noise: Fraction = Field(0.0, description="Standard deviation, as a fraction of the full range.")
    erasing: Fraction = Field(0.0, description="How often a rectangle of 2 to 20 % of the photo is erased.")


AUGMENTATION_PRESETS: dict[str, AugmentationParams] = {
    "none": AugmentationParams(),
    "light": AugmentationParams(rotation_degrees=10, zoom=0.1, shift=0.08),
    "medium": AugmentationParams(
        horizontal_flip=True, rotation_degrees=15, zoom=0.15, shift=0.08, brightness=0.15, contrast=0.15
    ),
    "strong": AugmentationParams(
        horizontal_flip=True,
        rotation_degrees=25,
        zoom=0.3,
        shear_degrees=10,
        shift=0.15,
        brightness=0.25,
        contrast=0.3,
        saturation=0.3,
        hue_degrees=8,
        erasing=0.25,
    ),
}


class EarlyStopping(Section):
    """Stops training when the validation loss no longer improves; the best weights are kept."""

    patience: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="Epochs without a better validation loss.")
    min_delta: Annotated[float, Field(ge=0, lt=1)] = 0.0


Trainable = Annotated[
    Annotated[str, Field(pattern=r"^(auto|none|head|blocks|all|last [1-9]\d{0,4}|from \S+)$")]
    | Annotated[tuple[Annotated[str, Field(pattern=r"^\S+$")], ...], Strict(False), Field(min_length=1)],
    expects("auto, none, head, blocks, all, last N, from LAYER, or a list of layer names such as [block4_*, block5_*]"),
]
"""Which layers are trained."""

Augmentation = Annotated[
    Annotated[Literal["auto", "none", "light", "medium", "strong"], Tag("preset")]
    | Annotated[AugmentationParams, Tag("settings")],
    Discriminator(lambda value: "preset" if isinstance(value, str) else "settings"),
]


CachePrecision = Literal["float16", "float32"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
PresetName = Literal["auto", "none", "fast", "balanced", "best"]

PRESET_KEYS: Final = (
    "phases",
    "epochs",
    "optimizer",
    "learning_rate",
    "warmup_epochs",
    "mixup",
    "early_stopping",
    "label_smoothing",
    "ema",
    "views",
)
"""What a preset settles, beside `trainable`. A key that is `auto` or absent is in none of the set fields."""


class Phase(Section):
    """A phase of the training. Values that are not set are those of the section `train`."""

    trainable: Trainable = Field(
        "auto",
        description="The layers to train: none | head | blocks (the last half of a pretrained network's work) | all | "
        "last N (of those with weights) | from LAYER (and "
        "all after it) | [names and globs]. The head trains with each but none. auto: all of a network of your own, "
        "the head of a pretrained one.",
    )
    train_batch_norm: bool = Field(
        False,
        description="Whether batch normalization in a pretrained part is trained with its layers; otherwise it keeps "
        "its statistics, which few photos would distort.",
    )
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 40
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="Of sgd, with Nesterov momentum.")
    weight_decay: Annotated[float, Field(ge=0, lt=1)] | None = Field(None, description="null: the optimizer's default.")
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    schedule: Literal["constant", "cosine", "one_cycle", "step", "plateau"] = Field(
        "cosine",
        description="How the learning rate changes: constant; cosine: down to 0 along half a cosine; one_cycle: up "
        "for 30 % of the epochs, then down; step: times decay_factor every decay_epochs; plateau: times "
        "decay_factor after decay_epochs without a better validation loss.",
    )
    warmup_epochs: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0, description="Epochs in which the rate rises to its value."
    )
    decay_factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.3, description="Of the schedules step and plateau.")
    decay_epochs: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="Of the schedules step and plateau.")
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Discriminative learning rates: the rate of each layer with weights is the next layer's rate "
        "times this.",
    )
    augmentation: Augmentation = Field(
        "auto",
        description="A preset, or your own settings. auto: light for tiny pictures, which may be text or digits "
        "and are not flipped; otherwise medium. The presets do not mirror photos if the audit finds classes that are "
        "mirror images of each other, such as arrows.",
    )
    mixup: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0, description="Mixes each photo and its label with another; the α of the mixing ratio, such as 0.2."
    )
    cutmix: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0, description="Pastes a rectangle of another photo into each photo; the α of the area ratio, such as 1."
    )
    early_stopping: EarlyStopping | None = EarlyStopping()

    @property
    def augmentation_params(self) -> AugmentationParams:
        """The augmentation in numbers; only after `resolve`."""
        if isinstance(self.augmentation, AugmentationParams):
            return self.augmentation
        assert self.augmentation != "auto", "augmentation must be resolved before a step runs"
        return AUGMENTATION_PRESETS[self.augmentation]


P = TypeVar("P", bound=Phase)


def _unmirrored(phase: P) -> P:
    preset = AUGMENTATION_PRESETS.get(phase.augmentation) if isinstance(phase.augmentation, str) else None
    if preset is None or not preset.horizontal_flip:
        return phase
    return phase.model_copy(update={"augmentation": preset.model_copy(update={"horizontal_flip": False})})


class TrainParams(Phase):
    """How the network is trained. The values apply to all phases that do not override them."""

    preset: PresetName = Field(
        "auto",
        description="Settles what is `auto` for a pretrained network: fast (the head alone), balanced, or best "
        "(longer). none: nothing; the values are as written. auto: balanced, or none with phases of your own.",
    )
    model: ModelParams = ModelParams()
    image_size: (
        Annotated[
            Side | Annotated[tuple[Side, Side], Strict(False)],
            expects(f"null, a number of pixels from {MIN_SIZE} to {MAX_SIZE}, or [height, width]"),
        ]
        | None
    ) = Field(
        None,
        description="Input size of the network, if smaller than the prepared photos: it scales them down itself, "
        "also in the service. null: the size of the prepared photos.",
    )
    phases: Annotated[tuple[Phase, ...], Strict(False), Field(min_length=1)] | Literal["auto"] = Field(
        "auto",
        description="Consecutive parts of the training; each lists only the values that differ. auto: one phase.",
    )
    batch_size: Annotated[int, Field(ge=1, le=4096)] = Field(
        32, description="Photos per batch; halved if memory is too small."
    )
    accumulate: Annotated[int, Field(ge=1, le=1024)] = Field(
        1, description="Number of batches per optimizer step: a larger effective batch in the same memory."
    )
    min_epoch_steps: Annotated[int, Field(ge=1, le=10_000)] = Field(
        30,
        description="Minimum number of optimizer steps per epoch: a small data set is repeated within the epoch, so "
        "that patience, warm-up and schedules cover enough steps. 1: always one pass.",
    )
    loss: Literal["crossentropy", "focal"] = Field(
        "crossentropy",
        description="focal gives less weight to photos that are already classified correctly with high confidence "
        "(gamma 2).",
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    imbalance: Literal["none", "class_weights", "oversample"] = Field(
        "none",
        description="class_weights: rare classes count more in the loss; oversample: their photos are repeated.",
    )
    ema: Annotated[float, Field(ge=0.5, lt=1)] | None = Field(
        None,
        description="Validates and keeps a moving average of the weights over all steps, with this momentum, such as "
        "0.99.",
    )
    swa: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="The last part of each phase, such as 0.3, in which the mean of the weights after each epoch is "
        "validated and kept (Izmailov et al. 2018). Cannot be combined with ema.",
    )
    views: Annotated[int, Field(ge=1, le=32)] = Field(
        3,
        description="For frozen layers: how many variants of each training photo are computed and cached; each epoch "
        "uses one of them. The first is the photo itself, the others are augmented.",
    )
    precision: Precision = Field(
        "auto",
        description="Precision of the layers during training; weights and the export are float32. auto: bfloat16 on "
        "GPUs that support it, float16 with a scaled loss on older ones, float32 on CPUs.",
    )
    cache_precision: CachePrecision = Field("float16", description="Precision of cached frozen features.")
    export_precision: Literal["float32", "int8"] = Field(
        "float32",
        description="Precision of the exported graph, which is evaluated and served. int8 is a quarter of the size "
        "and faster on most CPUs; it is used only if it loses at most half a point of validation "
        "accuracy.",
    )
    seed: Seed = 42

    @model_validator(mode="after")
    def _averages_once(self) -> Self:
        if self.ema is not None and self.swa is not None:
            raise fault("use either ema or swa to average the weights; found both")
        return self

    def input_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of what the network sees of photos that are prepared at `image_size`."""
        return height_width(self.image_size or image_size)

    def passes_per_epoch(self, num_photos: int) -> int:
        """How often an epoch passes over this number of training photos: once unless it would have too few steps."""
        return (self.min_epoch_steps - 1) * self.batch_size * self.accumulate // num_photos + 1

    def without_mirror(self) -> Self:
        """The same, but no preset mirrors photos; settings that the user wrote stay."""
        phases = self.phases if self.phases == "auto" else tuple(map(_unmirrored, self.phases))
        return _unmirrored(self).model_copy(update={"phases": phases})

    @property
    def all_phases(self) -> tuple[Phase, ...]:
        """The phases with every value filled in."""
        shared = {name: getattr(self, name) for name in Phase.model_fields}
        if self.phases == "auto":
            return (Phase(**shared),)
        return tuple(
            Phase(**shared | {name: getattr(phase, name) for name in phase.model_fields_set}) for phase in self.phases
        )


def read_best(study_dir: Path) -> TrainParams:
    """Reads the params that a search found best.

    Args:
        study_dir: the study folder; its best.json holds the section `train`.

    Raises:
        ArtifactError: best.json is missing or damaged.
    """
    return read_json(study_dir / "best.json", TrainParams, "study")
