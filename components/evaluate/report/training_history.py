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
"""The key in history.json for the phase of each epoch, a number or a name; missing if there is only one phase."""

_File = RootModel[dict[str, list[float] | list[str]]]


@dataclass(frozen=True)
class Phase:
    """A phase of the training, with its own settings.

    Attributes:
        name: its name in the params, otherwise its number.
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
        curves: the values of each figure by its name, one per epoch: loss, val_loss, accuracy, …
        phases: the phases in their order; empty if the training had only one.
    """

    curves: Mapping[str, Sequence[float]]
    phases: Sequence[Phase] = ()


def read_history(bundle_dir: Path, params: Mapping[str, Any]) -> History:
    """Reads the history from history.json and the params of the training.

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
    """The settings of each phase that differ from the resolved train section; empty if there is only one phase."""
    phases = params.get("phases")
    if not isinstance(phases, list):
        return []
    return [{key: value for key, value in phase.items() if params.get(key) != value} for phase in phases]


def build_phases(marks: Sequence[float | str], settings: Sequence[Mapping[str, Any]]) -> tuple[Phase, ...]:
    """The phases recorded for the epochs, with their settings from the params; empty if there is only one."""
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
