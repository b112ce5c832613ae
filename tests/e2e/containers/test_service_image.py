"""The service image answers requests on a read-only root file system, and starts quickly."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.deploy.bento.server import answers
from pipelines.images.build import image_name
from tests.e2e.containers.pipeline_run import Runs
from tests.support.container_engine import docker

pytestmark = [pytest.mark.docker, pytest.mark.proof]


def test_the_service_image_answers_on_a_read_only_root_file_system(runs: Runs) -> None:
    folder, summary, _ = runs["docker"]
    photo = next((folder / summary["bento"]["path"]).parent.glob("dataset/golden/*"))
    with running_service(folder / summary["bento"]["path"] / "bento") as (container, url, _):
        answer = subprocess.run(
            ["curl", "-fsS", "-F", f"files=@{photo}", f"{url}/predict"], capture_output=True, text=True, check=True
        )
        assert len(json.loads(answer.stdout)) >= 1
        stopping = time.monotonic()
        docker("stop", "--time", "20", container)
        assert time.monotonic() - stopping < 15


def test_the_service_image_is_ready_within_ten_seconds(runs: Runs) -> None:
    """The fastest of several starts counts, because other work on the machine may delay some of them."""
    folder, summary, _ = runs["docker"]
    seconds: list[float] = []
    while len(seconds) < 5 and min(seconds, default=10) >= 10:
        with running_service(folder / summary["bento"]["path"] / "bento") as (_, _, start_seconds):
            seconds.append(start_seconds)
    assert min(seconds) < 10, seconds


@contextlib.contextmanager
def running_service(bento: Path) -> Iterator[tuple[str, str, float]]:
    """Starts the service on a read-only root file system; yields (container, address, seconds until it was ready)."""
    start_time = time.monotonic()
    container = docker(
        "run",
        "--detach",
        "--rm",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
        "--publish",
        "127.0.0.1::3000",
        "--volume",
        f"{bento}:/bento:ro",
        image_name("serve"),
    )
    try:
        url = f"http://{docker('port', container, '3000/tcp').splitlines()[0]}"
        while not answers(url, "/readyz"):
            assert time.monotonic() - start_time < 60, docker("logs", container)
            time.sleep(0.1)
        yield container, url, time.monotonic() - start_time
    finally:
        docker("rm", "--force", container, check=False)
