"""The typed form of params.yaml: one frozen model per section, parsed once at the edge.

YAML, `--set` and the JSON strings that KFP hands to the steps all go through the same strict models. Values called
`auto` are settled by `resolve` before anything is compiled or run.
"""

import io
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    ValidationError,
    model_validator,
)

from components.contract.errors import ParamsError
from components.contract.evaluation import VerdictWord
from components.contract.faults import expects, explain, fault
from components.contract.layers import LayerSpec

TINY_PIXELS = 64
"""Pictures of at most this many pixels on the longer side are trained on as they are, by a small network."""

MIN_SIZE, MAX_SIZE = 4, 2048
"""What a side of a prepared photo may measure, in pixels."""

Side = Annotated[int, Field(ge=MIN_SIZE, le=MAX_SIZE)]
Fraction = Annotated[float, Field(ge=0, le=0.9)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


class Section(BaseModel):
    """Frozen, strict, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_by_name=True)


S = TypeVar("S", bound=Section)


class DataParams(Section):
    """Where the photos are."""

    uri: Annotated[str, Field(min_length=1)] = Field(
        description="A folder of class folders, or of train/validation/test folders of them; a zip or tar archive of "
        "either; a CSV or Parquet table of paths and labels; CIFAR or IDX files; an address (https://, s3://, gs://) "
        "of any of these, or dvc+<repository>@<revision>:<path>."
    )


Policy = Literal["ignore", "report", "quarantine", "fail"]
"""What a finding leads to: nothing; a line in the report; that too, and the photos are left out; that too, and an error
that ends the run before anything is trained."""


class AuditParams(Section):
    """What each finding of the audit leads to.

    Copies of the same bytes are always reduced to one, and left out altogether under several labels: a photo is known
    by its content, which has one label.
    """

    broken: Literal["quarantine", "fail"] = Field(
        "quarantine", description="Files that cannot be used: unreadable, truncated, of no allowed format, too small …"
    )
    wrong_extension: Policy = Field("report", description="A file's name says another format than its content.")
    extreme_aspect: Policy = Field("report", description="Photos more than four times as long as wide, or as wide.")
    low_resolution: Policy = Field("report", description="Photos with less than half of image_size on both sides.")
    brightness_outliers: Policy = Field("report", description="Photos far darker or brighter than all others.")
    blur_outliers: Policy = Field("report", description="Photos far less sharp than all others.")
    duplicates: Policy = Field("quarantine", description="Copies within a split, in bytes or in pixels; one is kept.")
    near_duplicates: Policy = Field(
        "report", description="Copies within a split that were resized, recompressed, cropped or mirrored. Unless "
        "ignored, they are never divided among splits."
    )  # fmt: skip
    leakage: Policy = Field(
        "quarantine", description="Copies, near ones too, and groups across given splits; removed from the training "
        "side."
    )  # fmt: skip
    contradictory_labels: Policy = Field("quarantine", description="The same photo, or nearly, under two labels.")
    imbalance: Literal["ignore", "report", "fail"] = Field(
        "report", description="The largest class has over five times as many training photos as the smallest."
    )
    few_photos: Literal["ignore", "report", "fail"] = Field(
        "report", description="Classes with fewer than 50 training photos."
    )
    tiny_classes: Literal["ignore", "report", "fail"] = Field(
        "report", description="Classes with fewer than 10 validation or test photos, whose figures mean little."
    )
    split_drift: Literal["ignore", "report", "fail"] = Field(
        "report", description="A split whose photos differ from the training photos in classes, light, sharpness or "
        "size."
    )  # fmt: skip


class PreprocessParams(Section):
    """How photos become a data set."""

    image_size: Annotated[
        Literal["auto"] | Side | Annotated[tuple[Side, Side], Strict(False)],
        expects(f"auto, a number of pixels from {MIN_SIZE} to {MAX_SIZE}, or [height, width]"),
    ] = Field(
        "auto", description="Pixels: one number, or [height, width]. auto: the model's own size, or the native size of "
        f"pictures of at most {TINY_PIXELS} px."
    )  # fmt: skip
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch", description="How a photo of another shape is fitted: stretched, cut to the middle, or padded."
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.15, description="The share of each class kept for choosing, where the data have no split of their own."
    )
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.15, description="The share of each class kept for the final figures only."
    )
    golden_photos: Annotated[int, Field(ge=1, le=1000)] = Field(
        200, description="How many test photos at most are kept as original files for the check by HTTP."
    )
    audit: AuditParams = AuditParams()
    seed: Seed = 42

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels; only after `resolve`."""
        assert self.image_size != "auto", "image_size must be resolved before a step runs"
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size


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


class GateParams(Section):
    """What a model must reach to become champion."""

    min_accuracy: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="On the test photos.")
    min_macro_f1: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="On the test photos.")
    max_recall_drop: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="By how much the recall of any class may lie below the champion's."
    )
    max_latency_ms: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Of one photo through the exported graph, the median on this machine."
    )
    max_size_mb: Annotated[float, Field(gt=0)] | None = Field(None, description="Of the exported graph's files.")
    promote: Annotated[tuple[VerdictWord, ...], Strict(False)] = Field(
        ("first", "better"), description="The verdicts that make a model champion."
    )


