"""Shared by all tests: a clean environment, and a real MLflow store that is made once and copied."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# A shell may start the tests with SIGINT ignored; without this line, programs that tests start would ignore it, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

WORKER_BYTES = 4 * 2**30
"""The memory that a test worker needs, together with the programs that it starts."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more worker than there are CPUs, if memory allows: tests often wait for servers and other programs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min((os.cpu_count() or 1) + 1, memory // WORKER_BYTES))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the unit tests of training, which take minutes, before the short ones, so that workers finish together."""
    units = Path(__file__).parent / "unit"
    items.sort(key=lambda item: item.path.is_relative_to(units) and not item.path.is_relative_to(units / "train"))


OURS = (
    "MLFLOW_RUN_ID",
    "MLFLOW_TRACKING_URI",
    "DARKROOM_RUN_KEY",
    "DARKROOM_EVENTS",
    "DARKROOM_ORIGIN",
    "DARKROOM_ADDRESSES",
    "DARKROOM_DATA_ROOTS",
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hides the caller's settings, the caches of other tests, and the store that a step chose in another test."""
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path_factory.mktemp("cache")))
    _forget_runs()
    yield
    _forget_runs()


def _forget_runs() -> None:
    for name in OURS:
        os.environ.pop(name, None)
    if "mlflow" in sys.modules:
        sys.modules["mlflow"].set_tracking_uri(None)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with MLflow's tables, which are created only once, because creating them is slow."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def mlflow_store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of an empty SQLite store for this test, to which MLFLOW_TRACKING_URI is set."""
    import mlflow

    path = tmp_path / "mlflow" / "mlflow.db"
    path.parent.mkdir()
    shutil.copy(empty_store, path)
    uri = f"sqlite:///{path}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    return uri


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """A folder with real photos and weights, by default beside the repository; without it, the test is skipped."""
    path = Path(os.environ.get("DARKROOM_SHARED", Path(__file__).parents[2] / "shared"))
    if not (path / "data" / "clothing-dataset-small").is_dir():
        pytest.skip(f"no real photos in {path}: set DARKROOM_SHARED to a folder that contains data/ and weights/")
    return path
