"""The three presets, which determine how thorough training is: each sets some params and keeps the others.

For a pretrained network, each chooses a value of `train.preset`; for other networks, they differ in the number of
epochs, the early stopping and the search.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from components.contract.params.model import ModelParams
from components.contract.record import BaseRecord

PresetName = Literal["quick", "balanced", "thorough"]


class Preset(BaseRecord):
    """One of the presets.

    Attributes:
        values: the params that it sets, by dotted key; None removes the key, which restores its default.
    """

    name: PresetName
    title: str
    text: str
    values: dict[str, Any]


_DEFAULTS: Final[dict[str, Any]] = dict.fromkeys(
    ("train.preset", "train.epochs", "train.early_stopping", "tune.trials")
)

PRESETS: Final = (
    Preset(
        name="quick",
        title="Quick",
        text="A first impression: can a network tell these classes apart at all?",
        values=_DEFAULTS | {"train.epochs": 8, "train.early_stopping": {"patience": 3}},
    ),
    Preset(
        name="balanced",
        title="Balanced",
        text="The right choice for most photos. Training stops when the model no longer improves.",
        values=_DEFAULTS,
    ),
    Preset(
        name="thorough",
        title="Thorough",
        text="A search for better settings, then a longer training run. Let it run overnight if needed.",
        values=_DEFAULTS | {"train.epochs": 80, "train.early_stopping": {"patience": 20}, "tune.trials": 8},
    ),
)
"""The presets for a network without pretrained layers, or whose trained layers the user has chosen."""

PRETRAINED_PRESETS: Final = (
    Preset(
        name="quick",
        title="Quick",
        text="Trains the new layers, then about the last quarter of the network, for a few epochs. Often good enough.",
        values=_DEFAULTS | {"train.preset": "fast"},
    ),
    Preset(
        name="balanced",
        title="Balanced",
        text="Trains the new layers, then about the second half of the network. The right choice for most photos.",
        values=_DEFAULTS,
    ),
    Preset(
        name="thorough",
        title="Thorough",
        text="Like Balanced, but with more epochs and more variants of each photo.",
        values=_DEFAULTS | {"train.preset": "best"},
    ),
)
"""The presets for a pretrained network, each of which chooses a value of `train.preset`."""


def list_presets(tree: Mapping[str, Any], model: ModelParams | None) -> tuple[Preset, ...]:
    """Returns the presets for a network.

    Args:
        tree: the values that differ from the defaults.
        model: the resolved model; None if it cannot be resolved yet.
    """
    train = tree.get("train", {})
    if model is None:
        return PRETRAINED_PRESETS if "preset" in train else PRESETS
    is_pretrained = model.kind == "pretrained" and model.weights != "none"
    chooses_layers = any(train.get(key, "auto") != "auto" for key in ("phases", "trainable"))
    return PRETRAINED_PRESETS if is_pretrained and not chooses_layers else PRESETS


def apply(preset: Preset, tree: Mapping[str, Any]) -> dict[str, Any]:
    """Applies a preset to params; `tree` contains the values that differ from the defaults."""
    result = copy.deepcopy(dict(tree))
    for key, value in preset.values.items():
        section, name = key.split(".")
        part = result.setdefault(section, {})
        if value is None:
            part.pop(name, None)
        else:
            part[name] = value
        if not part:
            del result[section]
    return result


def find_preset(tree: Mapping[str, Any], presets: Sequence[Preset]) -> PresetName | None:
    """Returns the name of the preset that the params match; None if they match none."""
    return next((preset.name for preset in presets if apply(preset, tree) == tree), None)


def follow_network(tree: Mapping[str, Any], presets: Sequence[Preset]) -> dict[str, Any] | None:
    """Replaces the preset with its equivalent for the current network; returns None if there is nothing to replace.

    Args:
        tree: the values that differ from the defaults.
        presets: the presets for the current network.
    """
    if find_preset(tree, presets) is not None:
        return None
    name = find_preset(tree, PRESETS if presets is PRETRAINED_PRESETS else PRETRAINED_PRESETS)
    return next((apply(preset, tree) for preset in presets if preset.name == name), None)
