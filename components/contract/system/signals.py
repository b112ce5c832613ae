"""Explains why a signal ended a process, because such a process cannot log the reason itself."""

import signal
from pathlib import Path
from typing import Final

SHELL_BASE: Final = 128
"""Shells and Docker report a signal as exit code 128 + its number; Python reports the negative number."""
LESS_MEMORY: Final = (
    "Close other programs or use a machine with more memory; or lower train.batch_size, preprocess.image_size or "
    "tune.workers."
)


def signal_of(code: int) -> int | None:
    """The number of the signal that ended a process, from its exit code; None if the process ended by itself."""
    if code < 0:
        return -code
    return code - SHELL_BASE if SHELL_BASE < code <= SHELL_BASE + signal.SIGRTMAX else None


def explain_signal(code: int, *, what: str = "The task", remedy: str = LESS_MEMORY) -> str:
    """Explains why a signal ended a process, and what to do.

    Args:
        code: the exit code.
        what: the process, as the subject of the sentence.
        remedy: what to do if the process ran out of memory.
    """
    number = signal_of(code)
    if number == signal.SIGKILL:
        return f"{what} was killed by the system (SIGKILL), most likely out of memory{_memory()}. {remedy}"
    try:
        name = signal.Signals(number or 0).name
    except ValueError:
        name = f"signal {number}"
    return f"{what} was ended by {name}: a crash in a library, or a signal from another process. Run it again."


def _memory() -> str:
    """A clause that states how much memory this machine has; empty if the amount is unknown."""
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        total = int(fields["MemTotal"].split()[0]) / 2**20
    except (OSError, KeyError, ValueError, IndexError):
        return ""
    return f": this machine has {total:.1f} GiB"
