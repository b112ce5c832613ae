"""The studio: its parts and their shared state."""

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
from pipelines.studio.phone import PhoneCamera
from pipelines.studio.playground import Playground
from pipelines.studio.results import Results
from pipelines.studio.settings import Settings, StudioError
from pipelines.studio.workers import Workers


class Studio:
    """The parts of a studio; all state that must survive a restart is on disk.

    Attributes:
        num_changes: the number of changes to the data so far; every tab reloads the data when it increases.
    """

    def __init__(self, settings: Settings):
        """Opens a studio and locks its folder.

        Raises:
            StudioError: another studio is using the folder, or the folder is not writable.
        """
        self.settings = settings
        self._lock = _lock_home(settings)
        # This process and its jobs read files only in these folders, even if tables or links refer to other files.
        os.environ[ROOTS_VARIABLE] = json.dumps([str(root) for root in settings.allowed])
        self.queue = Queue(settings.home / "jobs")
        self.workers = Workers()
        self.draft = DraftStore(settings.home / "draft.json", self.workers)
        self.album = Album(settings.photos_dir, self.workers, lambda: self.draft.read().columns)
        self.audits = Audits(settings.home / "audits", self.queue)
        self.versions = Versions(settings.home / "versions", self.album)
        self.results = Results()
        self.playground = Playground(settings.home, self.workers)
        self.phone = PhoneCamera()
        self.exports = Exports(settings.home / "exports", self.queue)
        self.num_changes = 0
        self._count_lock = threading.Lock()

    def touch(self) -> None:
        """Discards everything cached about the data, because it has changed, and makes every tab reload it."""
        self.album.forget()
        self.draft.forget()
        with self._count_lock:
            self.num_changes += 1

    def close(self) -> None:
        """Releases the folder for another studio; jobs continue."""
        self.phone.close()
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
            f"The studio stores its state in {settings.home.absolute()}, which is not writable: "
            f"{error.strerror}. Start the studio in a folder that you own."
        ) from None
    _remove_partial_uploads(settings.home)
    return lock


def _remove_partial_uploads(home: Path) -> None:
    """Removes partial uploads and partly unpacked archives that a killed studio left; the folder must be locked."""
    for folder in (home / "uploads", home / "models", home / "photos"):
        for partial in folder.rglob(f".{'[0-9a-f]' * 16}.partial"):  # as `receive` names them
            partial.unlink(missing_ok=True)
    remove_all_remains(home / "photos")


def job_view(job: JobFolder) -> dict[str, Any]:
    """A job as shown in the job list."""
    run = job.run_folder
    return job.job.model_dump() | {
        "state": job.state,
        "error": job.error,
        "started": job.started_at,
        "ended": job.ended_at,
        "run_id": run.path.name if run else None,
    }


def parse_whole(text: str | None, default: int, most: int = 10**6) -> int:
    """Parses a whole number from a URL, capped at `most`; returns the default if the text is missing or invalid."""
    return min(int(text), most) if text and text.isdecimal() and text.isascii() and len(text) < 10 else default
