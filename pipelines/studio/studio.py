"""The studio: what the page's answers are made of."""

import json
import os
import threading
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from components.contract.foreign.confinement import ROOTS_VARIABLE
from components.contract.system.atomic_files import remove_all_remains
from pipelines.studio.data.audits import Audits
from pipelines.studio.data.photos import Album
from pipelines.studio.data.versions import Versions
from pipelines.studio.draft.store import DraftStore
from pipelines.studio.exports import Exports
from pipelines.studio.jobs.job_folder import JobFolder
from pipelines.studio.jobs.queue import Queue
from pipelines.studio.playground import Playground
from pipelines.studio.results import Results
from pipelines.studio.settings import Settings, StudioError
from pipelines.studio.workers import Workers


class Studio:
    """All that a studio holds; its state is on the disk.

    Attributes:
        num_changes: counts what happened to the data, so that every tab looks again.
    """

    def __init__(self, settings: Settings):
        """Opens the studio of a folder.

        Raises:
            StudioError: another studio has it, or it cannot be written.
        """
        self.settings = settings
        self._lock = _lock_home(settings)
        # What this process and its jobs look at lies in the roots, whatever tables and links say.
        os.environ[ROOTS_VARIABLE] = json.dumps([str(root) for root in settings.allowed])
        self.queue = Queue(settings.home / "jobs")
        self.workers = Workers()
        self.draft = DraftStore(settings.home / "draft.json", self.workers)
        self.album = Album(settings.photos_dir, self.workers, lambda: self.draft.read().columns)
        self.audits = Audits(settings.home / "audits", self.queue)
        self.versions = Versions(settings.home / "versions", self.album)
        self.results = Results()
        self.playground = Playground(settings.home, self.workers)
        self.exports = Exports(settings.home / "exports", self.queue)
        self.num_changes = 0
        self._count_lock = threading.Lock()

    def touch(self) -> None:
        """The data has changed: everything that was known of them is looked up again."""
        self.album.forget()
        self.draft.forget()
        with self._count_lock:
            self.num_changes += 1

    def close(self) -> None:
        """Lets another studio have the folder; jobs continue."""
        self.workers.close()
        self._lock.release()
        os.environ.pop(ROOTS_VARIABLE, None)


def _lock_home(settings: Settings) -> FileLock:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(settings.home / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise StudioError(
            "Only one studio can run in a folder, and one is already running in "
            f"{settings.home.absolute()}. Use that one, or start this one in another folder."
        ) from None
    except OSError as error:
        raise StudioError(
            f"The studio stores its state in {settings.home.absolute()}, which must be writable; it is "
            f"not: {error.strerror}. Start it in your own folder."
        ) from None
    _remove_partial_uploads(settings.home)
    return lock


def _remove_partial_uploads(home: Path) -> None:
    """Removes what a killed studio was receiving or unpacking; no other studio is at work in the folder."""
    for folder in (home / "uploads", home / "models", home / "photos"):
        for partial in folder.rglob(f".{'[0-9a-f]' * 16}.partial"):  # as `receive` names them
            partial.unlink(missing_ok=True)
    remove_all_remains(home / "photos")


def job_view(job: JobFolder) -> dict[str, Any]:
    """A job in the list."""
    run = job.run_folder
    return job.job.model_dump() | {
        "state": job.state,
        "error": job.error,
        "started": job.started_at,
        "ended": job.ended_at,
        "run_id": run.path.name if run else None,
    }


def parse_whole(text: str | None, default: int, most: int = 10**6) -> int:
    """An integer in an address; otherwise the default."""
    return min(int(text), most) if text and text.isdecimal() and text.isascii() and len(text) < 10 else default
