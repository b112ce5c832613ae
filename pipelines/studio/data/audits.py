"""The audit of the chosen data: runs `darkroom audit` as a job, and reads its findings."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import Field

from components.contract.artifacts.audit import AuditInfo, read_audit
from components.contract.errors import ArtifactError
from components.contract.params.audit import AuditParams
from components.contract.record import BaseRecord
from pipelines.studio.draft.params_text import format_draft
from pipelines.studio.draft.store import Draft
from pipelines.studio.jobs.job_folder import JobFolder
from pipelines.studio.jobs.queue import PARAMS, Queue

SHOWN_CASES: Final = 24
"""The maximum number of cases that the page shows for each finding; the report shows more."""


class AuditView(BaseRecord):
    """The audit as the page shows it.

    Attributes:
        state: the state of the job; `none` if there is neither a job nor a report; `done` if there is a report and no
            job, or only a lost or stopped one.
        job: the id of the job.
        told: the last line of the job's log.
        error: why the job failed.
    """

    state: str
    job: str | None = None
    told: str | None = None
    error: str | None = None
    info: dict[str, Any] | None = None
    policies: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    command: str = ""


class Audits:
    """The audits of a studio."""

    def __init__(self, folder: Path, queue: Queue):
        self._folder = folder
        self._queue = queue

    def key(self, draft: Draft) -> str:
        """Returns a digest of everything that an audit depends on."""
        facts = [draft.data, draft.params.get("preprocess", {})]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def report_dir(self, key: str) -> Path:
        """The folder that contains audit.json, audit.html and the pictures in the report."""
        return self._folder / key

    def start(self, draft: Draft) -> JobFolder:
        """Adds an audit of the data to the queue, unless one is already waiting or running."""
        assert draft.data is not None, "the caller has checked that data is chosen"
        key = self.key(draft)
        running = self._job(key)
        if running is not None and not running.is_over:
            return running
        command = ["audit", draft.data, "--output", str(self.report_dir(key)), "--params", PARAMS, "--json"]
        return self._queue.add(
            "audit",
            f"Audit {Path(draft.data).name}",
            command,
            params=format_draft(draft.params),
            about={"audit": key, "data": draft.data},
        )

    def view(self, draft: Draft) -> AuditView:
        """Returns the state of the audit, and its findings."""
        if draft.data is None:
            return AuditView(state="none")
        key = self.key(draft)
        job = self._job(key)
        info = None
        try:
            info = read_audit(self.report_dir(key))
        except ArtifactError:
            info = None
        state = job.state if job is not None else "none"
        last_line = job.log_tail(2000).strip().rsplit("\n", 1)[-1] if job is not None else None
        return AuditView(
            state="done" if info is not None and state in ("none", "lost", "stopped") else state,
            job=job.path.name if job else None,
            told=last_line,
            error=job.error if job else None,
            info=_dump_info(info) if info is not None else None,
            policies=POLICIES,
        )

    def _job(self, key: str) -> JobFolder | None:
        return next((job for job in self._queue.all() if job.job.about.get("audit") == key), None)


def _dump_info(info: AuditInfo) -> dict[str, Any]:
    tree = info.model_dump(mode="json", exclude={"findings"})
    tree["findings"] = [
        finding.model_dump(mode="json", exclude={"cases"})
        | {
            "num_photos": finding.num_photos,
            "num_cases": len(finding.cases),
            "cases": [case.model_dump(mode="json") for case in finding.cases[:SHOWN_CASES]],
        }
        for finding in info.findings
    ]
    return tree


POLICIES: Final = {name: tuple(get_args(field.annotation)) for name, field in AuditParams.model_fields.items()}
"""The policies that can be chosen for each kind of finding."""
