"""How thorough a training is, in three words: what each sets. All else keeps its value.

A pretrained network is trained by a recipe of `train.preset`, another network for more or fewer epochs.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from components.contract.params.model import ModelParams
from components.contract.record import BaseRecord

PresetName = Literal["quick", "balanced", "thorough"]


class Preset(BaseRecord):
    """One of the choices.

    Attributes:
        values: dotted key to value; None removes the key, so that its default counts.
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
        text="A first impression: whether a network can separate these classes at all.",
        values=_DEFAULTS | {"train.epochs": 8, "train.early_stopping": {"patience": 3}},
    ),
    Preset(
        name="balanced",
        title="Balanced",
        text="The right choice for most photos. It stops by itself when nothing is gained.",
        values=_DEFAULTS,
    ),
    Preset(
        name="thorough",
        title="Thorough",
        text="A longer training run, after a search for better values. Let it run overnight if needed.",
        values=_DEFAULTS | {"train.epochs": 80, "train.early_stopping": {"patience": 20}, "tune.trials": 8},
    ),
)
"""For a network without pretrained layers; the page shows them in this order."""

PRETRAINED_PRESETS: Final = (
    Preset(
        name="quick",
        title="Quick",
        text="Trains only the new layers at the end. It is fast and often good enough.",
        values=_DEFAULTS | {"train.preset": "fast"},
    ),
    Preset(
        name="balanced",
        title="Balanced",
        text="Trains the new layers, then the last half of the network. The right choice for most photos.",
        values=_DEFAULTS,
    ),
    Preset(
        name="thorough",
        title="Thorough",
        text="The same for more epochs, with more variants of each photo.",
        values=_DEFAULTS | {"train.preset": "best"},
    ),
)
"""The same three for a network that the recipes of `train.preset` are for."""


def list_presets(tree: Mapping[str, Any], model: ModelParams | None) -> tuple[Preset, ...]:
    """The presets for a network.

    Args:
        tree: what differs from the defaults.
        model: resolved; None while that is impossible.
    """
    train = tree.get("train", {})
    if model is None:
        return PRETRAINED_PRESETS if "preset" in train else PRESETS
    is_pretrained = model.kind == "pretrained" and model.weights != "none"
    chooses_layers = any(train.get(key, "auto") != "auto" for key in ("phases", "trainable"))
    return PRETRAINED_PRESETS if is_pretrained and not chooses_layers else PRESETS


def apply(preset: Preset, tree: Mapping[str, Any]) -> dict[str, Any]:
    """The params with the values of a preset; `tree` is what differs from the defaults."""
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
    """The preset whose values the params have; None if they have other ones."""
    return next((preset.name for preset in presets if apply(preset, tree) == tree), None)


def follow_network(tree: Mapping[str, Any], presets: Sequence[Preset]) -> dict[str, Any] | None:
    """The params with the same preset for a network of the other sort; None if they need no change.

    Args:
        tree: what differs from the defaults.
        presets: those for its network now.
    """
    if find_preset(tree, presets) is not None:
        return None
    name = find_preset(tree, PRESETS if presets is PRETRAINED_PRESETS else PRETRAINED_PRESETS)
    return next((apply(preset, tree) for preset in presets if preset.name == name), None)
