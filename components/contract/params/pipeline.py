"""The typed form of params.yaml: one frozen model per section, parsed once at the edge.

YAML, `--set` and the JSON strings that KFP passes to the steps all go through the same strict models. Values called
`auto` are resolved by `resolve` before anything is compiled or run.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, Strict, ValidationError

from components.contract.artifacts.evaluation import VerdictWord
from components.contract.artifacts.leaderboard import Leaderboard
from components.contract.errors import ParamsError
from components.contract.foreign.documents import DocumentError, check_tree, read_yaml
from components.contract.layers.stack import LAYER_SCHEMA, PlainSchema, layer_definitions
from components.contract.params.audit import AuditParams
from components.contract.params.base import (
    MAX_SIZE,
    MIN_SIZE,
    TINY_PIXELS,
    PixelRangeChoice,
    Section,
    Seed,
    Side,
    black_white,
    height_width,
)
from components.contract.params.data import DataParams
from components.contract.params.overrides import apply_override
from components.contract.params.training import PRESET_KEYS, TrainParams
from components.contract.params.tuning import TuneParams
from components.contract.validation_messages import expects, explain

S = TypeVar("S", bound=Section)


def _require_code_page(name: str) -> str:
    """`auto`, or an encoding of texts that Python knows."""
    if name != "auto":
        try:
            "a".encode(name)
        except LookupError:
            raise ValueError(name) from None
    return name


class PreprocessParams(Section):
    """How photos are prepared as a data set."""

    image_size: Annotated[
        Literal["auto"] | Side | Annotated[tuple[Side, Side], Strict(False)],
        expects(f"auto, a number of pixels from {MIN_SIZE} to {MAX_SIZE}, or [height, width]"),
    ] = Field(
        "auto",
        description="Pixels: one number, or [height, width]. auto: the model's own size, or the native size of "
        f"pictures of at most {TINY_PIXELS} px.",
    )
    pixel_range: PixelRangeChoice = Field(
        "auto",
        description="Of 16-bit photos: the value of white, such as 4095, or [black, white]. auto: from the bits that "
        "the photos use.",
    )
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch", description="How a photo of another shape is fitted: stretched, center-cropped, or padded."
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.15, description="The share of each class used to select the model, unless the data has a validation split."
    )
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.15, description="The share of each class used only for the final figures."
    )
    golden_photos: Annotated[int, Field(ge=1, le=1000)] = Field(
        200, description="Number of test photos kept as original files to test the service."
    )
    zip_encoding: Annotated[
        str, AfterValidator(_require_code_page), expects("auto, or a code page such as cp932, gbk or cp1252")
    ] = Field(
        "auto",
        description="The code page of names in a zip that are marked neither as UTF-8 nor by a Unicode path. auto: "
        "UTF-8 if they are valid, otherwise a guess that is reported.",
    )
    audit: AuditParams = AuditParams()
    seed: Seed = 42

    @property
    def zip_code_page(self) -> str | None:
        """Python's name of the encoding; None: it is detected."""
        return None if self.zip_encoding == "auto" else self.zip_encoding

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels; only after `resolve`."""
        assert self.image_size != "auto", "image_size must be resolved before a step runs"
        return height_width(self.image_size)

    @property
    def given_range(self) -> tuple[int, int] | None:
        """The values of 16-bit photos that become black and white; None if they depend on the photos."""
        return None if self.pixel_range == "auto" else black_white(self.pixel_range)


class GateParams(Section):
    """What a model must achieve to become champion."""

    min_accuracy: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="On the test photos.")
    min_macro_f1: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="On the test photos.")
    max_recall_drop: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="How far the recall of any class may be below the champion's."
    )
    max_latency_ms: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Of one photo in the exported graph, median on this machine."
    )
    max_size_mb: Annotated[float, Field(gt=0)] | None = Field(None, description="Of the exported graph's files.")
    promote: Annotated[tuple[VerdictWord, ...], Strict(False)] = Field(
        ("first", "better"), description="The verdicts that make a model champion."
    )


class EvaluateParams(Section):
    """How the model is evaluated."""

    bootstrap_resamples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        1000, description="Number of bootstrap resamples of the test photos for each interval."
    )
    folds: Annotated[int, Field(ge=2, le=20)] | None = Field(
        None, description="For small data: number of folds of a stratified cross-validation on the network's features."
    )
    target_accuracy: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="Accuracy of the answers; the service abstains if its confidence is too low for it."
    )
    familiar_share: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.95, description="Share of validation photos that count as familiar; photos farther away are flagged."
    )
    reference_photos: Annotated[int, Field(ge=1, le=10_000)] = Field(
        500, description="Training photos, drawn evenly from the classes, with which familiarity is measured."
    )
    searched_photos: Annotated[int, Field(ge=0)] = Field(
        50_000,
        description="Training photos, drawn evenly from the classes, that are checked for label errors and outliers "
        "in addition to validation and test photos; 0: only held-out photos are checked for label errors.",
    )
    robustness_photos: Annotated[int, Field(ge=0, le=10_000)] = Field(
        200,
        description="Test photos that are scored again blurred, noisy, compressed and with other brightness; 0: none.",
    )
    report_photos: Annotated[int, Field(ge=0, le=60)] = Field(
        12, description="How many of the worst errors the report shows."
    )
    gate: GateParams = GateParams()
    leaderboard: Leaderboard | None = Field(
        None, description="The models that this one was compared with, for the report; written by darkroom compare."
    )
    seed: Seed = 42


class DeployParams(Section):
    """What is served."""

    model_name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        "auto", description="Name of the bento and the registered model; auto: the name of the data."
    )
    start_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        120.0, description="How long the service may take to become ready."
    )
    page_photos: Annotated[int, Field(ge=0, le=60)] = Field(
        12,
        description="How many golden photos the service's page shows to everyone who can open it; 0: none.",
    )


class Params(Section):
    """The whole of params.yaml."""

    data: DataParams
    preprocess: PreprocessParams = PreprocessParams()
    tune: TuneParams = TuneParams()
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
        ParamsError: the file is missing or no YAML, or a value is invalid; the message has file, key and value.
    """
    tree = _read_yaml(path) if path is not None else {}
    keys_by_section = {name: field.annotation.model_fields for name, field in Params.model_fields.items()}  # type: ignore[union-attr]
    for override in overrides:
        apply_override(tree, override, keys_by_section)
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
    try:
        tree = read_yaml(path)
    except FileNotFoundError:
        raise ParamsError(f"The params file {path} must exist; it does not. Choose one with --params FILE.") from None
    except DocumentError as error:
        hint = " Indent with spaces, not with tabs." if r"'\t'" in str(error) else ""
        raise ParamsError(f"{path} must be YAML; it is not: {error}{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ParamsError(f"{path} must be a readable text file: {reason}.") from None
    if not isinstance(tree, dict):
        raise ParamsError(f"{path} must have the sections {', '.join(SECTIONS)}; found {type(tree).__name__}.")
    return tree


def _parse(section: type[S], tree: dict[str, Any], origin: str) -> S:
    try:
        check_tree(tree)
        _drop_auto(tree)
        return section.model_validate_json(json.dumps(tree, default=str))
    except DocumentError as error:
        raise ParamsError(f"{origin} is too large: {error}. Shorten it.") from None
    except ValidationError as error:
        raise ParamsError(explain(error, section, origin)) from None


def _drop_auto(tree: dict[str, Any]) -> None:
    """Removes what a preset settles from the section train: `auto` there means the same as an absent key."""
    train = tree.get("train")
    if isinstance(train, dict):
        tree["train"] = {
            key: value for key, value in train.items() if value != "auto" or key not in PRESET_KEYS or key == "phases"
        }


def _or_auto(part: dict[str, Any]) -> dict[str, Any]:
    """The part of a schema that describes a key which a preset settles."""
    part = {name: value for name, value in part.items() if name != "default"}
    facts = {name: part.pop(name) for name in ("description",) if name in part}
    if "enum" in part:
        return part | {"enum": ["auto", *part["enum"]], "default": "auto"} | facts
    return {"anyOf": [{"const": "auto"}, *part.get("anyOf", [part])], "default": "auto", **facts}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of params.yaml, for editors."""
    text = json.dumps(Params.model_json_schema(schema_generator=PlainSchema))
    schema = json.loads(text.replace(json.dumps(LAYER_SCHEMA), '{"$ref": "#/$defs/LayerSpec"}'))
    schema["$defs"] |= layer_definitions()
    properties = schema["$defs"]["TrainParams"]["properties"]
    for key in PRESET_KEYS:
        if key != "phases":
            properties[key] = _or_auto(properties[key])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Darkroom params.yaml"}
