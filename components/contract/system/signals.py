"""Explains why a process was ended by a signal, since it could not log the reason."""

import signal
from pathlib import Path
from typing import Final

SHELL_BASE: Final = 128
"""A shell and Docker report a signal as 128 + its number, Python as its negative number."""
LESS_MEMORY: Final = (
    "Close other programs or use a machine with more memory; or lower train.batch_size, preprocess.image_size or "
    "tune.workers."
)


def signal_of(code: int) -> int | None:
    """The number of the signal that ended a process, by its exit code; None if it ended by itself."""
    if code < 0:
        return -code
    return code - SHELL_BASE if SHELL_BASE < code <= SHELL_BASE + signal.SIGRTMAX else None


def explain_signal(code: int, *, what: str = "The task", remedy: str = LESS_MEMORY) -> str:
    """Why a process ended by a signal, and what to do.

    Args:
        code: its exit code, of a process that ended by a signal.
        what: the process.
        remedy: what to do if the memory was too small.
    """
    number = signal_of(code)
    if number == signal.SIGKILL:
        return f"{what} was killed by the system (SIGKILL), most likely out of memory{_memory()}. {remedy}"
    try:
        name = signal.Signals(number or 0).name
    except ValueError:
        name = f"signal {number}"
    return f"{what} was ended by {name}: a crash in a library, or a signal from outside. Run it again."


def _memory() -> str:
    """The memory of this machine, if known."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        total = int(fields["MemTotal"].split()[0]) / 2**20
    except (OSError, KeyError, ValueError, IndexError):
        return ""
    return f": this machine has {total:.1f} GiB"
