"""The progress of a run on a cluster: a table on a terminal, otherwise one line per change."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from pipelines.cli import run_display
from pipelines.cli.run_display import RunDisplay
from pipelines.runners.cluster.step_status import StepStatus

START = datetime(2026, 11, 29, 10, 59, tzinfo=UTC)
DONE = StepStatus("preprocess", "succeeded", START, START + timedelta(seconds=75), "n-1", 1)


def train(state: str, detail: str = "", num_tries: int = 1) -> StepStatus:
    return StepStatus("train", state, datetime.now(UTC), None, "n-2", num_tries, detail)


def test_each_change_is_printed_once_on_one_line() -> None:
    out = io.StringIO()
    with RunDisplay(Console(file=out, width=120)) as display:
        display.show([DONE])
        display.show([DONE, train("pending")])
        display.show([DONE, train("pending")])
        display.show([DONE, train("pending", "Insufficient memory")])
        display.show([DONE, train("running")])
        display.show([DONE, train("running", "Epoch 1 of 6")])
        display.show([DONE, train("running", "Epoch 2 of 6")])
        display.show([DONE, train("pending", num_tries=2)])
    lines = [line.split(maxsplit=1)[1] for line in out.getvalue().splitlines()]
    assert [" ".join(line.split()) for line in lines] == [
        "preprocess succeeded after 1:15",
        "train pending",
        "train pending: Insufficient memory",
        "train running",
        "train running: Epoch 1 of 6",
        "train pending (try 2)",
    ]


def test_new_progress_is_printed_if_the_last_line_is_old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_display, "PROGRESS_SECONDS", 0.0)
    out = io.StringIO()
    with RunDisplay(Console(file=out, width=120)) as display:
        for epoch in (1, 2):
            display.show([train("running", f"Epoch {epoch} of 6")])
    assert "Epoch 2 of 6" in out.getvalue()


def test_a_terminal_shows_a_table_that_is_kept_up_to_date() -> None:
    out = io.StringIO()
    with RunDisplay(Console(file=out, width=120, force_terminal=True)) as display:
        display.show([DONE])
        display.show([DONE, train("running", "Epoch 1 of 6 \x1b[31m")])
    text = out.getvalue()
    assert "preprocess" in text
    assert "1:15" in text
    assert r"Epoch 1 of 6 \x1b[31m" in text
    assert text.count("\x1b[1A") >= 1, "the cursor must move up to redraw the table"
