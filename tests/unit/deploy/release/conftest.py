"""A small bento, and an MLflow run to publish it in."""

from pathlib import Path

import pytest
from mlflow import MlflowClient


@pytest.fixture
def bento(tmp_path: Path) -> Path:
    (tmp_path / "bento" / "src" / "export").mkdir(parents=True)
    (tmp_path / "bento" / "bento.yaml").write_text("name: colors\n")
    (tmp_path / "bento" / "src" / "export" / "model.bin").write_bytes(bytes(range(256)) * 40)
    return tmp_path


@pytest.fixture
def run_id(mlflow_store: str) -> str:
    client = MlflowClient()
    experiment = client.create_experiment("ship", (Path(mlflow_store.removeprefix("sqlite:///")).parent / "a").as_uri())
    return str(client.create_run(experiment).info.run_id)
