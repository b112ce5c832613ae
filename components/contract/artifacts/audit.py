"""The content of audit.json: the findings of the audit of a data set."""

from pathlib import Path
from typing import Final, Literal

from components.contract.artifacts.dataset import SplitName
from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json

AUDIT_VERSION: Final = 1


class AuditedPhoto(StrictRecord):
    """A file that a finding is about."""

    path: str
    class_name: str | None
    split: SplitName | None
    kept: bool


class Case(StrictRecord):
    """One case of a finding: a file, or several files that belong together, such as copies."""

    photos: tuple[AuditedPhoto, ...]
    note: str = ""
    """Details that are not in the finding's message."""


class Finding(StrictRecord):
    """A problem that the audit found, with all its cases."""

    kind: str
    """The check's key under preprocess.audit in params.yaml."""
    policy: Literal["report", "quarantine", "fail"]
    title: str
    message: str
    advice: str
    """What the user can do about the problem."""
    cases: tuple[Case, ...] = ()

    @property
    def num_photos(self) -> int:
        """Number of distinct photos in the cases."""
        return len({photo.path for case in self.cases for photo in case.photos})


class Check(StrictRecord):
    """A check of the audit, and its state."""

    kind: str
    """The check's key under preprocess.audit in params.yaml, or `label_errors` or `outliers`, which need a model."""
    title: str
    state: Literal["found", "clear", "off", "not possible", "after training"]
    """clear: the check found nothing; off: the policy in the params is `ignore`."""
    detail: str = ""
    """Explains the state: for example, why the check did not run or did not cover all photos."""


class AuditInfo(StrictRecord):
    """The audit of a data set. The same data and params produce the same file."""

    format_version: Literal[1] = AUDIT_VERSION
    name: str
    num_files: int
    num_kept: int
    rejected: dict[str, int]
    """Number of files left out, per reason code; these numbers and num_kept add up to num_files."""
    counts: dict[SplitName, dict[str, int]]
    """Number of photos kept, per split and class."""
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...] = ()
    """All checks of the audit; empty in files written by earlier versions."""

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings whose policy stops the run."""
        return tuple(finding for finding in self.findings if finding.policy == "fail")


def read_audit(folder: Path) -> AuditInfo:
    """Reads audit.json.

    Raises:
        ArtifactError: the file is missing or damaged, or has an unsupported format version.
    """
    return read_json(folder / "audit.json", AuditInfo, "audit")
