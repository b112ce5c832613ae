"""Steps find their MLflow run, log to a real store, and go on without one."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.contract.errors import TrackingError
from components.contract.system.address import redact
from components.contract.tracking import run as tracking
from components.contract.tracking import spool
from components.contract.tracking.run import (
    KEY_VARIABLE,
    Run,
    create_run,
    end_run,
    flatten,
    pipeline_end,
    step_run,
    tracking_uri,
)
from tests.support.tracking_server import Behaviour, hurry, tracking_server

ROOT = Path(__file__).parents[4]


def status(run: Run) -> str:
    assert run.run_id is not None
    found: str = MlflowClient().get_run(run.run_id).info.status
    return found


def test_params_are_flattened_with_dots() -> None:
    assert flatten({"a": {"b": 1, "c": [1, 2]}, "d": None}) == {"a.b": "1", "a.c": "[1, 2]", "d": "None"}


def test_the_local_store_is_a_file_unless_the_environment_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.org")
    assert tracking_uri(tmp_path) == "http://mlflow.example.org"


def test_a_run_takes_params_metrics_tags_data_and_files(mlflow_store: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("report")
    run = create_run(experiment="digits", name="one", tags={"kind": "test"})
    run.log_params({f"param{number}": str(number) for number in range(250)})
    for epoch in range(3):
        run.log_metrics({"loss": 1 / (epoch + 1)}, step=epoch)
    run.log_dataset(name="digits", digest="ab" * 32, source="data/digits", context="training", profile="{}")
    run.log_artifacts(tmp_path / "report.html", "evaluation")
    end_run(run, "FINISHED")

    stored = MlflowClient().get_run(run.run_id)
    assert len(stored.data.params) == 250
    assert stored.data.tags["kind"] == "test"
    history = MlflowClient().get_metric_history(run.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert stored.inputs.dataset_inputs[0].dataset.digest == ("ab" * 32)[:36]
    assert [file.path for file in MlflowClient().list_artifacts(run.run_id, "evaluation")] == ["evaluation/report.html"]
    assert (tmp_path / "mlflow" / "artifacts").is_dir(), "artifacts stand beside the SQLite file"
    assert status(run) == "FINISHED"


def test_a_step_joins_the_run_of_the_environment_and_leaves_it_open(
    mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = create_run(experiment="digits", name="pipeline")
    monkeypatch.setenv("MLFLOW_RUN_ID", str(owner.run_id))
    with step_run(experiment="digits", upstream="another", own="train") as run:
        assert run.run_id == owner.run_id
    assert status(owner) == "RUNNING"


def test_steps_of_one_key_share_one_run(mlflow_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "pipeline-7")
    with step_run(experiment="digits") as first:
        pass
    with step_run(experiment="digits", own="train") as second:
        pass
    assert first.run_id is not None
    assert first.run_id == second.run_id
    assert status(first) == "RUNNING"


def test_a_step_alone_joins_the_run_of_its_input(mlflow_store: str) -> None:
    trained = create_run(experiment="digits", name="train")
    with step_run(experiment="digits", upstream=trained.run_id) as run:
        assert run.run_id == trained.run_id


def test_an_input_made_beside_another_store_joins_no_run(mlflow_store: str, caplog: pytest.LogCaptureFixture) -> None:
    with step_run(experiment="digits", upstream="0123456789abcdef0123456789abcdef") as run:
        assert run.run_id is None
    assert "has no run 0123456789abcdef0123456789abcdef" in caplog.text


def test_a_step_alone_ends_the_run_that_it_made(mlflow_store: str) -> None:
    with step_run(experiment="digits", own="train") as run:
        assert status(run) == "RUNNING"
    assert status(run) == "FINISHED"
    with pytest.raises(RuntimeError), step_run(experiment="digits", own="train") as failed:
        raise RuntimeError
    assert status(failed) == "FAILED"
    with pytest.raises(SystemExit), step_run(experiment="digits", own="train") as asked_to_end:
        raise SystemExit(143)
    assert status(asked_to_end) == "KILLED"


def test_a_step_without_any_run_logs_nothing() -> None:
    with step_run(experiment="digits") as run:
        run.log_metrics({"loss": 1.0})
        run.log_params({"epochs": "1"})
        assert run.run_id is None


def test_a_store_that_cannot_be_written_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    (tmp_path / "file").touch()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/file/mlflow.db")
    with pytest.raises(TrackingError, match="must be reachable and writable"):
        create_run(experiment="digits", name="one")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:se:cret@db/mlflow", "postgresql://***@db/mlflow"),
        ("no route to https://ann:secret@host:5000/x", "no route to https://***@host:5000/x"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
    ],
)
def test_an_address_is_shown_without_its_password(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_the_client_is_imported_before_threads_use_it(mlflow_store: str) -> None:
    run_id = create_run(experiment="digits", name="one").run_id
    script = (
        "import os, sys\n"
        "from components.contract.tracking.run import step_run\n"
        f"os.environ |= {{'MLFLOW_RUN_ID': '{run_id}', 'MLFLOW_TRACKING_URI': '{mlflow_store}'}}\n"
        "with step_run(experiment='digits'):\n"
        "    sys.exit(not {'mlflow.tracking.client', 'mlflow.store.tracking.sqlalchemy_store'} <= sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- the start of a run ----------------------------------------------------------------------------------------------


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
def test_an_address_that_another_project_left_behind_is_refused_with_advice(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI must be the address") as error:
        tracking_uri()
    assert message in str(error.value)


def test_a_blank_address_means_the_local_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", " ")
    assert tracking_uri(tmp_path) == f"sqlite:///{tmp_path}/mlflow/mlflow.db"


def test_a_deleted_experiment_is_restored_and_that_is_said(mlflow_store: str, caplog: pytest.LogCaptureFixture) -> None:
    first = create_run(experiment="photos", name="one")
    client = MlflowClient()
    client.delete_experiment(client.get_experiment_by_name("photos").experiment_id)
    second = create_run(experiment="photos", name="two")
    assert "experiment photos had been deleted. It is restored" in caplog.text
    second.log_metrics({"loss": 1.0})
    end_run(second, "FINISHED")
    assert client.get_run(second.run_id).data.metrics == {"loss": 1.0}
    assert client.get_run(first.run_id).info.lifecycle_stage == "active"


def test_a_run_is_found_by_its_key_in_whatever_experiment_it_is(
    mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Preprocess names the experiment after the data, the other tasks after deploy.model_name."""
    monkeypatch.setenv(KEY_VARIABLE, "5b4d3c2e-run-of-kfp")
    for number in range(3):
        MlflowClient().create_experiment(f"another {number}")
    with step_run(experiment="photos-folder") as first, step_run(experiment="clothes") as second:
        assert first.run_id == second.run_id
    assert MlflowClient().get_experiment_by_name("clothes") is None


