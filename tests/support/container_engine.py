"""Provides a container engine for the tests, starting and stopping one if none is running, and builds images."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.runners import docker as docker_runner
from tests.support.source_tree import ROOT

BASE_IMAGE = "darkroom-base:bookworm"
START_SECONDS = 30
ANSWER_SECONDS = 300


def docker(*arguments: str, check: bool = True) -> str:
    result = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS)
    assert result.returncode == 0 or not check, result.stderr
    return result.stdout.strip()


def containers_of_runs() -> set[str]:
    """Returns the ids of all containers that pipeline runs have started, including those that have ended."""
    return set(docker("ps", "--all", "--quiet", "--filter", f"label={docker_runner.RUN_LABEL}").split())


@contextlib.contextmanager
def running() -> Iterator[None]:
    """Ensures that an engine responds during the block; skips the test if none does and none can be started."""
    if shutil.which("docker") is None:
        pytest.skip("no container engine: apt-get install docker.io")
    with contextlib.nullcontext() if _answers() else _started_engine():
        yield


def _answers() -> bool:
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def _started_engine() -> Iterator[None]:
    if shutil.which("dockerd") is None or os.getuid() != 0:
        pytest.skip("no container engine is running, and starting one needs dockerd and root")
    with tempfile.TemporaryFile("w+") as log:  # not a pipe: the engine would block if the pipe were not read
        daemon = subprocess.Popen(["dockerd"], stdout=subprocess.DEVNULL, stderr=log)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers():
                if daemon.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    words = (log.read().strip().splitlines() or ["it printed no reason"])[-1]
                    pytest.skip(f"dockerd cannot start here: {words}")
                time.sleep(0.5)
            yield
        finally:
            daemon.terminate()
            daemon.wait(30)


def build(*images: str) -> None:
    """Builds images from the current source, on DARKROOM_BASE_IMAGE or on a base image that is built if it is missing.

    The first build takes several minutes.
    """
    base = os.environ.get("DARKROOM_BASE_IMAGE", BASE_IMAGE)
    if not docker("images", "--quiet", base):
        if shutil.which("mmdebstrap") is None:
            pytest.skip("no base image: set DARKROOM_BASE_IMAGE to one, or apt-get install mmdebstrap")
        result = subprocess.run(
            [Path(__file__).with_name("make_base_image.sh"), base], stderr=subprocess.PIPE, text=True
        )
        if result.returncode != 0:
            words = (result.stderr.strip().splitlines() or ["the script printed no reason"])[-1]
            pytest.skip(f"no base image, and none can be built from Debian's packages here: {words}")
    command = [sys.executable, "-m", "pipelines.cli.main", "images", "build", "--base-image", base, "--network", "host"]
    if index := os.environ.get("PIP_INDEX_URL"):
        command += ["--index-url", index]
    subprocess.run([*command, *(f"--image={image}" for image in images)], cwd=ROOT, check=True)
