"""The search for the best training params: the section `tune` of params.yaml."""

import copy
import json
import math
import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Strict, Tag, ValidationError, model_validator

from components.contract.errors import ParamsError
from components.contract.params.base import Section, Seed
from components.contract.params.training import Phase, TrainParams
from components.contract.validation_messages import DICT, fault, faults, nearest, suggestion

Number = int | float
Choice = str | int | float | bool | None | dict[str, JsonValue] | list[JsonValue]
"""A value, or an object, such as the settings of an augmentation."""


class Range(Section):
    """Numbers from `low` to `high`; integers if `low`, `high` and `step`, if set, are integers."""

    low: Number
    high: Number
    log: bool = Field(False, description="Search on a logarithmic scale, as for learning rates.")
    step: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _spans(self) -> Self:
        if self.low >= self.high:
            raise fault(f"low must be below high; found {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise fault(f"a logarithmic range must start above 0; found {self.low}")
        if self.log and self.step is not None:
            raise fault("a range can have either log or step; found both")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether all values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int) and not isinstance(self.step, float)

    def ends(self) -> tuple[Number, ...]:
        """The lowest and the highest value."""
        return self.low, self.high


class Choices(Section):
    """One of several values."""

    choices: Annotated[tuple[Choice, ...], Strict(False), Field(min_length=2)]

    def ends(self) -> tuple[Choice, ...]:
        """All choices, since they have no order."""
        return self.choices


def _read_dimension(value: Any) -> Any:
    """Expands a list to `{choices: […]}`."""
    if isinstance(value, list | tuple):
        return {"choices": list(value)}
    if isinstance(value, dict) and not value.keys() & {"low", "high", "choices"}:
        (word, *_) = [*value, ""]
        value = f"{json.dumps(value)}{suggestion(str(word), ('low', 'high', 'choices'))}"
    elif isinstance(value, dict | Section):
        return value
    else:
        value = json.dumps(value)
    raise fault(f"expected {{low: …, high: …}} or a list of choices; found {value}")


Dimension = Annotated[
    Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")],
    Discriminator(
        lambda value: "choices" if "choices" in (value if isinstance(value, dict) else vars(value)) else "range"
    ),
    BeforeValidator(_read_dimension, json_schema_input_type=Range | Choices | list[Choice]),
]
Space = dict[str, Dimension]

Objective = Literal["accuracy", "latency", "size"]


class TuneParams(Section):
    """A search for the best values of `train`. Trials are compared only on the validation photos."""

    trials: Annotated[int, Field(ge=0, le=10_000)] = Field(0, description="Number of trials; 0: no search.")
    minutes: Annotated[float, Field(gt=0)] | None = Field(None, description="No trial starts after this many minutes.")
    space: Annotated[
        Annotated[Space, Tag(DICT)] | Annotated[Literal["auto"], Tag("auto")],
        Discriminator(lambda value: "auto" if isinstance(value, str) else DICT),
    ] = Field(
        "auto",
        description="For each key of the section `train` that the search varies: {low, high, log, step} or a list of "
        "choices. Examples of keys: learning_rate, model.head[1].Dropout.rate, phases[1].epochs. Choices may be "
        "objects, such as the settings of an augmentation. auto: the most important keys for the kind of model.",
    )
    sampler: Literal["tpe", "random"] = Field(
        "tpe", description="How the values of a trial are chosen. tpe: according to earlier trials. random: at random."
    )
    objectives: Annotated[tuple[Objective, ...], Strict(False)] = Field(
        ("accuracy",),
        description="What the search optimizes. With latency (of one photo, on this machine's CPU) or size (of the "
        "weights), the study finds the Pareto front, and train uses the most accurate trial on it. With several "
        "objectives, trials are not pruned.",
    )
    max_latency_ms: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Networks that take longer than this for one photo are not trained."
    )
    max_size_mb: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Networks whose weights take more space than this are not trained."
    )
    pruner: Literal["halving", "median", "hyperband", "none"] = Field(
        "halving",
        description="The rule that stops poor trials early, according to their validation accuracy after each epoch.",
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        1,
        description="Number of tasks that share the trials; more than one needs the address of a PostgreSQL database "
        "in the environment variable DARKROOM_STUDIES.",
    )
    seed: Seed = 42

    @model_validator(mode="after")
    def _judges_by_accuracy(self) -> Self:
        if "accuracy" not in self.objectives or len(set(self.objectives)) < len(self.objectives):
            raise fault(
                "objectives must contain accuracy, and each of accuracy, latency and size at most once; "
                f"found {', '.join(self.objectives) or 'none'}"
            )
        return self

    @property
    def weighs_costs(self) -> bool:
        """Whether the search considers the latency or the size of networks."""
        return len(self.objectives) > 1 or self.max_latency_ms is not None or self.max_size_mb is not None

    @property
    def searchers(self) -> int:
        """The number of tasks that run the search; 0 if there are no trials."""
        return self.workers if self.trials else 0


