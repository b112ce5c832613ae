"""The queue of a studio's jobs, which run one at a time."""

import datetime
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from components.contract.system import launcher
from components.contract.system.atomic_files import write_file, write_json
from pipelines.studio.jobs.job_folder import Job, JobFolder, Kind
from pipelines.studio.settings import StudioError

ALONGSIDE: Final = ("check", "serve", "ui", "layers", "promote", "submit")
"""Kinds of jobs that start immediately, because they need few resources or run until they are stopped."""
KEPT_JOBS: Final = 200


class Queue:
    """The jobs of a studio, which run one at a time except for the kinds in ALONGSIDE."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._over: dict[str, JobFolder] = {}

    def add(
        self,
        kind: Kind,
        title: str,
        command: Sequence[str],
        *,
        params: str | None = None,
        about: Mapping[str, str] | None = None,
    ) -> JobFolder:
        """Adds a job to the end of the queue.

        Args:
            kind: the kind of the job.
            title: the title that the page shows.
            command: see `Job`; PARAMS is replaced with the path of the job's params.yaml.
            params: the text of a params.yaml for the job.
            about: see `Job`.

        Raises:
            StudioError: the disk is full.
        """
        now = datetime.datetime.now().astimezone()
        path = self._folder / f"{now:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(2)}"
        words = tuple(str(path / "params.yaml") if word == PARAMS else word for word in command)
        job = Job(
            id=path.name,
            kind=kind,
            title=title,
            command=words,
            created=now.isoformat(timespec="seconds"),
            about=dict(about or {}),
        )
        try:
            if params is not None:
                write_file(path / "params.yaml", params.encode())
            write_json(path / "job.json", job)
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise StudioError(f"Cannot write the job to {self._folder}: {error.strerror}.", 507) from None
        self._forget_old()
        return JobFolder(path)

    def all(self) -> list[JobFolder]:
        """Returns all jobs, newest first."""
        return [self.find(path.parent.name) for path in sorted(self._folder.glob("*/job.json"), reverse=True)]

    def find(self, job_id: str) -> JobFolder:
        """Finds a job by its id.

        Raises:
            StudioError: there is no such job.
        """
        if job_id in self._over:
            return self._over[job_id]
        path = self._folder / Path(job_id).name
        if path.name != job_id or job_id.startswith(".") or "\0" in job_id or not (path / "job.json").is_file():
            raise StudioError(f"There is no job {job_id[:80]!r}.", 404)
        folder = JobFolder(path)
        if folder.is_over:
            self._over[job_id] = folder
        return folder

    def step(self) -> None:
        """Starts the jobs that can start now."""
        jobs = self.all()
        is_busy = any(job.state == "running" and job.job.kind not in ALONGSIDE for job in jobs)
        for job in reversed(jobs):
            if job.state != "waiting":
                continue
            if job.job.kind in ALONGSIDE:
                job.start(launcher.environment())
            elif not is_busy:
                is_busy = True
                job.start(launcher.environment())

    def _forget_old(self) -> None:
        for job in [job for job in self.all() if job.is_over][KEPT_JOBS:]:
            self._over.pop(job.path.name, None)
            shutil.rmtree(job.path, ignore_errors=True)


PARAMS: Final = "PARAMS"
"""A placeholder in a command for the path of the job's params.yaml."""
