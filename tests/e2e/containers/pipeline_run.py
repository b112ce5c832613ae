"""Starts, watches and finishes a run of the pipeline in containers."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pipelines.images.build import image_name
from tests.support.artifacts import make_photos
from tests.support.container_engine import docker


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    make_photos(folder / "photos", per_class=20)
    command = [
        sys.executable,
        "-m",
        "pipelines.cli.main",
        "run",
        "--data",
        "photos",
        "--set",
        "train.epochs=2",
        *arguments,
    ]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=400)
    return process.returncode, output, errors


def await_container(step: str) -> str:
    """Waits for the container that runs a step, and returns its id."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        container_ids = docker("ps", "--quiet", "--filter", f"ancestor={image_name(step)}").split()
        if container_ids:
            return container_ids[0]
        time.sleep(0.1)
    raise AssertionError(f"the container of the step {step} did not start")


def docker_log(container: str) -> str:
    """Returns the output of a container so far."""
    result = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=False)
    return result.stdout + result.stderr


Runs = dict[str, tuple[Path, dict[str, Any], float]]
