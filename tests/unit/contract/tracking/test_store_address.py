"""The address of the MLflow store, and a SQLite store whose folder was moved."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.contract.errors import TrackingError
from components.contract.system.address import redact
from components.contract.tracking.run import Run, create_run, end_run
from components.contract.tracking.store_address import tracking_uri

ROOT = Path(__file__).parents[4]


def test_the_store_is_a_local_file_unless_the_environment_names_another_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org")
    assert tracking_uri(tmp_path) == "http://mlflow.example.org"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("postgresql://ann:se:cret@db/mlflow", "postgresql://***@db/mlflow"),
        ("no route to https://ann:secret@host:5000/x", "no route to https://***@host:5000/x"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, redacted: str) -> None:
    assert redact(text) == redacted


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mlruns", "a folder of MLflow's old file store"),
        ("./mlruns", "a folder of MLflow's old file store"),
        ("/srv/mlruns", "a folder of MLflow's old file store"),
        ("file:./mlruns", "a folder of MLflow's old file store"),
        ("file:///srv/mlruns", "a folder of MLflow's old file store"),
        ("localhost:5000", "write http://localhost:5000"),
        ("mlflow.example.org:5000/x", "write http://mlflow.example.org:5000/x"),
        ("databricks", "Databricks is not supported"),
        ("databricks://profile", "Databricks is not supported"),
    ],
)
def test_an_unsupported_address_is_rejected_with_advice(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI must be the address") as error:
        tracking_uri()
    assert message in str(error.value)


def test_a_blank_address_means_the_local_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", " ")
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def log_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Logs a run with an artifact to the local store of a project folder, and registers a champion."""
    import mlflow

    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    mlflow.set_tracking_uri(tracking_uri())
    run = create_run(experiment="photos", name="one")
    bundle = folder / "bundle.json"
    bundle.write_text("{}")
    run.log_artifacts(bundle, "bundle")
    end_run(run, "FINISHED")
    client = MlflowClient()
    client.create_registered_model("photos")
    version = client.create_model_version("photos", f"runs:/{run.run_id}/bundle", run.run_id)
    client.set_registered_model_alias("photos", "champion", version.version)
    return run


AFTER_THE_MOVE = """
import os
from pathlib import Path
from components.contract.tracking.run import create_run, end_run
from components.contract.tracking.store_address import tracking_uri
os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
import mlflow
client = mlflow.MlflowClient()
version = client.get_model_version_by_alias("photos", "champion")
print(Path(client.download_artifacts(version.run_id, "bundle/bundle.json", os.environ["DARKROOM_CACHE"])).read_text())
print(Path(mlflow.artifacts.download_artifacts(artifact_uri=f"{version.source}/bundle.json")).read_text())
later = create_run(experiment="photos", name="two")
later.log_artifacts(Path("bundle.json"), "bundle")
end_run(later, "FINISHED")
print(later.run_id)
"""


@pytest.mark.parametrize(
    ("how", "names"), [("renamed", ("old", "new [1] of Zoë's")), ("copied", ("Fotos größer", "new"))]
)
def test_a_moved_project_keeps_its_runs_artifacts_and_champion(
    how: str, names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path
) -> None:

    old, new = (tmp_path / name for name in names)
    (old / ".darkroom" / "mlflow").mkdir(parents=True)
    shutil.copy(empty_store, old / ".darkroom" / "mlflow" / "mlflow.db")
    run = log_run(old, monkeypatch)
    (tmp_path / "cache").mkdir()
    old.rename(new) if how == "renamed" else shutil.copytree(old, new)
    monkeypatch.chdir(new)
    program = [sys.executable, "-c", AFTER_THE_MOVE]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment |= {"PYTHONPATH": str(ROOT), "DARKROOM_CACHE": str(tmp_path / "cache")}
    result = subprocess.run(program, cwd=new, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    fetched, by_source, later = result.stdout.split()
    assert (fetched, by_source) == ("{}", "{}")
    assert (new / ".darkroom" / "mlflow" / "artifacts" / later).is_dir()
    assert old.exists() == (how == "copied")
    with contextlib.closing(sqlite3.connect(new / ".darkroom" / "mlflow" / "mlflow.db")) as store:
        dump = "\n".join(store.iterdump())
    assert run.run_id in dump
    assert f"{old.as_uri()}/" not in dump


def test_a_database_copied_without_its_artifacts_is_unchanged(
    mlflow_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paths in the copy still lead to the artifacts, which are next to the original database."""
    run = create_run(experiment="photos", name="one")
    (tmp_path / "report.html").write_text("report")
    run.log_artifacts(tmp_path / "report.html", "evaluation")
    end_run(run, "FINISHED")
    (tmp_path / "other").mkdir()
    shutil.copy(tmp_path / "mlflow" / "mlflow.db", tmp_path / "other" / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other/mlflow.db")
    client = MlflowClient(tracking_uri())
    assert client.get_run(run.run_id).info.artifact_uri.startswith((tmp_path / "mlflow" / "artifacts").as_uri())
    assert [file.path for file in client.list_artifacts(run.run_id, "evaluation")] == ["evaluation/report.html"]
