"""Fixtures: a data set and, for each test, a separate cache with an empty study database."""

from pathlib import Path

import optuna
import pytest

from components.contract.artifacts.dataset import DatasetInfo
from tests.support.artifacts import make_dataset
from tests.unit.train.tuning.searches import use_cache


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DatasetInfo]:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    return folder, make_dataset(folder, per_class=10)


@pytest.fixture(scope="session")
def empty_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty study database with its tables; tests copy it, because creating the tables is slow."""
    path = tmp_path_factory.mktemp("studies") / "studies.db"
    optuna.storages.RDBStorage(f"sqlite:///{path}").engine.dispose()
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_studies: Path) -> None:
    monkeypatch.delenv("DARKROOM_STUDIES", raising=False)
    use_cache(tmp_path / "cache", monkeypatch, empty_studies)
