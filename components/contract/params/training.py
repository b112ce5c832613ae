"""How the network is trained: the section `train` of params.yaml."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import Discriminator, Field, Strict, Tag, model_validator

from components.contract.params.augmentation import AUGMENTATION_PRESETS, AugmentationParams
from components.contract.params.base import MAX_SIZE, MIN_SIZE, Section, Seed, Side, height_width
from components.contract.params.model import ModelParams
from components.contract.system.atomic_files import read_json
from components.contract.validation_messages import expects, fault


class EarlyStopping(Section):
    """Stops training when the validation loss no longer improves, and keeps the best weights."""

    patience: Annotated[int, Field(ge=1, le=1000)] = Field(
        10, description="Number of epochs without a better validation loss after which training stops."
    )
    min_delta: Annotated[float, Field(ge=0, lt=1)] = 0.0


Trainable = Annotated[
    Annotated[str, Field(pattern=r"^(auto|none|head|blocks( [1-9]\d?%)?|all|last [1-9]\d{0,4}|from \S+)$")]
    | Annotated[tuple[Annotated[str, Field(pattern=r"^\S+$")], ...], Strict(False), Field(min_length=1)],
    expects(
        "auto, none, head, blocks, blocks N%, all, last N, from LAYER, or a list of layer names such as "
        "[block4_*, block5_*]"
    ),
]
"""The layers that are trained."""

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
"""The keys that a preset can set, apart from `trainable`, if they are `auto` or absent in params.yaml."""


class Phase(Section):
    """A phase of training. Values that are not set are inherited from the section `train`."""

    trainable: Trainable = Field(
        "auto",
        description="The layers to train: none | head | blocks (the last blocks, which make up half of a pretrained "
        "network's computation) | blocks 25% (a quarter of it) | all | last N (layers with weights) | from LAYER (and "
        "all later layers) | [names and globs]. The head is trained with every choice except none. auto: all layers of "
        "a custom network, the head of a pretrained one.",
    )
    train_batch_norm: bool = Field(
        False,
        description="Whether the batch normalization of pretrained layers is trained with them; otherwise it keeps its "
        "statistics, which a small data set would distort.",
    )
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 40
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="Nesterov momentum, for sgd.")
    weight_decay: Annotated[float, Field(ge=0, lt=1)] | None = Field(None, description="null: the optimizer's default.")
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    schedule: Literal["constant", "cosine", "one_cycle", "step", "plateau"] = Field(
        "cosine",
        description="How the learning rate changes. cosine: falls to 0 along half a cosine. one_cycle: rises for 30 % "
        "of the epochs, then falls. step: is multiplied by decay_factor every decay_epochs epochs. plateau: is "
        "multiplied by decay_factor after decay_epochs epochs without a better validation loss.",
    )
    warmup_epochs: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0, description="Number of epochs during which the learning rate rises from 0 to its value."
    )
    schedule_epochs: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None,
        description="Number of epochs that the schedule, the views and swa are planned for; more than epochs if a time "
        "limit ends the phase earlier. null: the value of epochs.",
    )
    decay_factor: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="The factor by which the schedules step and plateau multiply the learning rate."
    )
    decay_epochs: Annotated[int, Field(ge=1, le=1000)] = Field(
        4,
        description="For the schedule step: the epochs between two reductions. For plateau: the epochs without a "
        "better validation loss before a reduction.",
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="Discriminative learning rates: the rate of each layer with weights is that of the next layer, "
        "multiplied by this factor.",
    )
    augmentation: Augmentation = Field(
        "auto",
        description="A preset, or custom settings. auto: medium; for tiny pictures light, which does not flip them, "
        "because they may be text or digits. The presets do not mirror photos if the audit finds classes that are "
        "mirror images of each other, such as left and right arrows.",
    )
    mixup: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0,
        description="Mixes each photo and its label with those of another photo. The value, such as 0.2, is α of "
        "Beta(α, α), the distribution of the mixing ratio. 0: off.",
    )
    cutmix: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0,
        description="Pastes a rectangle of another photo into each photo, and mixes their labels in proportion to the "
        "area. The value, such as 1, is α of Beta(α, α), the distribution of the fraction of the area that is kept. "
        "0: off.",
    )
    early_stopping: EarlyStopping | None = EarlyStopping()

    @property
    def trained_share(self) -> float | None:
        """The share of a pretrained network's computation that is in its trained blocks; None if not set as a share."""
        word, _, percentage = str(self.trainable).partition(" ")
        if word != "blocks":
            return None
        return int(percentage.removesuffix("%")) / 100 if percentage else 0.5

    @property
    def planned_epochs(self) -> int:
        """The number of epochs that the schedule, the views and swa are planned for."""
        return max(self.epochs, self.schedule_epochs or 0)

    @property
    def augmentation_params(self) -> AugmentationParams:
        """The augmentation as numbers; available only after `resolve`."""
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
    """How the network is trained. The values apply to every phase that does not override them."""

    preset: PresetName = Field(
        "auto",
        description="Sets the values that are `auto`, for a pretrained network: fast (trains fewer layers), balanced, "
        "or best (trains longer). none: changes nothing. auto: balanced, or none if `phases` is set.",
    )
    minutes: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        None,
        description="Time limit for the whole run, including evaluation and deployment. Training measures a few "
        "batches, then plans as many epochs and views as fit, and finishes within the limit, with the best weights so "
        "far. null: no limit.",
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
        description="Input size of the network, if smaller than the prepared photos: the network scales them down, "
        "also in the service. null: the size of the prepared photos.",
    )
    phases: Annotated[tuple[Phase, ...], Strict(False), Field(min_length=1)] | Literal["auto"] = Field(
        "auto",
        description="The phases of training, in order; each lists only the values that differ from those of train. "
        "auto: the phases of the preset, or one phase.",
    )
    batch_size: Annotated[int, Field(ge=1, le=4096)] = Field(
        32, description="Number of photos per batch; halved if memory runs out."
    )
    accumulate: Annotated[int, Field(ge=1, le=1024)] = Field(
        1, description="Number of batches per optimizer step, for a larger effective batch in the same memory."
    )
    min_epoch_steps: Annotated[int, Field(ge=1, le=10_000)] = Field(
        30,
        description="Minimum number of optimizer steps per epoch: a small data set is repeated within the epoch, so "
        "that patience, warm-up and schedules cover enough steps. 1: each epoch is one pass.",
    )
    loss: Literal["crossentropy", "focal"] = Field(
        "crossentropy", description="focal: photos that are confidently classified correctly count less (gamma 2)."
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    imbalance: Literal["none", "class_weights", "oversample"] = Field(
        "none", description="class_weights: rare classes count more; oversample: their photos are repeated."
    )
    ema: Annotated[float, Field(ge=0.5, lt=1)] | None = Field(
        None,
        description="Momentum, such as 0.99, of a moving average of the weights over all steps. The average is "
        "validated and kept.",
    )
    swa: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Stochastic weight averaging (Izmailov et al. 2018): the last fraction of each phase, such as 0.3, "
        "in which the mean of the weights after each epoch is validated and kept. Cannot be combined with ema.",
    )
    views: Annotated[int, Field(ge=1, le=32)] = Field(
        3,
        description="For frozen layers: number of variants of each training photo whose features are computed and "
        "cached. Each epoch uses one of them. The first is the photo itself, the others are augmented.",
    )
    precision: Precision = Field(
        "auto",
        description="Precision of the layers during training; the weights and the export are float32. auto: bfloat16 "
        "on GPUs that support it, float16 with a scaled loss on older GPUs, float32 on CPUs.",
    )
    cache_precision: CachePrecision = Field("float16", description="Precision of the cached features of frozen layers.")
    export_precision: Literal["float32", "int8"] = Field(
        "float32",
        description="Precision of the exported graph, which is evaluated and served. int8: a quarter of the size, and "
        "faster on most CPUs; used only if the validation accuracy falls by at most half a percentage point.",
    )
    seed: Seed = 42

    @model_validator(mode="after")
    def _averages_once(self) -> Self:
        if self.ema is not None and self.swa is not None:
            raise fault("only one of ema and swa can average the weights; found both")
        return self

    def input_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the network's input, for photos that are prepared at `image_size`."""
        return height_width(self.image_size or image_size)

    def passes_per_epoch(self, num_photos: int) -> int:
        """How often an epoch passes over this many training photos: more than once if one pass has too few steps."""
        return (self.min_epoch_steps - 1) * self.batch_size * self.accumulate // num_photos + 1

    def without_mirror(self) -> Self:
        """A copy in which no augmentation preset mirrors photos; custom settings are unchanged."""
        phases = self.phases if self.phases == "auto" else tuple(map(_unmirrored, self.phases))
        return _unmirrored(self).model_copy(update={"phases": phases})

    @property
    def all_phases(self) -> tuple[Phase, ...]:
        """The phases, with all inherited values filled in."""
        shared = {name: getattr(self, name) for name in Phase.model_fields}
        if self.phases == "auto":
            return (Phase(**shared),)
        return tuple(
            Phase(**shared | {name: getattr(phase, name) for name in phase.model_fields_set}) for phase in self.phases
        )


def read_best(study_dir: Path) -> TrainParams:
    """Reads the params of the best trial of a search.

    Args:
        study_dir: the study folder; its best.json contains the section `train`.

    Raises:
        ArtifactError: best.json is missing or damaged.
    """
    return read_json(study_dir / "best.json", TrainParams, "study")
