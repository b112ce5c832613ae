"""Runs one of our programs on foreign input as a process of its own, whose memory and time are bounded.

Some libraries allocate whatever a file's header asks for. Where they read, only the system can keep the limit: the
process is refused memory or is ended, and that becomes a message.
"""

import resource
import subprocess
from collections.abc import Mapping

from components.contract.system import launcher
from components.contract.system.budget import Budget
from components.contract.system.posix import USER_ERROR


def environment() -> Mapping[str, str]:
    """For such a process: libraries that reserve memory for each core do not."""
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "ARROW_IO_THREADS"), "1")
    return {**launcher.environment(), "MALLOC_ARENA_MAX": "2", **single}


def limit_memory(num_bytes: int) -> None:
    """Bounds the address space of this process for good, and keeps it from leaving a core file."""
    for kind, value in ((resource.RLIMIT_AS, num_bytes), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, allowed))


def run_bounded(module: str, arguments: list[str], budget: Budget, *, seconds: float) -> None:
    """Runs a program that bounds its own memory first, see `limit_memory`, and then reads foreign input.

    Args:
        module: the program; it ends with 2 and one line on standard output when it refuses the input.
        arguments: its arguments.
        budget: of the input, for the message.
        seconds: how long it may take.

    Raises:
        DarkroomError: of the budget's kind: the program refused the input, ran out of memory or time, or crashed.
    """
    try:
        result = launcher.run(launcher.python(module, *arguments), timeout_seconds=seconds, env=environment())
    except subprocess.TimeoutExpired:
        raise budget.limit_error(f"be read within {seconds:.0f} s", "it takes longer") from None
    if result.returncode == USER_ERROR:
        raise budget.error(result.stdout.strip())
    if result.returncode:
        raise budget.limit_error(
            f"be read in {budget.max_memory_bytes / 1e6:,.0f} MB of memory, without a crash",
            "it needed more, or crashed",
        )
