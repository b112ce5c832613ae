"""How thorough a training is, in three words: what each sets. All else keeps its value."""

import copy
from collections.abc import Mapping
from typing import Any, Final, Literal

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


PRESETS: Final = (
    Preset(
        name="quick",
        title="Quick",
        text="A first impression: whether a network can separate these classes at all.",
        values={"train.epochs": 8, "train.early_stopping": {"patience": 3}, "tune.trials": None},
    ),
    Preset(
        name="balanced",
        title="Balanced",
        text="The right choice for most photos. It stops by itself when nothing is gained.",
        values={"train.epochs": None, "train.early_stopping": None, "tune.trials": None},
    ),
    Preset(
        name="thorough",
        title="Thorough",
        text="A longer training run, after a search for better values. Let it run overnight if needed.",
        values={"train.epochs": 80, "train.early_stopping": {"patience": 20}, "tune.trials": 8},
    ),
)
"""The one table of the choices; the page shows it in this order."""


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


def find_preset(tree: Mapping[str, Any]) -> PresetName | None:
    """The preset whose values the params have; None if they have other ones."""
    return next((preset.name for preset in PRESETS if apply(preset, tree) == tree), None)