def test_runs_of_a_key_that_are_made_at_the_same_moment_become_one(
    mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient()
    made = []

    def slow(experiment: str, *_: object) -> str:
        """Between the look and the creation another task makes the run."""
        if not made:
            made.append("being made")
            made.append(spool.find_or_create_run(client, "photos", "b", "k", {}, 1))
        return found(client, experiment)

    found = spool.experiment_id
    monkeypatch.setattr(spool, "experiment_id", lambda _, name: slow(name))
    assert create_run(experiment="photos", name="a", key="k").run_id == made[1]
    assert len(client.search_runs([client.get_experiment_by_name("photos").experiment_id])) == 1


FIRST_RUN = """
import os, sys
from components.contract.tracking.run import create_run, end_run, tracking_uri
os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
import mlflow.store.tracking.sqlalchemy_store
print("ready", flush=True)
sys.stdin.readline()
end_run(create_run(experiment="photos", name=sys.argv[1]), "FINISHED")
"""


def test_two_first_runs_at_once_make_one_store(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DARKROOM_CACHE": str(tmp_path / "cache")}
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", FIRST_RUN, str(number)],
            cwd=tmp_path,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(2)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    for program in programs:
        assert program.wait(120) == 0, program.communicate()[1]
        program.communicate()
    client = MlflowClient(f"sqlite:///{tmp_path}/.darkroom/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("photos")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted((run.info.run_name, run.info.status) for run in runs) == [("0", "FINISHED"), ("1", "FINISHED")]


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch, 20)
    monkeypatch.setattr(tracking, "START_SECONDS", 0.5)
    monkeypatch.setattr(tracking, "START_RETRY_SECONDS", 0.05)


def test_the_start_of_a_run_is_bounded() -> None:
    """What a server that is gone costs: said within ten seconds, gone on within a minute."""
    one_try = float(tracking.START_PATIENCE["MLFLOW_HTTP_REQUEST_TIMEOUT"])
    assert one_try < 10
    assert tracking.START_PATIENCE["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    assert tracking.START_SECONDS + 2 * one_try < 60


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize("fault", ["gone", "silent", "faulty"])
def test_a_run_that_starts_while_mlflow_is_away_comes_there_whole(
    fault: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The parent and a step tell of a run that the server has not made; a later step brings it all."""
    (tmp_path / "kfp").mkdir()
    (tmp_path / "kfp" / "model.txt").write_text("weights")
    with tracking_server(tmp_path / "artifacts") as server:
        server.behave(fault)
        run = create_run(experiment="photos", name="20260101-run", key="20260101-run", tags={"darkroom.data": "photos"})
        assert run.run_id == "key:20260101-run"
        assert caplog.text.index("does not answer at http://127.0.0.1") < caplog.text.index("goes on without it")
        run.log_params({"epochs": "3"})
        monkeypatch.setenv("MLFLOW_RUN_ID", str(run.run_id))
        with step_run(experiment="photos") as step:
            step.log_metrics({"accuracy": 0.5})
            step.log_artifacts(tmp_path / "kfp" / "model.txt", "bundle")
        end_run(run, "FINISHED")
        (tmp_path / "kfp").rename(tmp_path / "run")
        spool.move_unsent(tmp_path / "kfp", tmp_path / "run")
        assert server.taken == []
        server.behave("good")
        spool.send_unsent(10)
        created = [body for path, body in server.taken if path == "runs/create"]
        assert len(created) == 1, "both told of it, and it was made once"
        assert {"key": "darkroom.run_key", "value": "20260101-run"} in created[0]["tags"]
        assert server.figures(server.run_id) == [("accuracy", 0.5, 0)]
        batches = [body for path, body in server.taken if path == "runs/log-batch"]
        assert {"key": "epochs", "value": "3"} in [entry for body in batches for entry in body.get("params", ())]
        assert (tmp_path / "artifacts" / "bundle" / "model.txt").read_text() == "weights"
        assert [body["status"] for path, body in server.taken if path == "runs/update"] == ["FINISHED"]


@pytest.mark.usefixtures("_hurried")
def test_a_server_that_is_back_soon_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with tracking_server(tmp_path / "artifacts") as server:
        server.behave("gone")
        threading.Timer(0.3, server.behave, ["good"]).start()
        run = create_run(experiment="photos", name="one", key="one")
        assert run.run_id == server.run_id
    assert "does not answer" in caplog.text
    assert "goes on without it" not in caplog.text


def test_a_server_that_refuses_is_not_waited_for(tmp_path: Path) -> None:
    with tracking_server(tmp_path / "artifacts") as server:
        server.behave("refusing")
        with pytest.raises(TrackingError, match="must be reachable and writable"):
            create_run(experiment="photos", name="one")


# --- a project that was moved ----------------------------------------------------------------------------------------


def logged_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run in the local store of a project folder, with an artifact and a champion."""
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
from components.contract.tracking.run import create_run, end_run, tracking_uri
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
def test_a_project_that_was_moved_keeps_its_runs_artifacts_and_champion(
    how: str, names: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path
) -> None:

    old, new = (tmp_path / name for name in names)
    (old / ".darkroom" / "mlflow").mkdir(parents=True)
    shutil.copy(empty_store, old / ".darkroom" / "mlflow" / "mlflow.db")
    run = logged_run(old, monkeypatch)
    (tmp_path / "cache").mkdir()
    old.rename(new) if how == "renamed" else shutil.copytree(old, new)
    monkeypatch.chdir(new)
    program = [sys.executable, "-c", AFTER_THE_MOVE]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment |= {"PYTHONPATH": str(ROOT), "DARKROOM_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(program, cwd=new, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    fetched, by_source, later = done.stdout.split()
    assert (fetched, by_source) == ("{}", "{}")
    assert (new / ".darkroom" / "mlflow" / "artifacts" / later).is_dir()
    assert old.exists() == (how == "copied")
    with contextlib.closing(sqlite3.connect(new / ".darkroom" / "mlflow" / "mlflow.db")) as store:
        dump = "\n".join(store.iterdump())
    assert run.run_id in dump
    assert f"{old.as_uri()}/" not in dump


def test_a_store_whose_artifacts_are_elsewhere_on_purpose_is_left_alone(
    mlflow_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the database was moved."""
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


# --- the end of a pipeline on a cluster ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "error", "end", "reason"),
    [
        ("COMPLETE", None, "FINISHED", ""),
        ("CACHED", "", "FINISHED", ""),
        ("SUCCEEDED", None, "FINISHED", ""),
        ("FAILED", None, "FAILED", "a task failed: its log in Kubeflow Pipelines names the reason"),
        ("FAILED", "OOMKilled", "FAILED", "OOMKilled"),
        ("RUNNING", None, "KILLED", "terminated"),
        ("CANCELED", None, "KILLED", "terminated"),
        ("CANCELING", "", "KILLED", "terminated"),
    ],
)
def test_the_final_state_of_a_pipeline_says_how_its_mlflow_run_ends(
    state: str, error: str | None, end: str, reason: str
) -> None:
    assert pipeline_end(state, error) == (end, reason)


def test_what_sends_is_imported_before_a_thread_could_import_it_too() -> None:
    program = (
        "import sys\n"
        "from components.contract.tracking.run import Run\n"
        "Run._tell = lambda self, kind, content: print('mlflow.store.tracking.rest_store' in sys.modules)\n"
        "Run('pending-key').start({'key': 'key'})\n"
    )
    environment = os.environ | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
