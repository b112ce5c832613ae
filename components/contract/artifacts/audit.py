"""What audit.json holds: what the audit of a data set found."""

from pathlib import Path
from typing import Final, Literal

from components.contract.artifacts.dataset import SplitName
from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

AUDIT_VERSION: Final = 1


class AuditedPhoto(StrictRecord):
    """A file that a finding names."""

    path: str
    class_name: str | None
    split: SplitName | None
    kept: bool


class Case(StrictRecord):
    """One instance of a finding: a file, or files that belong together."""

    photos: tuple[AuditedPhoto, ...]
    note: str = ""
    """What is seen here, where the finding's message does not say it all."""


class Finding(StrictRecord):
    """One thing that was found."""

    kind: str
    """As it is called in params.yaml under preprocess.audit."""
    policy: Literal["report", "quarantine", "fail"]
    title: str
    message: str
    advice: str
    """What to do."""
    cases: tuple[Case, ...] = ()

    @property
    def num_photos(self) -> int:
        """How many different photos the cases show."""
        return len({photo.path for case in self.cases for photo in case.photos})


class Check(StrictRecord):
    """One thing that the audit looks for, and whether it could."""

    kind: str
    """As it is called in params.yaml under preprocess.audit, or `label_errors` and `outliers`, which need a model."""
    title: str
    state: Literal["found", "clear", "off", "not possible", "after training"]
    """clear: checked, and nothing found; off: the params ignore it."""
    detail: str = ""
    """Why it was not checked, or not on all photos."""


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
    """Everything that the audit looks for; none in files of earlier versions."""

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings whose policy stops the run."""
        return tuple(finding for finding in self.findings if finding.policy == "fail")


def read_audit(folder: Path) -> AuditInfo:
    """What audit.json says.

    Raises:
        ArtifactError: it is missing, damaged, or of another format version.
    """
    return read_json(folder / "audit.json", AuditInfo, "audit")
