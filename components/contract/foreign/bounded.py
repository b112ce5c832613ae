"""Runs a Darkroom program on untrusted input, in a process with limited memory and time.

Some libraries allocate as much memory as a file's header requests. Only the operating system can then enforce a limit:
an allocation fails or the process is killed, and the caller gets an error message.
"""

import resource
import subprocess
from collections.abc import Mapping

from components.contract.system import launcher
from components.contract.system.budget import Budget
from components.contract.system.posix import USER_ERROR


def environment() -> Mapping[str, str]:
    """The environment variables of the bounded process; they keep libraries from reserving memory for each core."""
    single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "ARROW_IO_THREADS"), "1")
    return {**launcher.environment(), "MALLOC_ARENA_MAX": "2", **single}


def limit_memory(num_bytes: int) -> None:
    """Limits the address space of this process permanently, and prevents core dumps."""
    for kind, value in ((resource.RLIMIT_AS, num_bytes), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, allowed))


def run_bounded(module: str, arguments: list[str], budget: Budget, *, seconds: float) -> None:
    """Runs a program that first limits its memory with `limit_memory`, and then reads untrusted input.

    Args:
        module: the program; if it rejects the input, it prints one line on standard output and exits with code 2.
        arguments: the command-line arguments of the program.
        budget: the limits for the input, for error messages.
        seconds: the time limit.

    Raises:
        DarkroomError: of the class `budget.error`, if the program rejected the input, ran out of memory or time,
            or crashed.
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
            "the program needed more, or crashed",
        )
