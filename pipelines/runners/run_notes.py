"""Stores a run's name and notes, and the gate's latest decision after the run has finished.

name.json        RunNotes
promotion.json   Promotion
"""

import contextlib
import datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, StringConstraints, ValidationError

from components.contract.errors import ArtifactError
from components.contract.record import BaseRecord
from components.contract.system.atomic_files import read_json, write_json
from components.contract.text import pluralize

NOTES_FILE: Final = "name.json"
PROMOTION_FILE: Final = "promotion.json"


class RunNotes(BaseRecord):
    """The name and the notes that users give a run."""

    name: Annotated[str, StringConstraints(max_length=80, strip_whitespace=True, pattern=r"^[^\r\n\t]*$")] = ""
    notes: Annotated[str, StringConstraints(max_length=5000)] = ""


class Promotion(BaseRecord):
    """A decision that the gate made after the run had finished.

    Attributes:
        promoted: whether the model became the champion.
        reason: why it was promoted, or why not.
        decided: the time of the decision, in ISO 8601.
    """

    promoted: bool
    reason: str
    decided: str = Field(
        default_factory=lambda: datetime.datetime.now().astimezone().isoformat(timespec="microseconds")
    )


def read_notes(run_dir: Path) -> RunNotes:
    """Reads the name and the notes of a run; both are empty if there are none."""
    with contextlib.suppress(ArtifactError):
        return read_json(run_dir / NOTES_FILE, RunNotes, "notes of a run")
    return RunNotes()


def write_notes(run_dir: Path, name: str, notes: str) -> RunNotes:
    """Stores the name and the notes of a run.

    Raises:
        ArtifactError: the name or the notes are too long, or the name has several lines.
    """
    try:
        run_notes = RunNotes(name=name, notes=notes)
    except ValidationError:
        raise ArtifactError(
            "A run's name must be one line of at most 80 characters, and its notes must have at most 5,000 characters; "
            f"found {len(name)} in {pluralize(len(name.splitlines()), 'line', 'lines')}, and {len(notes)}."
        ) from None
    write_json(run_dir / NOTES_FILE, run_notes)
    return run_notes


def read_promotion(run_dir: Path) -> Promotion | None:
    """Reads the decision that the gate last made after the run had finished; None if there is none."""
    with contextlib.suppress(ArtifactError):
        return read_json(run_dir / PROMOTION_FILE, Promotion, "promotion")
    return None


def write_promotion(run_dir: Path, *, promoted: bool, reason: str) -> None:
    """Stores a decision that the gate made after the run had finished."""
    write_json(run_dir / PROMOTION_FILE, Promotion(promoted=promoted, reason=reason))