class EvaluateParams(Section):
    """How the figures are made."""

    bootstrap_resamples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        1000, description="Resamples of the test photos behind each bootstrap interval."
    )
    folds: Annotated[int, Field(ge=2, le=20)] | None = Field(
        None, description="For small data: stratified folds of a cross-validation on the network's features."
    )
    target_accuracy: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="Of what is answered; the service withholds answers that are less sure than it takes."
    )
    familiar_share: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.95, description="The share of validation photos that count as familiar; photos farther away are flagged."
    )
    reference_photos: Annotated[int, Field(ge=1, le=10_000)] = Field(
        500, description="Training photos, drawn evenly from the classes, that familiarity is measured by."
    )
    robustness_photos: Annotated[int, Field(ge=0, le=10_000)] = Field(
        200, description="Test photos that are scored again blurred, noisy, compressed and in other light; 0: none."
    )
    report_photos: Annotated[int, Field(ge=0, le=60)] = Field(
        12, description="How many of the worst errors the report shows."
    )
    gate: GateParams = GateParams()
    seed: Seed = 42


class DeployParams(Section):
    """What is served."""

    model_name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        "auto", description="The name of the bento and of the registered model; auto: the name of the data."
    )
    start_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        120.0, description="How long the built service may take to become ready."
    )
    page_photos: Annotated[int, Field(ge=0, le=60)] = Field(
        12, description="How many golden photos the service's page offers to try. Whoever reaches the service sees "
        "them; 0: none."
    )  # fmt: skip


class Params(Section):
    """The whole of params.yaml."""

    data: DataParams
    preprocess: PreprocessParams = PreprocessParams()
    train: TrainParams = TrainParams()
    evaluate: EvaluateParams = EvaluateParams()
    deploy: DeployParams = DeployParams()


SECTIONS = tuple(Params.model_fields)


def load_params(path: Path | None, overrides: tuple[str, ...] = ()) -> Params:
    """params.yaml with `--set` overrides applied.

    Args:
        path: the YAML file; None for the defaults alone.
        overrides: `section.key=value` each; the value is read as YAML.

    Raises:
        ParamsError: the file is missing or no YAML, or a value cannot be; names file, key, expected and found.
    """
    tree = _read_yaml(path) if path is not None else {}
    for override in overrides:
        _apply_override(tree, override)
    origin = str(path) if path is not None else "params"
    return _parse(Params, tree, f"{origin} with --set" if overrides else origin)


def parse_section(section: type[S], text: str) -> S:
    """One section from the JSON string that `dump_section` made."""
    try:
        return section.model_validate_json(text)
    except ValidationError as error:
        raise ParamsError(explain(error, section, section.__name__)) from None


def dump_section(section: Section) -> str:
    """A section as canonical JSON: equal sections give equal strings, so a KFP cache key is stable."""
    return json.dumps(section.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def _read_yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        tree = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"A params file must exist at {path}; there is none. Name one with --params FILE.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path} must be a readable text file: {error}.") from None
    except YAMLError as error:
        raise ParamsError(f"{path} must be YAML; it is not: {' '.join(str(error).split())}") from None
    if not isinstance(tree, dict):
        raise ParamsError(f"{path} must hold the sections {', '.join(SECTIONS)}; found {type(tree).__name__}.")
    return tree


def _apply_override(tree: dict[str, Any], override: str) -> None:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    key, equals, text = override.partition("=")
    keys = key.strip().split(".")
    if not equals or len(keys) < 2 or not all(keys):
        raise ParamsError(f"--set takes section.key=value, such as train.epochs=5; found {override!r}.")
    try:
        value = YAML(typ="safe", pure=True).load(io.StringIO(text))
    except YAMLError as error:
        raise ParamsError(f"--set {key}: the value must be YAML; found {text!r}: {error}") from None
    node = tree
    for depth, name in enumerate(keys[:-1]):
        child = node.setdefault(name, {})
        if child is None:
            child = node[name] = {}
        if not isinstance(child, dict):
            where = ".".join(keys[: depth + 1])
            raise ParamsError(f"--set {key}: {where} holds {child!r}, which has no keys of its own; set {where} whole.")
        node = child
    node[keys[-1]] = value


def _parse(section: type[S], tree: dict[str, Any], origin: str) -> S:
    try:
        return section.model_validate_json(json.dumps(tree, default=str))
    except ValidationError as error:
        raise ParamsError(explain(error, section, origin)) from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of params.yaml, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Darkroom params.yaml",
        **Params.model_json_schema(),
    }
