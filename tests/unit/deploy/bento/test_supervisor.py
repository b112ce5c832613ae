"""No program outlives the process that started it."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from components.deploy.bento import supervisor

# A program whose child runs in a separate session, like BentoML's workers. It writes both process ids and the BentoML
# folder to a file, and waits.
FAMILY = """
import os, signal, subprocess, sys, time
if len(sys.argv) > 2:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
open(sys.argv[1] + ".new", "w").write(f"{os.getpid()} {child.pid} {os.environ['BENTOML_HOME']}")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(60)
"""
GUARD = str(Path(supervisor.__file__))


@contextlib.contextmanager
def started(*arguments: str, grace_seconds: float | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Runs FAMILY under the supervisor."""
    program = [sys.executable, "-c", FAMILY, *arguments]
    command = [sys.executable, "-I", GUARD, *program]
    if grace_seconds is not None:
        code = (
            "import sys; from components.deploy.bento import supervisor; "
            f"supervisor.GRACE_SECONDS = {grace_seconds}; sys.exit(supervisor.main(sys.argv[1:]))"
        )
        command = [sys.executable, "-c", code, *program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, text=True) as process:
        yield process


def family(path: Path) -> tuple[list[psutil.Process], Path]:
    """Waits until FAMILY has written the file; returns its two processes and its BentoML folder."""
    while not path.exists():
        time.sleep(0.02)
    program, child, home = path.read_text().split(" ", 2)
    return [psutil.Process(int(program)), psutil.Process(int(child))], Path(home)


def assert_gone(processes: list[psutil.Process], home: Path) -> None:
    deadline = time.monotonic() + 5
    while (any(map(runs, processes)) or home.exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [process for process in processes if runs(process)]
    assert not home.exists(), "the BentoML folder must be removed"


def runs(process: psutil.Process) -> bool:
    """Whether a process is alive; a zombie counts as dead."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_program_and_its_child_end_when_the_pipe_closes(tmp_path: Path) -> None:
    with started(str(tmp_path / "pids")) as process:
        processes, home = family(tmp_path / "pids")
        assert home.is_dir()
        assert process.stdin is not None
        process.stdin.close()
        process.wait(5)
        assert_gone(processes, home)


def test_the_program_and_its_child_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time; subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, "
            "start_new_session=True); time.sleep(60)",
            sys.executable,
            "-I",
            GUARD,
            sys.executable,
            "-c",
            FAMILY,
            str(tmp_path / "pids"),
        ],
    )
    processes, home = family(tmp_path / "pids")
    starter.kill()
    starter.wait(5)
    assert_gone(processes, home)


def test_the_program_and_its_child_end_when_the_supervisor_is_terminated(tmp_path: Path) -> None:
    with started(str(tmp_path / "pids")) as process:
        processes, home = family(tmp_path / "pids")
        process.send_signal(signal.SIGTERM)
        process.wait(5)
        assert_gone(processes, home)


def test_a_child_does_not_survive_its_program(tmp_path: Path) -> None:
    with started(str(tmp_path / "pids")) as process:
        processes, home = family(tmp_path / "pids")
        time.sleep(1.5 * supervisor.FAMILY_SECONDS)
        processes[0].kill()
        process.wait(5)
        assert_gone(processes, home)


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with started(str(tmp_path / "pids"), "deaf", grace_seconds=0.3) as process:
        processes, home = family(tmp_path / "pids")
        assert process.stdin is not None
        process.stdin.close()
        process.wait(5)
        assert_gone(processes, home)


@pytest.mark.parametrize("code", [0, 7])
def test_the_supervisor_exits_with_the_exit_code_of_its_program(code: int) -> None:
    command = [sys.executable, "-I", GUARD, sys.executable, "-c", f"raise SystemExit({code})"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.wait(10) == code
