"""Runs a program, and ends it and all its children when standard input closes.

The parent process holds the other end of the pipe. However the parent ends, even by SIGKILL, the pipe closes and no
server is left running. This script is run by its path, and imports nothing from the project.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

import psutil

POLL_SECONDS = 0.2
FAMILY_SECONDS = 1.0
"""The interval at which the child processes are listed; after the program has ended, they can no longer be listed."""
GRACE_SECONDS = 65.0
"""The time after SIGTERM to finish the requests in progress; each request takes at most 60 s."""


def main(command: list[str]) -> int:
    """Runs `command` in an empty temporary folder, which is also BentoML's home and TMPDIR."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="darkroom-service-", ignore_cleanup_errors=True) as home:
        environment = os.environ | {"BENTOML_HOME": home, "TMPDIR": home}
        program = psutil.Popen(command, cwd=home, env=environment, stdin=subprocess.DEVNULL)
        family: list[psutil.Process] = []
        try:
            wait(program, family)
        finally:
            end(program, family)
    return program.returncode or 0


def wait(program: psutil.Popen, family: list[psutil.Process]) -> None:
    """Waits until the program ends or standard input closes; keeps `family`, its child processes, up to date."""
    list_time = 0.0
    while program.poll() is None:
        if time.monotonic() - list_time > FAMILY_SECONDS:
            family[:], list_time = children(program) or family, time.monotonic()
        readable, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 1024):
            return


def end(program: psutil.Popen, family: list[psutil.Process]) -> None:
    """Terminates the program, waits up to GRACE_SECONDS until it ends, and kills all remaining processes."""
    # Each process is signaled, not a group: BentoML's workers have their own process groups.
    family = list({*family, *children(program)})
    if program.poll() is None:
        program.terminate()
        with contextlib.suppress(psutil.TimeoutExpired):
            program.wait(GRACE_SECONDS)
    for process in (program, *family):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    program.wait()


def children(program: psutil.Popen) -> list[psutil.Process]:
    """Lists all descendants of the program; none if it has ended."""
    try:
        family: list[psutil.Process] = program.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return family


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
