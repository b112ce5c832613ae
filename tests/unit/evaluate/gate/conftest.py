"""The folder that the tests of the gate share."""

from pathlib import Path

import pytest

from tests.support.artifacts import make_dataset
from tests.unit.evaluate.gate.registry import make_champion


@pytest.fixture
def folder(tmp_path: Path, mlflow_store: str) -> Path:
    """dataset/ and champion/, a bundle that classifies every photo correctly and was trained on no test photo."""
    info = make_dataset(tmp_path / "dataset")
    make_champion(tmp_path, info)
    return tmp_path
