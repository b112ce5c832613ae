"""A killed task cannot report that it was killed, so the runner reports it."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from components.contract.system.program import EVENTS_VARIABLE
from components.contract.system.signals import explain_signal, signal_of
from pipelines.runners.container_deaths import _note_deaths as note_deaths
from pipelines.runners.events import read_events
from pipelines.runners.killed_tasks import note_killed_task, running_step
from pipelines.runners.task_process import noting_kills


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, None), (1, None), (2, None), (128, None), (137, 9), (-9, 9), (139, 11), (-15, 15), (255, None)],
)
def test_the_signal_is_read_from_the_exit_code(code: int, expected: int | None) -> None:
    assert signal_of(code) == expected


def test_lack_of_memory_is_named_as_the_cause_of_a_kill_but_not_of_a_crash() -> None:
    text = explain_signal(-signal.SIGKILL)
    assert "killed by the system (SIGKILL), most likely out of memory" in text
    assert "train.batch_size" in text
    assert "SIGSEGV" in explain_signal(139)
    assert "memory" not in explain_signal(139)


@pytest.mark.parametrize("command", ["kill -9 $$", "sh -c 'kill -9 $$'; exit $?"])
@pytest.mark.parametrize(("arguments", "step"), [([], "train"), (["--function_to_execute", "evaluate"], "evaluate")])
def test_the_kill_is_recorded_for_the_running_step(
    command: str, arguments: list[str], step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a step is killed before it reports its start, its name is read from KFP's command."""
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


def test_no_finished_step_is_blamed_for_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = tmp_path / "events.jsonl"
    monkeypatch.setenv(EVENTS_VARIABLE, str(events))
    steps = [("read-photos", "started"), ("read-photos-2", "started"), ("read-photos-2", "finished")]
    events.write_text("".join(json.dumps({"step": step, "event": event}) + "\n" for step, event in steps))
    assert running_step() == "read-photos"
    with events.open("a") as file:
        file.write(json.dumps({"step": "read-photos", "event": "finished"}) + "\n")
    assert running_step() == "the pipeline"


@pytest.mark.parametrize(("part", "task"), [(0, "read-photos"), (2, "read-photos-3")])
def test_a_killed_task_that_shares_a_steps_work_is_recorded_with_its_number(
    part: int, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    executor_input = json.dumps({"inputs": {"parameterValues": {"part": part, "parts": 3}}})
    arguments = ["--executor_input", executor_input, "--function_to_execute", "read_photos"]
    note_killed_task(-signal.SIGKILL, ["sh", "-c", "python3 …", *arguments])
    assert read_events(tmp_path / "events.jsonl")[-1]["step"] == task


@pytest.mark.parametrize(
    ("running", "image", "task"),
    [
        ("read-photos-3", "darkroom-preprocess-python:0.2.0", "read-photos-3"),
        ("tune-2", "darkroom-train-python:0.2.0", "tune-2"),
        ("compute-features", "darkroom-train-gpu-python:0.2.0", "train-gpu"),
        ("preprocess", "darkroom-evaluate-python:0.2.0", "evaluate"),
    ],
    ids=["one of several readers", "one of several tune tasks", "unknown image", "killed before it reported its start"],
)
def test_a_killed_container_is_reported_under_the_name_of_its_task(
    running: str, image: str, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    (tmp_path / "events.jsonl").write_text(json.dumps({"step": running, "event": "started"}) + "\n")
    died = {"Action": "die", "Actor": {"ID": "1", "Attributes": {"exitCode": "137", "image": image}}}
    note_deaths([died])
    assert read_events(tmp_path / "events.jsonl")[-1]["step"] == task


def test_a_task_that_was_not_killed_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    note_killed_task(1)
    assert not (tmp_path / "events.jsonl").exists()
