"""Shows the progress of a run on a cluster: a live table on a terminal, otherwise one line per change."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.live import Live
from rich.table import Table
from rich.text import Text

from components.contract.text import printable
from pipelines.cli import show

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.runners.cluster.step_status import StepStatus

PROGRESS_SECONDS: Final = 60.0
"""The minimum time between two lines for a step if only its progress has changed."""


class RunDisplay:
    """Shows the steps of a run until the `with` block ends."""

    def __init__(self, out: "Console"):
        """Creates the display; nothing is shown yet.

        Args:
            out: the console. A terminal shows a table that is kept up to date; any other output receives lines.
        """
        self._out = out
        self._live = Live(console=out, auto_refresh=False) if out.is_terminal else None
        self._lines = show.Progress(out)
        self._states: dict[str, tuple[str, int]] = {}
        self._details: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> "RunDisplay":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, steps: "Sequence[StepStatus]") -> None:
        """Shows the progress of the steps."""
        if self._live is not None:
            self._live.update(_make_table(steps), refresh=True)
            return
        for step in steps:
            state = (step.state, step.num_tries)
            if self._states.get(step.name) != state:
                self._states[step.name] = state
                self._details[step.name] = (step.detail, time.monotonic())
                self._lines(step.name, _describe(step))
            elif step.detail and self._is_news(step):
                self._details[step.name] = (step.detail, time.monotonic())
                self._lines(step.name, _describe(step))

    def note(self, text: str) -> None:
        """Shows a line that does not belong to a step."""
        self._out.print(printable(text, lines=True))

    def _is_news(self, step: "StepStatus") -> bool:
        """Whether to print a step's new detail: a reason for waiting immediately, progress at most once a minute."""
        detail, shown_time = self._details.get(step.name, ("", 0.0))
        if detail == step.detail:
            return False
        return step.state == "pending" or not detail or time.monotonic() - shown_time >= PROGRESS_SECONDS


def _describe(step: "StepStatus") -> str:
    words = [step.state]
    if step.num_tries > 1:
        words.append(f"(try {step.num_tries})")
    if step.end_time is not None and step.state != "cached":
        words.append(f"after {_duration(step)}")
    return f"{' '.join(words)}{f': {step.detail}' if step.detail else ''}"


def _make_table(steps: "Sequence[StepStatus]") -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("step", style="bold", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("progress")
    for step in steps:
        tries = f" (try {step.num_tries})" if step.num_tries > 1 else ""
        # Progress is shortened to one line; the reason why a step does not start is shown in full.
        is_progress = step.state == "running"
        detail = Text(printable(step.detail), no_wrap=is_progress, overflow="ellipsis" if is_progress else "fold")
        table.add_row(step.name, f"{step.state}{tries}", _duration(step), detail)
    return table


def _duration(step: "StepStatus") -> str:
    """The minutes and seconds from a step's start to its end, or until now if it has not ended."""
    if step.start_time is None:
        return ""
    seconds = ((step.end_time or datetime.now(UTC)) - step.start_time).total_seconds()
    return f"{max(0, int(seconds)) // 60}:{max(0, int(seconds)) % 60:02d}"
