"""The content of audit.json: what the audit of a data set found."""

from pathlib import Path
from typing import Final, Literal

from components.contract.artifacts.dataset import SplitName
from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

AUDIT_VERSION: Final = 1


class AuditedPhoto(StrictRecord):
    """A file of a finding."""

    path: str
    class_name: str | None
    split: SplitName | None
    kept: bool


class Case(StrictRecord):
    """One instance of a finding: a file, or files that belong together."""

    photos: tuple[AuditedPhoto, ...]
    note: str = ""
    """Details that are not in the finding's message."""


class Finding(StrictRecord):
    """One finding."""

    kind: str
    """Its name in params.yaml under preprocess.audit."""
    policy: Literal["report", "quarantine", "fail"]
    title: str
    message: str
    advice: str
    """What to do."""
    cases: tuple[Case, ...] = ()

    @property
    def num_photos(self) -> int:
        """How many different photos the cases contain."""
        return len({photo.path for case in self.cases for photo in case.photos})


class Check(StrictRecord):
    """One check of the audit, and whether it could run."""

    kind: str
    """Its name in params.yaml under preprocess.audit, or `label_errors` and `outliers`, which need a model."""
    title: str
    state: Literal["found", "clear", "off", "not possible", "after training"]
    """clear: nothing found; off: ignored in the params."""
    detail: str = ""
    """Why it did not run, or not on all photos."""


class AuditInfo(StrictRecord):
    """The audit of a data set. Equal data and params give an equal file."""

    format_version: Literal[1] = AUDIT_VERSION
    name: str
    num_files: int
    num_kept: int
    rejected: dict[str, int]
    """Files left out, per reason code; with num_kept they are all files."""
    counts: dict[SplitName, dict[str, int]]
    """Photos kept, per split and class."""
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...] = ()
    """All checks of the audit; none in files of earlier versions."""

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings whose policy stops the run."""
        return tuple(finding for finding in self.findings if finding.policy == "fail")


def read_audit(folder: Path) -> AuditInfo:
    """Reads audit.json.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(folder / "audit.json", AuditInfo, "audit")
