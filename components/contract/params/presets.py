"""Presets: what the `auto` values of the section train become for a pretrained network."""

from dataclasses import dataclass
from typing import Any, Final

from components.contract.errors import ParamsError
from components.contract.params.model import ModelParams
from components.contract.params.training import Phase, TrainParams


@dataclass(frozen=True)
class Choice:
    """A value of the section train, and why it is chosen."""

    value: Any
    reason: str


@dataclass(frozen=True)
class Preset:
    """A recipe.

    Attributes:
        choices: by key of the section train.
        phases: what each phase sets; none for one phase that trains the head.
        reason: for the phases.
    """

    choices: dict[str, Choice]
    phases: tuple[dict[str, Any], ...]
    reason: str


_SMOOTHING: Final = Choice(0.1, "so that no label counts as certain")
_MIXUP: Final = Choice(0.2, "mixed photos, which raised the validation accuracy of the clothing photos by 0.9 points")
_EMA: Final = Choice(0.99, "the mean of the weights varies less than the weights of one step")
_NEVER_EARLY: Final = Choice(None, "the rate falls to 0 by the last epoch, and the best epoch is kept")
_HEAD_FIRST: Final = "the head first, because its random weights would spoil the others; then the last blocks"

PRESETS: Final[dict[str, Preset]] = {
    "fast": Preset(
        {"label_smoothing": _SMOOTHING, "views": Choice(3, "each view passes the frozen layers once")},
        (),
        "the head alone: the other layers are computed once for each view",
    ),
    "balanced": Preset(
        {
            "label_smoothing": _SMOOTHING,
            "mixup": _MIXUP,
            "ema": _EMA,
            "views": Choice(5, "more views than in fast, because the last blocks learn from them"),
            "early_stopping": _NEVER_EARLY,
        },
        (
            {"trainable": "head", "epochs": 3},
            {"trainable": "blocks", "epochs": 10, "optimizer": "adamw", "learning_rate": 0.0003, "warmup_epochs": 1.0},
        ),
        _HEAD_FIRST,
    ),
    "best": Preset(
        {
            "label_smoothing": _SMOOTHING,
            "mixup": _MIXUP,
            "ema": _EMA,
            "views": Choice(8, "the most variation that is computed once"),
            "early_stopping": _NEVER_EARLY,
        },
        (
            {"trainable": "head", "epochs": 3},
            {"trainable": "blocks", "epochs": 20, "optimizer": "adamw", "learning_rate": 0.0003, "warmup_epochs": 1.0},
        ),
        f"{_HEAD_FIRST}, twice as long as in balanced",
    ),
}


def apply_preset(train: TrainParams, model: ModelParams) -> tuple[TrainParams, list[str]]:
    """The section train as its preset settles it, and a sentence for each choice.

    Keys that the params set keep their values, in all phases.

    Args:
        train: as read; its set fields are what the params set.
        model: resolved.

    Raises:
        ParamsError: the params name a preset, and values that contradict it.
    """
    if train.preset == "none":
        return train, []
    obstacle = _find_obstacle(train, model)
    if obstacle is not None and train.preset != "auto":
        raise ParamsError(
            f"train.preset: {train.preset} must have phases to settle; {obstacle}. Remove one of the two, or set "
            "train.preset: none."
        )
    keeps_head = model.kind in ("upload", "bundle") and model.head is None and train.preset == "auto"
    if obstacle is not None or keeps_head:
        return train.model_copy(update={"preset": "none"}), []
    name = "balanced" if train.preset == "auto" else train.preset
    preset = PRESETS[name]
    decisions = [f"train.preset: auto became {name}, the default for a pretrained network."][: train.preset == "auto"]
    updates: dict[str, Any] = {"preset": "none"}
    for key, choice in preset.choices.items():
        if key not in train.model_fields_set and not (key == "ema" and train.swa is not None):
            updates[key] = choice.value
            decisions.append(f"train.{key}: {name} chose {_text(choice.value)}: {choice.reason}.")
    if preset.phases and train.trainable == "auto":
        phases = tuple(_make_phase(train, values, is_last=values is preset.phases[-1]) for values in preset.phases)
        updates["phases"] = phases
        texts = " and ".join(f"{phase.epochs} epochs of {phase.trainable}" for phase in phases)
        decisions.append(f"train.phases: {name} chose {texts}: {preset.reason}.")
    elif train.trainable == "auto":
        decisions.append(f"train.trainable: {name} chose head: {preset.reason}.")
    return train.model_copy(update=updates), decisions


def without_preset(train: TrainParams) -> TrainParams:
    """The section train of a search, which looks for what a preset would settle.

    Raises:
        ParamsError: the params name a preset.
    """
    if train.preset not in ("auto", "none"):
        raise ParamsError(
            f"train.preset must be auto or none if tune.trials searches for params; it is {train.preset}. "
            "Remove one of the two."
        )
    return train.model_copy(update={"preset": "none"})


def _find_obstacle(train: TrainParams, model: ModelParams) -> str | None:
    if train.phases != "auto":
        return "train.phases lists them"
    if model.kind == "layers":
        return "the network is not pretrained"
    if model.weights == "none":
        return "train.model.weights: none leaves no pretrained layers"
    return "train.trainable: none trains nothing" if train.trainable == "none" else None


def _make_phase(train: TrainParams, values: dict[str, Any], *, is_last: bool) -> Phase:
    """A phase of a preset, with the values that the params set: all epochs are those of the last phase."""
    kept = {key: value for key, value in values.items() if key not in train.model_fields_set or key == "epochs"}
    if "epochs" in train.model_fields_set:
        kept["epochs"] = train.epochs if is_last else min(train.epochs, values["epochs"])
    return Phase(**kept)


def _text(value: Any) -> str:
    return "null" if value is None else f"{value:g}"
