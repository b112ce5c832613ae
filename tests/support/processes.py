"""Finds live processes that tests have started, waits for conditions, and finds free ports."""

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def signals_to_test(sampled: signal.Signals, *proofs: signal.Signals) -> list[object]:
    """Returns test parameters for signals that stop a program; `proofs` are tested only in `make proof`."""
    return [sampled, *(pytest.param(signum, marks=pytest.mark.proof) for signum in proofs)]


def marked(mark: str) -> dict[int, str]:
    """Maps the ids of live processes whose environment contains `mark` to their command lines."""
    commands = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_zombie = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if mark.encode() in (folder / "environ").read_bytes() and not is_zombie:
                commands[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return commands


def wait_for(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Returns as soon as `condition` is true; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
