"""The typed form of params.yaml: one frozen Pydantic model per section.

YAML, `--set` and the JSON strings that KFP passes to the steps are all validated by the same strict Pydantic models.
Values that are `auto` are resolved by `resolve` before anything is compiled or run.
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
    """Checks that a name is `auto` or a text encoding that Python supports."""
    if name != "auto":
        try:
            "a".encode(name)
        except LookupError:
            raise ValueError(name) from None
    return name


class PreprocessParams(Section):
    """How the photos become a data set."""

    image_size: Annotated[
        Literal["auto"] | Side | Annotated[tuple[Side, Side], Strict(False)],
        expects(f"auto, a number of pixels from {MIN_SIZE} to {MAX_SIZE}, or [height, width]"),
    ] = Field(
        "auto",
        description="Pixels: one number, or [height, width]. auto: the input size of the model, or the native size of "
        f"pictures of at most {TINY_PIXELS} px.",
    )
    pixel_range: PixelRangeChoice = Field(
        "auto",
        description="For 16-bit photos: the value of white, such as 4095, or [black, white]. auto: determined by the "
        "bits that the photos use.",
    )
    resize: Literal["stretch", "crop", "pad"] = Field(
        "stretch",
        description="How a photo whose aspect ratio differs from that of image_size is fitted: stretched, cropped to "
        "its center, or padded.",
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.15,
        description="The fraction of each class that is used to select the model, unless the data has a validation "
        "split.",
    )
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.15,
        description="The fraction of each class that is used only for the final figures, unless the data has a test "
        "split.",
    )
    golden_photos: Annotated[int, Field(ge=1, le=1000)] = Field(
        200, description="Number of test photos whose original files are kept, to test the service."
    )
    zip_encoding: Annotated[
        str, AfterValidator(_require_code_page), expects("auto, or a code page such as cp932, gbk or cp1252")
    ] = Field(
        "auto",
        description="The code page of file names in a zip archive that does not mark them as Unicode. auto: UTF-8 if "
        "the names are valid UTF-8, otherwise a guess, which is reported.",
    )
    audit: AuditParams = AuditParams()
    seed: Seed = 42

    @property
    def zip_code_page(self) -> str | None:
        """Python's name of the encoding; None if it is to be detected."""
        return None if self.zip_encoding == "auto" else self.zip_encoding

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels; available only after `resolve`."""
        assert self.image_size != "auto", "image_size must be resolved before a step runs"
        return height_width(self.image_size)

    @property
    def given_range(self) -> tuple[int, int] | None:
        """The values that map to black and to white in 16-bit photos; None if the photos determine them."""
        return None if self.pixel_range == "auto" else black_white(self.pixel_range)


class GateParams(Section):
    """The requirements that a model must meet to become the champion."""

    min_accuracy: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Minimum accuracy on the test photos.")
    min_macro_f1: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="Minimum macro F1 on the test photos.")
    max_recall_drop: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="How far the recall of a class may be below the champion's, as a fraction."
    )
    max_latency_ms: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Maximum median latency of the exported graph for one photo, on this machine."
    )
    max_size_mb: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Maximum size of the exported graph's files."
    )
    promote: Annotated[tuple[VerdictWord, ...], Strict(False)] = Field(
        ("first", "better"), description="The verdicts that make a model the champion."
    )


class EvaluateParams(Section):
    """How the model is evaluated."""

    bootstrap_resamples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        1000, description="Number of bootstrap resamples of the test photos for each interval."
    )
    folds: Annotated[int, Field(ge=2, le=20)] | None = Field(
        None,
        description="For small data sets: number of folds of a stratified cross-validation on the network's features.",
    )
    target_accuracy: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95,
        description="Target accuracy of the answers: the service abstains if its confidence is too low to reach it.",
    )
    familiar_share: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.95,
        description="Fraction of the validation photos that count as familiar. Photos that are less similar to the "
        "training photos than these are flagged.",
    )
    reference_photos: Annotated[int, Field(ge=1, le=10_000)] = Field(
        500,
        description="Number of training photos, drawn evenly from the classes, that familiarity is measured against.",
    )
    searched_photos: Annotated[int, Field(ge=0)] = Field(
        50_000,
        description="Number of training photos, drawn evenly from the classes, that are checked for label errors and "
        "outliers in addition to the validation and test photos. 0: only validation and test photos are checked, and "
        "only for label errors.",
    )
    robustness_photos: Annotated[int, Field(ge=0, le=10_000)] = Field(
        200,
        description="Number of test photos that are scored again with blur, noise, compression or changed brightness; "
        "0: none.",
    )
    report_photos: Annotated[int, Field(ge=0, le=60)] = Field(
        12, description="Number of the worst errors that the report shows."
    )
    gate: GateParams = GateParams()
    leaderboard: Leaderboard | None = Field(
        None, description="The models that this model was compared with, for the report; written by darkroom compare."
    )
    seed: Seed = 42


class DeployParams(Section):
    """How the model is served."""

    model_name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = Field(
        "auto", description="Name of the bento and the registered model; auto: the name of the data."
    )
    start_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        120.0, description="Time within which the service must become ready."
    )
    page_photos: Annotated[int, Field(ge=0, le=60)] = Field(
        12,
        description="Number of golden photos that the service's page shows to everyone who can open it; 0: none.",
    )


class Params(Section):
    """All sections of params.yaml."""

    data: DataParams
    preprocess: PreprocessParams = PreprocessParams()
    tune: TuneParams = TuneParams()
    train: TrainParams = TrainParams()
    evaluate: EvaluateParams = EvaluateParams()
    deploy: DeployParams = DeployParams()


SECTIONS = tuple(Params.model_fields)


def load_params(path: Path | None, overrides: tuple[str, ...] = ()) -> Params:
    """Loads params.yaml and applies the `--set` overrides.

    Args:
        path: the YAML file; None for the defaults.
        overrides: each of the form `section.key=value`; the value is read as YAML.

    Raises:
        ParamsError: the file is missing or not YAML, or a value is invalid; the message contains file, key and value.
    """
    tree = _read_yaml(path) if path is not None else {}
    keys_by_section = {name: field.annotation.model_fields for name, field in Params.model_fields.items()}  # type: ignore[union-attr]
    for override in overrides:
        apply_override(tree, override, keys_by_section)
    origin = str(path) if path is not None else "params"
    return _parse(Params, tree, f"{origin} with --set" if overrides else origin)


def parse_section(section: type[S], text: str) -> S:
    """Parses a section from the JSON string that `dump_section` returned."""
    try:
        return section.model_validate_json(text)
    except ValidationError as error:
        raise ParamsError(explain(error, section, section.__name__)) from None


def dump_section(section: Section) -> str:
    """A section as canonical JSON: equal sections produce equal strings, so that KFP's cache keys are stable."""
    return json.dumps(section.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = read_yaml(path)
    except FileNotFoundError:
        raise ParamsError(f"The params file {path} does not exist. Choose another with --params FILE.") from None
    except DocumentError as error:
        hint = " Indent with spaces, not with tabs." if r"'\t'" in str(error) else ""
        raise ParamsError(f"{path} is not valid YAML: {error}{hint}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ParamsError(f"{path} cannot be read as a text file: {reason}.") from None
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
    """Removes the `train` keys that are `auto` and that a preset can set; `auto` means the same as a missing key."""
    train = tree.get("train")
    if isinstance(train, dict):
        tree["train"] = {
            key: value for key, value in train.items() if value != "auto" or key not in PRESET_KEYS or key == "phases"
        }


def _or_auto(part: dict[str, Any]) -> dict[str, Any]:
    """The schema of a key that a preset can set, with `auto` as an additional value and as the default."""
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
