"""The queue runs one job at a time, in order, even across restarts of the studio."""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.images.build import STEPS, write_digests
from pipelines.runners import runs
from pipelines.studio.jobs.job_folder import JobFolder
from pipelines.studio.jobs.queue import PARAMS, Queue
from pipelines.studio.settings import StudioError
from tests.unit.pipelines.studio.conftest import Client

SLEEPS = [sys.executable, "-I", "-c", "import time; time.sleep(60)"]


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run_to_end(queue: Queue, job: JobFolder) -> JobFolder:
    def is_over_after_step() -> bool:
        queue.step()
        return queue.find(job.path.name).is_over

    wait_until(is_over_after_step)
    return queue.find(job.path.name)


def test_jobs_run_one_at_a_time_in_order(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    first = queue.add("run", "first", SLEEPS)
    second = queue.add("audit", "second", python("print('{}')"))
    queue.step()
    wait_until(lambda: first.state == "running")
    queue.step()
    assert second.state == "waiting"
    first.stop()
    assert run_to_end(queue, second).state == "done"
    assert first.state == "stopped"


def test_a_restarted_studio_finds_running_jobs_and_continues_the_queue(tmp_path: Path) -> None:
    first_queue = Queue(tmp_path)
    running = first_queue.add("run", "long", python("import time; time.sleep(0.6); print('{\"ok\": 1}')"))
    waiting = first_queue.add("run", "next", python("print('{}')"))
    first_queue.step()
    wait_until(lambda: running.state == "running")
    second_queue = Queue(tmp_path)
    assert [job.state for job in second_queue.all()] == ["waiting", "running"]
    assert run_to_end(second_queue, waiting).state == "done"
    assert second_queue.find(running.path.name).state == "done"
    assert second_queue.find(running.path.name).output == {"ok": 1}


def test_a_failed_job_reports_the_reason(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    mendable = python("import sys; sys.stderr.write('noise\\ndarkroom: Choose other photos.\\n'); sys.exit(2)")
    failed_job = run_to_end(queue, queue.add("audit", "look", mendable))
    assert (failed_job.state, failed_job.error) == ("failed", "Choose other photos.")
    crashed_job = run_to_end(queue, queue.add("audit", "look", python("raise ValueError('a bug')")))
    assert "ValueError: a bug" in str(crashed_job.error)


def test_a_job_that_ends_while_its_state_is_read_is_not_reported_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Queue(tmp_path).add("audit", "look", python("print('{}')"))
    (job.path / "started").touch()
    (job.path / "keeper.json").write_text('{"pid": 1}')

    def end_now(lock_path: Path) -> bool:
        (lock_path.parent / "result.json").write_text(json.dumps({"code": 0, "ended": time.time()}))
        return False

    monkeypatch.setattr(runs, "is_held", end_now)
    assert job.state == "done"


def test_a_job_that_acquires_its_lock_while_its_state_is_read_is_not_reported_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Queue(tmp_path).add("audit", "look", python("print('{}')"))
    (job.path / "started").touch()

    def begin_now(lock_path: Path) -> bool:
        (lock_path.parent / "keeper.json").write_text('{"pid": 1}')
        return False

    monkeypatch.setattr(runs, "is_held", begin_now)
    assert job.state == "running"


def test_a_killed_job_is_marked_as_lost_and_the_next_one_starts(tmp_path: Path) -> None:
    import os

    queue = Queue(tmp_path)
    job = queue.add("run", "long", SLEEPS)
    queue.step()
    wait_until(lambda: (job.path / "keeper.json").exists())
    child = json.loads((job.path / "keeper.json").read_text())["pid"]
    keeper = int(Path(f"/proc/{child}/stat").read_text().split()[3])
    os.kill(keeper, signal.SIGKILL)
    time.sleep(0.1)
    assert job.state == "running", "a job must be running as long as its command runs"
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: job.state == "lost")
    assert run_to_end(queue, queue.add("run", "next", python("print('{}')"))).state == "done"


def test_a_waiting_job_can_be_removed(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    job = queue.add("run", "never", SLEEPS)
    job.stop()
    queue.step()
    assert job.state == "stopped"
    assert not (job.path / "started").exists()


def test_a_job_has_its_own_params(tmp_path: Path) -> None:
    job = Queue(tmp_path).add("run", "train", ["run", "--params", PARAMS], params="train: {epochs: 3}\n")
    assert Path(job.job.command[-1]).read_text() == "train: {epochs: 3}\n"


@pytest.mark.parametrize("name", ["../jobs", "nothing", "", ".", "/etc"])
def test_an_unknown_job_is_reported(tmp_path: Path, name: str) -> None:
    with pytest.raises(StudioError, match="no job"):
        Queue(tmp_path).find(name)


def test_a_rollout_deployment_is_checked_and_passed_to_the_submit_command(client: Client, photos: Path) -> None:
    choose_bucket(client, photos)
    order = {"kind": "submit", "host": "http://127.0.0.1:1"}
    for wrong in ("darkroom-serve", "darkroom/Serve", "a/b/c", "--json/x"):
        answer = client.post("/api/jobs", order | {"rollout": wrong})
        assert answer.status_code == 400
        assert "NAMESPACE/DEPLOYMENT is expected" in answer.json()["error"]
    for rollout, options in (("", []), (" darkroom/darkroom-serve ", ["--rollout", "darkroom/darkroom-serve"])):
        job = client.studio.queue.find(client.post("/api/jobs", order | {"rollout": rollout}).json()["id"])
        start = job.job.command.index("--host") + 2
        assert job.job.command[start:] == (*options, "--json")


@pytest.mark.proof
def test_a_run_continues_without_mlflow(client: Client, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = run_without_servers(client, photos, monkeypatch, "run")
    assert job.state == "done", job.log_tail()
    said = job.log_tail()
    assert "MLflow does not answer at http://127.0.0.1:1: Connection refused (127.0.0.1:1). Retrying" in said
    assert "Retry(" not in said
    assert "HTTPConnection" not in said
    assert client.get("/api/runs").json()["runs"][0]["status"] == "finished"


@pytest.mark.proof
def test_an_unreachable_cluster_is_reported(client: Client, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_digests({step: f"registry.example.org/darkroom-{step}@sha256:{'0' * 64}" for step in STEPS})
    job = run_without_servers(client, photos, monkeypatch, "submit")
    assert job.state == "failed"
    assert "No KFP server answers" in str(job.error)
    assert client.get("/api/runs").status_code == 200


def choose_photos(client: Client, photos: Path) -> None:
    client.choose(photos)
    client.post("/api/draft", {"revision": 1, "set": {"preprocess.image_size": 32, "deploy.model_name": "colors"}})


def choose_bucket(client: Client, photos: Path) -> None:
    """Chooses photos in a bucket; no test reads them."""
    choose_photos(client, photos)
    text = client.get("/api/draft/params.yaml").text.replace(str(photos), "s3://bucket/photos")
    client.post("/api/draft/import", {"revision": 2, "text": text})


def run_without_servers(client: Client, photos: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> JobFolder:
    """Runs a job to its end while neither MLflow nor a cluster answers."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"):
        monkeypatch.setenv(name, "1")
    if kind == "submit":
        choose_bucket(client, photos)
    else:
        choose_photos(client, photos)
    answer = client.post("/api/jobs", {"kind": kind, "host": "http://127.0.0.1:1"}).json()
    assert "id" in answer, answer
    job: JobFolder = client.studio.queue.find(answer["id"])
    deadline = time.monotonic() + 600
    while not job.is_over:
        client.studio.queue.step()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return job
