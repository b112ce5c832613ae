"""The folder that the tests of evaluate share."""

from pathlib import Path

import pytest

from tests.support.artifacts import make_bundle, make_dataset


@pytest.fixture
def folder(tmp_path: Path, mlflow_store: str) -> Path:
    """dataset/ and model/, with a model that classifies every photo correctly."""
    make_bundle(tmp_path / "model", make_dataset(tmp_path / "dataset"))
    return tmp_path
