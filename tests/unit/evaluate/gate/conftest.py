"""A folder with a data set and a champion, for the tests of the gate."""

from pathlib import Path

import pytest

from tests.support.artifacts import make_dataset
from tests.unit.evaluate.gate.registry import make_champion


@pytest.fixture
def folder(tmp_path: Path, mlflow_store: str) -> Path:
    """A folder with dataset/ and champion/; the champion is right on every photo and was not trained on test photos."""
    info = make_dataset(tmp_path / "dataset")
    make_champion(tmp_path, info)
    return tmp_path
