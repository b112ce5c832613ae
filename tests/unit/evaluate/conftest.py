"""A folder with a data set and a model, for the tests of the evaluate step."""

from pathlib import Path

import pytest

from tests.support.artifacts import make_bundle, make_dataset


@pytest.fixture
def folder(tmp_path: Path, mlflow_store: str) -> Path:
    """A folder with dataset/ and model/; the model classifies every photo correctly."""
    make_bundle(tmp_path / "model", make_dataset(tmp_path / "dataset"))
    return tmp_path
