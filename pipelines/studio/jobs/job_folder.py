"""A job of the studio: a command, and a folder that contains its outcome.

jobs/<id>/job.json      Job
jobs/<id>/params.yaml   its params, if it has any
jobs/<id>/started       exists if the job was started
jobs/<id>/cancelled     exists if the user stopped the job
jobs/<id>/run           the name of the run that the job started
and the files that job_process.py writes. All state of a job is in its folder, so that a restarted studio can read it.
"""

import contextlib
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field

from components.contract.record import BaseRecord
from components.contract.system import launcher
from components.contract.system.atomic_files import read_json, write_file
from components.contract.system.posix import USER_ERROR
from components.contract.system.signals import explain_signal, signal_of
from pipelines.runners import runs

Kind = Literal[
    "audit",
    "run",
    "submit",
    "check",
    "package",
    "rate",
    "layers",
    "speed",
    "compare",
    "promote",
    "export",
    "serve",
    "ui",
]
State = Literal["waiting", "running", "done", "failed", "stopped", "lost"]
JOB_PROCESS: Final = Path(__file__).with_name("job_process.py")
START_SECONDS: Final = 15.0
"""How long a job's process can take to acquire its lock."""
TAIL_BYTES: Final = 64 * 1024


class Job(BaseRecord):
    """A job as it was requested.

    Attributes:
        command: the words after `darkroom`, or a whole command if the first word is an absolute path.
        about: facts that the page needs, such as the data, the file or the run.
    """

    id: str
    kind: Kind
    title: str
    command: tuple[str, ...]
    created: str
    about: dict[str, str] = Field(default_factory=dict)


class JobFolder:
    """One job and its state."""

    def __init__(self, path: Path):
        self.path = path
        self.job = read_json(path / "job.json", Job, "job of the studio")
        self._run: runs.RunFolder | None = None
        self._final: State | None = None

    @property
    def state(self) -> State:
        """The current state; it does not change after the job has ended."""
        if self._final is None:
            state = self._read_state()
            if state in ("waiting", "running"):
                return state
            self._final = state
        return self._final

    def _read_state(self) -> State:
        # The process acquires its lock, writes its pid and its result, and releases the lock. So if the pid exists and
        # the lock is free afterwards, the process has ended, and it has written its result unless it was killed.
        pid, is_held = self._pid, self._is_held
        result = self._read("result.json")
        if result is not None:
            if (self.path / "cancelled").exists():
                return "stopped"
            return "done" if result["code"] == 0 else "failed"
        if is_held:
            return "running"
        if (self.path / "cancelled").exists():
            return "stopped"
        if not (self.path / "started").exists():
            return "waiting"
        if time.time() - (self.path / "started").stat().st_mtime < START_SECONDS and pid is None:
            return "running"
        return "lost"

    @property
    def is_over(self) -> bool:
        """Whether the job has ended, for whatever reason."""
        return self.state not in ("waiting", "running")

    @property
    def started_at(self) -> float | None:
        """The start time, in seconds since 1970; None if the job has not started."""
        return (self.path / "started").stat().st_mtime if (self.path / "started").exists() else None

    @property
    def ended_at(self) -> float | None:
        """The end time of the job's command, in seconds since 1970; None if there is no result."""
        result = self._read("result.json")
        return None if result is None else float(result["ended"])

    @property
    def error(self) -> str | None:
        """Why the job failed or was lost; None in other states."""
        state = self.state
        if state == "lost":
            resumption = ": training continues from its last saved state" if self.job.kind == "run" else ""
            return f"The machine or the process stopped unexpectedly. Start the job again{resumption}."
        if state != "failed":
            return None
        lines = [line for line in self.log_tail().splitlines() if line.strip()]
        result = self._read("result.json") or {}
        if result.get("code") == USER_ERROR:
            message_starts = [index for index, line in enumerate(lines) if line.startswith("darkroom: ")]
            start = message_starts[-1] if message_starts else len(lines) - 1
            return "\n".join(lines[start:]).removeprefix("darkroom: ")
        if signal_of(int(result.get("code", 0))) is not None:
            return explain_signal(int(result["code"]), what="The job")
        return "\n".join(lines[-12:]) or f"The job exited with code {result.get('code')}."

    @property
    def output(self) -> Any:
        """The JSON result that the command printed; None if there is none."""
        with contextlib.suppress(OSError, ValueError):
            return json.loads((self.path / "output.txt").read_text(encoding="utf-8"))
        return None

    @property
    def run_folder(self) -> runs.RunFolder | None:
        """The run that the job started, identified by the process that locked the run; None if there is none."""
        if self._run is not None or self.job.kind != "run":
            return self._run
        name_path = self.path / "run"
        if name_path.exists():
            self._run = runs.RunFolder(runs.RUNS_DIR / name_path.read_text())
            return self._run
        for folder in runs.list_runs() if self._pid else ():
            if self._holds(folder.path / runs.LOCK_FILE):
                write_file(name_path, folder.path.name.encode())
                self._run = folder
                break
        return self._run

    def _holds(self, lock: Path) -> bool:
        """Whether this job's process wrote the lock file of a run."""
        if not lock.exists() or lock.read_text() != str(self._pid):
            return False
        return lock.stat().st_mtime >= (self.started_at or 0)

    def log_tail(self, num_bytes: int = TAIL_BYTES) -> str:
        """The end of the job's log."""
        path = self.path / "log.txt"
        if not path.exists():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - num_bytes))
            return file.read().decode("utf-8", "replace")

    def stop(self) -> None:
        """Stops the job, or removes it from the queue."""
        write_file(self.path / "cancelled", b"")
        if self._pid and self._is_held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)

    def start(self, environment: Mapping[str, str]) -> None:
        """Starts the job as a process that continues if the studio ends."""
        command = self.job.command
        words = list(command) if Path(command[0]).is_absolute() else launcher.python("pipelines.cli.main", *command)
        write_file(self.path / "started", b"")
        with (self.path / "log.txt").open("ab") as log:
            launcher.run(
                launcher.script(JOB_PROCESS, str(self.path.resolve()), *words),
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=dict(environment) | {"PYTHONUNBUFFERED": "1", "COLUMNS": "160"},
            ).check_returncode()

    @property
    def _pid(self) -> int | None:
        keeper = self._read("keeper.json")
        return None if keeper is None else int(keeper["pid"])

    @property
    def _is_held(self) -> bool:
        return runs.is_held(self.path / "lock")

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return content
