"""The container engine, the images and the pipeline runs that all container tests share.

The first build of the images takes several minutes.
"""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from pipelines.images.build import STEPS
from tests.e2e.containers.pipeline_run import Runs, finish, start
from tests.support import container_engine
from tests.support.container_engine import build, containers_of_runs


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """A running container engine; tests that need it are skipped if none can be started."""
    with container_engine.running():
        yield


@pytest.fixture(scope="session")
def step_images(engine: None) -> None:
    """Builds the images of all steps and of the service."""
    build(*STEPS, "serve")


@pytest.fixture(scope="session")
def containers_left(engine: None) -> Callable[[], set[str]]:
    """Returns a function that lists the containers of the runs that these tests have started."""
    before = containers_of_runs()
    return lambda: containers_of_runs() - before


@pytest.fixture(scope="session")
def runs(step_images: None, containers_left: object, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Runs the whole pipeline once with each runner; maps the runner to (folder, summary, seconds)."""
    results = {}
    for runner in ("subprocess", "docker"):
        folder = tmp_path_factory.mktemp(runner)
        start_time = time.monotonic()
        code, output, errors = finish(start(folder, "--runner", runner, "--set", "tune.trials=2", "--json"))
        assert code == 0, errors
        results[runner] = folder, json.loads(output), time.monotonic() - start_time
    return results
