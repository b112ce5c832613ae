"""The result of a benchmark: our figure, that of a named baseline, and the ratio of the two."""

import operator
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

COMPARISONS: Final = {">=": operator.ge, "<=": operator.le}


class SkipError(Exception):
    """This machine lacks a requirement of the benchmark; the message names it."""


@dataclass(frozen=True)
class Row:
    """One claim about speed or memory.

    Attributes:
        claim: what is measured.
        ours: our figure, with its unit.
        baseline: the baseline's figure and its name.
        ratio: the ratio of the two figures, which depends less on the machine than the figures do.
        target: the condition that the ratio must meet, such as `>= 5` or `<= 1.3`.
        memory_mb: the peak memory of the process; None if it was not measured.
    """

    claim: str
    ours: str
    baseline: str
    ratio: float
    target: str
    memory_mb: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the ratio meets the target."""
        sign, bound = self.target.split()
        return bool(COMPARISONS[sign](self.ratio, float(bound)))


def time_by_turns(
    *works: Callable[[], object], rounds: int = 9, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Measures the median seconds of each function; they run in turn, so that a busy machine slows them all equally.

    Args:
        works: the functions to compare; each runs once in advance.
        rounds: the number of timed runs per function.
        clock: returns the time in seconds; `time.process_time` for claims per core.
    """
    for work in works:
        work()
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for work, timed in zip(works, seconds, strict=True):
            start_time = clock()
            work()
            timed.append(clock() - start_time)
    return [statistics.median(timed) for timed in seconds]


def peak_memory_mb() -> float:
    """Returns the peak memory of this process, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def print_rows(rows: Sequence[Row], skipped: Sequence[tuple[str, str]]) -> None:
    """Prints the rows, and the skipped benchmarks with their reasons."""
    from rich.console import Console
    from rich.table import Table

    table = Table("claim", "ours", "baseline", "ratio", "target", "memory", title="Darkroom's benchmarks")
    for row in rows:
        style = "green" if row.holds else "red"
        memory = "" if row.memory_mb is None else f"{row.memory_mb:,.0f} MB"
        table.add_row(row.claim, row.ours, row.baseline, f"[{style}]{row.ratio:.2f}×[/]", row.target, memory)
    console = Console()
    console.print(table)
    for name, reason in skipped:
        console.print(f"skipped: {name}: {reason}", markup=False)
