"""The pipeline in containers: the same results as with subprocesses, nothing left behind, and clear errors."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.images.build import EngineError
from pipelines.runners import docker as docker_runner
from pipelines.runners.docker import Containers, Limits
from tests.e2e.containers.pipeline_run import Runs, await_container, docker_log, finish, start
from tests.support.container_engine import docker

pytestmark = [pytest.mark.docker, pytest.mark.proof]


def test_containers_produce_the_same_results_as_subprocesses(runs: Runs) -> None:
    (_, by_subprocess, _), (_, in_docker, _) = runs["subprocess"], runs["docker"]
    assert in_docker["dataset"]["fingerprint"] == by_subprocess["dataset"]["fingerprint"]
    assert in_docker["dataset"]["kept"] == by_subprocess["dataset"]["kept"]
    assert in_docker["validation"] == by_subprocess["validation"]
    assert in_docker["test"] == by_subprocess["test"]
    assert in_docker["model"] == by_subprocess["model"]
    assert in_docker["study"]["best"] == by_subprocess["study"]["best"]


def test_a_run_in_containers_takes_at_most_a_minute_more(runs: Runs) -> None:
    assert runs["docker"][2] < runs["subprocess"][2] + 60


def test_the_caller_owns_every_file_that_containers_write(runs: Runs, containers_left: Callable[[], set[str]]) -> None:
    folder = runs["docker"][0]
    assert {path.lstat().st_uid for path in folder.rglob("*")} == {os.getuid()}
    assert containers_left() == set()


def test_containers_log_to_the_same_mlflow_run(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    folder, summary, _ = runs["docker"]
    run = MlflowClient(f"sqlite:///{folder}/.darkroom/mlflow/mlflow.db").get_run(summary["mlflow_run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics
    assert run.data.params["train.epochs"] == "2"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda signum: signum.name)
def test_containers_stop_when_the_run_stops(
    signum: signal.Signals, step_images: None, containers_left: Callable[[], set[str]], tmp_path: Path
) -> None:
    process = start(tmp_path, "--runner", "docker")
    await_container("train")
    process.send_signal(signum)
    finish(process)
    deadline = time.monotonic() + 20
    while containers_left() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert containers_left() == set()


def test_too_little_memory_is_explained(step_images: None, tmp_path: Path) -> None:
    code, _, errors = finish(start(tmp_path, "--runner", "docker", "--memory", "200m"))
    assert code == 2, errors
    assert "was killed because it ran out of memory (exit code 137). Allow more memory with --memory" in errors
    assert "Traceback" not in errors


def test_a_removed_container_fails_the_run(step_images: None, tmp_path: Path) -> None:
    process = start(tmp_path, "--runner", "docker")
    docker("rm", "--force", await_container("train"))
    code, _, errors = finish(process)
    assert code == 2, errors
    assert "train: Its container (exit code 137) was killed by the system" in errors


def test_the_next_run_resumes_from_the_checkpoint_of_a_killed_container(step_images: None, tmp_path: Path) -> None:
    epochs = ("--set", "train.epochs=4000", "--set", "train.early_stopping=null")
    process = start(tmp_path, "--runner", "docker", *epochs)
    container = await_container("train")
    deadline = time.monotonic() + 120
    while not re.search(r"Epoch +3 of", log := docker_log(container)):
        assert time.monotonic() < deadline, log
        time.sleep(0.2)
    docker("kill", container)
    code, _, errors = finish(process)
    assert code == 2, errors
    assert "Its container (exit code 137) was killed by the system" in errors
    again = start(tmp_path, "--runner", "docker", *epochs)
    container = await_container("train")
    while "Resuming from a checkpoint" not in (log := docker_log(container)):
        assert again.poll() is None, log
        assert time.monotonic() < deadline + 120, log
        time.sleep(0.2)
    again.send_signal(signal.SIGTERM)
    finish(again)


def test_a_folder_that_containers_cannot_write_is_reported(step_images: None, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("changing the owner of a folder needs root")
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o755)
    os.chown(foreign, 12345, 12345)
    containers = Containers("test", (str(foreign),), (), {}, Limits())
    with pytest.raises(EngineError, match=f"{foreign} cannot be written"):
        docker_runner.check_mounts(containers)