_PART: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def with_values(train: TrainParams, values: dict[str, Any]) -> TrainParams:
    """The section `train` with some values replaced.

    Args:
        train: the section `train`.
        values: the new values, by key as in `tune.space`.

    Raises:
        ParamsError: a key does not exist, or its value is invalid.
    """
    tree = copy.deepcopy(train.model_dump(mode="json"))
    for key, value in values.items():
        if key in Phase.model_fields and train.phases != "auto":
            raise ParamsError(
                f"tune.space.{key}: train.phases is set, so the key must name a phase, such as "
                f"phases[{len(train.phases) - 1}].{key}."
            )
        _set_value(tree, key, value)
    try:
        return TrainParams.model_validate_json(json.dumps(tree))
    except ValidationError as error:
        reasons = "; ".join(f"{path}: {problem}" for path, problem in faults(error, TrainParams))
        raise ParamsError(f"tune.space: train does not accept {_format_values(values)}: {reasons}.") from None


def check_space(train: TrainParams, space: Space, image_size: tuple[int, int]) -> None:
    """Checks both ends of each range, and each choice, before any trial starts.

    Args:
        train: the resolved section `train`.
        space: the search space.
        image_size: (height, width) of the prepared photos.

    Raises:
        ParamsError: a key does not exist or cannot be tuned, or a value is invalid.
    """
    if not space:
        raise ParamsError("tune.space must have at least one key of train; it is empty. Remove it to use auto.")
    for key, dimension in space.items():
        for value in dimension.ends():
            height, width = with_values(train, {key: value}).input_size(image_size)
            if height > image_size[0] or width > image_size[1]:
                raise ParamsError(
                    f"tune.space.{key}: the value must not exceed the size of the prepared photos, "
                    f"{image_size[0]} × {image_size[1]} px; found {value}. Set preprocess.image_size: "
                    "auto."
                )


def auto_space(train: TrainParams) -> Space:
    """The most important keys: learning rate, optimizer, augmentation, batch size, label smoothing, dropout.

    If train.phases is set, the learning rate is that of the last phase, and optimizer and augmentation do not vary.
    """
    layers_key = "model.layers" if train.model.layers is not None else "model.head"
    layers = train.model.layers if train.model.layers is not None else train.model.head
    space: Space = {}
    if train.phases == "auto":
        space["learning_rate"] = Range(low=1e-4, high=1e-2, log=True)
        space["optimizer"] = Choices(choices=("adam", "adamw", "sgd"))
        # With frozen layers, each augmentation needs new features of all photos, and light hardly differs from medium.
        is_frozen = train.model.kind == "pretrained" and train.trainable == "head"
        space["augmentation"] = Choices(choices=("none", "medium") if is_frozen else ("none", "light", "medium"))
    else:
        last_phase = len(train.phases) - 1
        space[f"phases[{last_phase}].learning_rate"] = Range(low=3e-5, high=3e-3, log=True)
    space["batch_size"] = Choices(choices=(16, 32, 64))
    space["label_smoothing"] = Choices(choices=(0.0, 0.1))
    for place, layer in enumerate(layers if isinstance(layers, tuple) else ()):
        if layer.kind == "Dropout":
            space[f"{layers_key}[{place}].Dropout.rate"] = Range(low=0.0, high=0.6, step=0.1)
    return space


def _set_value(tree: Any, key: str, value: Any) -> None:
    parts = [name or int(number) for name, number in _PART.findall(key)]
    node = tree
    try:
        for part in parts[:-1]:
            node = node[part]
        _check_entry(node, parts)
        node[parts[-1]] = value
    except (KeyError, IndexError, TypeError):
        entries = f"; the number of entries is {len(node)}" if isinstance(node, list) else ""
        hint = nearest(str(parts[-1] if parts else key), node) if isinstance(node, dict) else entries
        raise ParamsError(f"tune.space.{key}: train has no such key{hint}.") from None


def _check_entry(node: Any, parts: list[Any]) -> None:
    """Raises KeyError if the key's last part is not in `node`, its parent, and is not an argument of a layer."""
    if not parts or (isinstance(node, dict) and parts[-1] not in node and not _is_layer(parts)):
        raise KeyError


def _is_layer(parts: list[Any]) -> bool:
    """Whether the last part of a key is an argument of a layer, which is absent if it has its default."""
    return len(parts) > 1 and isinstance(parts[-2], str) and parts[-2][:1].isupper()


def _format_values(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={value:g}" if isinstance(value, float) and math.isfinite(value) else f"{key}={value}"
        for key, value in values.items()
    )
