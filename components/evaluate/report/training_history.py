"""Reads the training history: its curves and phases."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import RootModel

from components.contract.system.atomic_files import read_json
from components.contract.tracking.run import flatten

PHASE = "phase"
"""The key in history.json of each epoch's phase (a number or a name); absent if there is only one phase."""

_File = RootModel[dict[str, list[float] | list[str]]]


@dataclass(frozen=True)
class Phase:
    """A phase of the training run, with its own settings.

    Attributes:
        name: its name in the params or, if it has none, in history.json; otherwise its number.
        epochs: its first and last epoch, counted from 1; None if it never ran.
        settings: the params of the phase, in one line.
    """

    name: str
    epochs: tuple[int, int] | None
    settings: str = ""


@dataclass(frozen=True)
class History:
    """The training history.

    Attributes:
        curves: the values of each metric, one per epoch, by the name of the metric: loss, val_loss, accuracy, …
        phases: the phases in order; empty if the training run had only one.
    """

    curves: Mapping[str, Sequence[float]]
    phases: Sequence[Phase] = ()


def read_history(bundle_dir: Path, params: Mapping[str, Any]) -> History:
    """Reads the curves from history.json, and the phases from history.json and the params.

    Args:
        bundle_dir: contains history.json.
        params: the resolved train section.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    columns = read_json(bundle_dir / "history.json", _File, "model bundle").root
    marks = columns.pop(PHASE, [])
    curves = {
        name: [float(value) for value in values]
        for name, values in columns.items()
        if not any(isinstance(value, str) for value in values)
    }
    return History(curves, build_phases(marks, phase_settings(params)))


def phase_settings(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each phase, the settings that differ from the resolved train section; empty if the params have no phases."""
    phases = params.get("phases")
    if not isinstance(phases, list):
        return []
    return [{key: value for key, value in phase.items() if params.get(key) != value} for phase in phases]


def build_phases(marks: Sequence[float | str], settings: Sequence[Mapping[str, Any]]) -> tuple[Phase, ...]:
    """The phases, with the epochs from the history and the settings from the params; empty if there is only one.

    Args:
        marks: the phase of each epoch, a number or a name.
        settings: the settings of each phase, including phases that never ran.
    """
    epochs = []
    last = 0
    for mark, group in itertools.groupby(marks):
        first, last = last + 1, last + len(list(group))
        epochs.append((mark if isinstance(mark, str) else f"{mark:g}", (first, last)))
    phases = []
    for index in range(max(len(epochs), len(settings))):
        phase_params = dict(settings[index]) if index < len(settings) else {}
        mark, epoch_range = epochs[index] if index < len(epochs) else (str(index + 1), None)
        name = str(phase_params.pop("name", None) or mark)
        setting_texts = (f"{key} {value}" for key, value in flatten(phase_params).items() if value != "None")
        phases.append(Phase(name, epoch_range, ", ".join(setting_texts)))
    return tuple(phases) if len(phases) > 1 else ()
