"""The state of a run, and how every browser tab is kept up to date."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from components.contract.system.program import EVENTS_VARIABLE, is_finish_requested, note_progress, running_step
from pipelines.runners import runs
from pipelines.runners.runs import ask_to_finish
from pipelines.studio.jobs.live import show_progress, watch
from pipelines.studio.routes import follow
from tests.unit.pipelines.studio.conftest import HOST, Client

EPOCH = {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.6, "val_accuracy": 0.7, "phase": 1, "images_per_second": 900.0}


@pytest.fixture
def running(client: Client) -> Any:
    """A running job and its run; the test's own process acts as the job's process."""
    job = client.studio.queue.add("run", "Train", [sys.executable, "-c", "pass"])
    (job.path / "started").touch()
    (job.path / "log.txt").write_text("one\ntwo\n")
    with runs.start_run("photos") as run:
        (job.path / "keeper.json").write_text(json.dumps({"pid": os.getpid()}))
        with (job.path / "lock").open("w") as lock:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
            yield job, run


def note(run: runs.RunFolder, *events: dict[str, Any]) -> None:
    with (run.path / "events.jsonl").open("a") as file:
        for number, event in enumerate(events):
            file.write(json.dumps({"time": 100.0 + number, **event}) + "\n")


def test_a_run_is_found_by_its_process_and_shows_its_steps(running: Any) -> None:
    job, run = running
    note(
        run,
        {"step": "preprocess", "event": "started"},
        {"step": "preprocess", "event": "finished", "seconds": 3.5},
        {"step": "train", "event": "started"},
        {"step": "train", "event": "epoch", "epoch": 1, "planned": 9, **EPOCH},
        {"step": "train", "event": "part", "epoch": 2, "planned": 9, "done": 0.4, "seconds_left": 2},
    )
    view = watch(job)
    assert view.run_id == run.path.name
    assert {step.name: step.state for step in view.steps} == {
        "start": "done",
        "preprocess": "done",
        "train": "running",
        "evaluate": "waiting",
        "deploy": "waiting",
    }
    assert [(epoch["epoch"], epoch["val_accuracy"]) for epoch in view.epochs] == [(1, 0.7)]
    assert view.part is not None
    assert view.part["done"] == 0.4
    assert [step.share for step in view.steps if step.name == "train"] == [pytest.approx(1.4 / 9)]
    progress = show_progress(job)
    assert progress is not None
    assert (progress.step, progress.share) == ("train", pytest.approx(1.4 / 9))


def begin(step: str) -> dict[str, Any]:
    return {"step": step, "event": "started"}


def end(step: str, seconds: float = 1.0) -> dict[str, Any]:
    return {"step": step, "event": "finished", "seconds": seconds}


def write_params(run: runs.RunFolder, **data: int) -> None:
    (run.path / runs.PARAMS_FILE).write_text(json.dumps({"data": {"uri": "photos", **data}}))


def test_tasks_that_share_a_step_are_shown_as_its_parts(running: Any) -> None:
    job, run = running
    write_params(run, workers=3)
    note(run, begin("list-photos"), end("list-photos"), begin("read-photos"), end("read-photos"))
    note(run, begin("read-photos-2"))
    start, preprocess, *_ = watch(job).steps
    assert (start.state, preprocess.state) == ("done", "running")
    assert (preprocess.started, preprocess.num_parts) == (100.0, 4)
    assert preprocess.share == pytest.approx(2 / 5), "the merge must count as the fifth task"
    assert [(part.name, part.state) for part in preprocess.parts] == [
        ("list-photos", "done"),
        ("read-photos", "done"),
        ("read-photos-2", "running"),
    ]
    note(run, *(end(name) for name in ("read-photos-2", "read-photos-3")), begin("preprocess"))
    assert watch(job).steps[1].state == "running", "the step must be running until the merge has ended"
    note(run, {**end("preprocess"), "time": 190.0})
    preprocess = watch(job).steps[1]
    assert (preprocess.state, preprocess.seconds) == ("done", 90.0)
    assert [step.state for step in watch(job).steps if step.name == "train"] == ["running"]


def test_features_are_a_separate_step_if_several_tasks_compute_them(running: Any) -> None:
    job, run = running
    assert "compute-features" not in [step.name for step in watch(job).steps]
    write_params(run, feature_workers=2)
    assert [step.name for step in watch(job).steps][1:3] == ["preprocess", "compute-features"]
    note(run, begin("preprocess"), end("preprocess"), begin("compute-features"), end("compute-features"))

    def state_of(name: str) -> tuple[str, float | None]:
        return next((step.state, step.share) for step in watch(job).steps if step.name == name)

    assert (state_of("compute-features"), state_of("train")) == (("running", 0.5), ("waiting", None))
    note(run, begin("compute-features-2"), end("compute-features-2"))
    assert (state_of("compute-features"), state_of("train")) == (("done", None), ("running", None))


def test_a_failed_part_is_shown_in_its_step(running: Any) -> None:
    job, run = running
    write_params(run, workers=2)
    note(run, begin("list-photos"), end("list-photos"), begin("read-photos"), end("read-photos"))
    note(
        run, begin("read-photos-2"), {"step": "read-photos-2", "event": "failed", "error": "gone", "kind": "DataError"}
    )
    preprocess = watch(job).steps[1]
    assert preprocess.state == "failed"
    assert [part.name for part in preprocess.parts if part.state == "failed"] == ["read-photos-2"]


def test_the_time_of_a_step_includes_that_of_its_parts(running: Any) -> None:
    job, run = running
    note(run, end("list-photos", 1.0), end("read-photos", 2.0), end("read-photos-2", 2.5), end("preprocess", 3.5))
    runs.finish(run, {})
    assert {step.name: step.expected_seconds for step in watch(job).steps}["preprocess"] == 9.0


def test_a_run_shows_its_progress_from_the_first_second_and_between_steps(running: Any) -> None:
    job, run = running
    assert [(step.name, step.state) for step in watch(job).steps][:2] == [
        ("start", "running"),
        ("preprocess", "waiting"),
    ]
    note(run, {"step": "preprocess", "event": "started"}, {"step": "preprocess", "event": "finished", "seconds": 3.5})
    train = next(step for step in watch(job).steps if step.name == "train")
    assert (train.state, train.started) == ("running", 101.0), "the step train must be running while its libraries load"


def test_steps_show_how_long_they_took_in_the_latest_run(running: Any) -> None:
    job, run = running
    assert {step.expected_seconds for step in watch(job).steps} == {None}
    note(run, {"step": "preprocess", "event": "finished", "seconds": 3.5})
    runs.finish(run, {})
    assert {step.name: step.expected_seconds for step in watch(job).steps}["preprocess"] == 3.5


def test_only_a_running_training_run_has_progress(client: Client, running: Any) -> None:
    job, _ = running
    other = client.studio.queue.add("audit", "Look", [sys.executable, "-c", "pass"])
    assert show_progress(other) is None
    (job.path / "result.json").write_text(json.dumps({"code": 0, "ended": 1.0}))
    assert show_progress(job) is None


def test_an_epoch_that_is_repeated_after_resuming_counts_once(running: Any) -> None:
    job, run = running
    note(run, *({"step": "train", "event": "epoch", "epoch": number, "planned": 3, **EPOCH} for number in (1, 2, 2, 3)))
    assert [epoch["epoch"] for epoch in watch(job).epochs] == [1, 2, 3]


def test_trials_are_shown_with_their_state(running: Any) -> None:
    job, run = running
    trial = {"step": "tune", "event": "trial", "values": {"learning_rate": 0.01}}
    note(run, {"step": "tune", "event": "started"}, {**trial, "number": 0, "state": "running"})
    note(run, {"step": "tune", "event": "epoch", "epoch": 1, "planned": 3, **EPOCH})
    note(run, {**trial, "number": 0, "state": "complete", "accuracy": 0.9}, {**trial, "number": 1, "state": "running"})
    view = watch(job)
    assert [(row["number"], row["state"], row.get("accuracy")) for row in view.trials] == [
        (0, "complete", 0.9),
        (1, "running", None),
    ]
    assert "tune" in [step.name for step in view.steps]


def test_a_running_trial_of_a_killed_job_is_shown_as_interrupted(running: Any) -> None:
    job, run = running
    trial = {"step": "tune", "event": "trial", "number": 0, "values": {}}
    note(run, {"step": "tune", "event": "started"}, {**trial, "state": "running"})
    (job.path / "cancelled").touch()
    (job.path / "result.json").write_text('{"code": 137, "ended": 200.0}')
    assert [row["state"] for row in watch(job).trials] == ["interrupted"]


def test_only_new_log_text_is_sent(running: Any) -> None:
    job, _ = running
    first = watch(job)
    assert (first.log, first.log_to) == ("one\ntwo\n", 8)
    assert watch(job, first.log_to).log == ""
    assert watch(job, 10**9).log == "", "a position beyond the end must return no text"


def test_a_training_run_can_be_finished_early(
    client: Client, running: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job, run = running
    monkeypatch.setenv(EVENTS_VARIABLE, str(run.path / "events.jsonl"))
    with running_step("train"):
        assert not is_finish_requested()
        assert client.post(f"/api/jobs/{job.path.name}", {"action": "finish"}).status_code == 200
        assert is_finish_requested()
        note_progress("epoch", epoch=1, planned=2, **EPOCH)
    assert watch(job).finishing
    assert watch(job).epochs[0]["epoch"] == 1
    assert ask_to_finish(None) == run.path.name


class Socket:
    """A WebSocket client that exchanges ASGI messages with the application."""

    def __init__(self, client: Client, headers: dict[str, str]):
        self._client = client
        self._scope = {
            "type": "websocket",
            "path": "/follow",
            "raw_path": b"/follow",
            "query_string": b"",
            "scheme": "ws",
            "root_path": "",
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
            "headers": [(name.encode(), text.encode()) for name, text in {"host": HOST, **headers}.items()],
        }

    def exchange(self, requests: list[dict[str, Any]], num_messages: int, num_before: int = 0) -> list[dict[str, Any]]:
        """Exchanges messages with the application until enough have arrived or the socket is closed.

        Args:
            requests: the messages to send.
            num_messages: the number of messages to wait for.
            num_before: the number of messages that arrive before the requests are sent.

        Returns:
            The messages that arrived.
        """

        async def exchange_messages() -> list[dict[str, Any]]:
            to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
            to_app.put_nowait({"type": "websocket.connect"})
            app_task = asyncio.create_task(self._client.app(self._scope, to_app.get, from_app.put))
            messages = [await asyncio.wait_for(from_app.get(), 5) for _ in range(num_before)]
            for message in requests:
                to_app.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})
            while len(messages) < num_messages and not (messages and messages[-1]["type"] == "websocket.close"):
                messages.append(await asyncio.wait_for(from_app.get(), 5))
            to_app.put_nowait({"type": "websocket.disconnect", "code": 1001})
            await asyncio.wait_for(app_task, 5)
            return messages

        return asyncio.run(exchange_messages())


def test_a_tab_receives_the_jobs_the_progress_and_the_watched_job(client: Client, running: Any) -> None:
    job, _ = running
    messages = Socket(client, {"origin": f"http://{HOST}"}).exchange([{"job": job.path.name, "log": 4}], 4)
    contents = [json.loads(message["text"]) for message in messages if message["type"] == "websocket.send"]
    assert contents[0]["jobs"][0]["title"] == "Train"
    assert contents[1]["progress"]["step"] == "start"
    assert contents[2]["live"]["log"] in ("one\ntwo\n", "two\n")


def test_a_job_that_a_tab_starts_to_watch_is_sent_at_once(
    client: Client, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "LOOK_SECONDS", 3600)
    job, _ = running
    messages = Socket(client, {}).exchange([{"job": job.path.name, "log": 0}], 4, num_before=3)
    assert json.loads(messages[-1]["text"])["live"]["log"] == "one\ntwo\n"


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}])
def test_a_page_from_another_origin_receives_nothing(client: Client, headers: dict[str, str]) -> None:
    assert [message["type"] for message in Socket(client, headers).exchange([], 1)] == ["websocket.close"]


def test_a_tab_that_sends_invalid_messages_is_still_updated(client: Client) -> None:
    messages = Socket(client, {}).exchange([{"job": 3, "log": "x"}, {"nothing": 1}, {"job": "../../etc", "log": 0}], 3)
    live = json.loads(messages[-1]["text"])["live"]
    assert "no job" in live["error"]


def test_a_job_is_still_shown_if_the_state_file_of_its_run_was_removed(running: Any, tmp_path: Path) -> None:
    job, run = running
    watch(job)
    (run.path / "run.json").unlink()
    assert watch(job).mlflow_run_id is None
