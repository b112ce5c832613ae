"""A task that the system killed cannot say so; the runner does."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from components.contract.system.program import EVENTS_VARIABLE
from components.contract.system.signals import explain_signal, signal_of
from pipelines.runners.events import read_events
from pipelines.runners.killed_tasks import note_killed_task
from pipelines.runners.task_process import noting_kills


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, None), (1, None), (2, None), (128, None), (137, 9), (-9, 9), (139, 11), (-15, 15), (255, None)],
)
def test_the_signal_is_read_from_the_exit_code(code: int, expected: int | None) -> None:
    assert signal_of(code) == expected


def test_a_killed_task_is_out_of_memory_and_a_crashed_one_is_not() -> None:
    text = explain_signal(-signal.SIGKILL)
    assert "killed by the system (SIGKILL), most likely out of memory" in text
    assert "train.batch_size" in text
    assert "SIGSEGV" in explain_signal(139)
    assert "memory" not in explain_signal(139)


@pytest.mark.parametrize("command", ["kill -9 $$", "sh -c 'kill -9 $$'; exit $?"])
@pytest.mark.parametrize(("arguments", "step"), [([], "train"), (["--function_to_execute", "evaluate"], "evaluate")])
def test_the_kill_is_noted_for_the_step_that_ran(
    command: str, arguments: list[str], step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that is killed before it says that it started is known by KFP's command."""
    events = tmp_path / "events.jsonl"
    monkeypatch.setenv(EVENTS_VARIABLE, str(events))
    events.write_text(
        "".join(json.dumps({"step": step, "event": "started"}) + "\n" for step in ("preprocess", "train"))
    )
    run_task = noting_kills(lambda full_command: subprocess.run(full_command, check=False).returncode)
    assert signal_of(run_task(["sh", "-c", command, *arguments])) == signal.SIGKILL
    failure = read_events(events)[-1]
    assert (failure["event"], failure["step"], failure["kind"]) == ("failed", step, "KilledTaskError")
    assert "killed by the system" in failure["error"]


def test_a_task_that_ended_by_itself_leaves_no_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    note_killed_task(1)
    assert not (tmp_path / "events.jsonl").exists()
