"""The MLflow store: experiments, finding runs by key, the first use of a store, and the reasons for errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.contract.tracking import store
from components.contract.tracking.headlines import VIEW_TAG
from components.contract.tracking.run import create_run, end_run
from components.contract.tracking.step_run import KEY_VARIABLE, step_run

ROOT = Path(__file__).parents[4]


def test_the_client_is_imported_before_threads_use_it(mlflow_store: str) -> None:
    run_id = create_run(experiment="digits", name="one").run_id
    script = (
        "import os, sys\n"
        "from components.contract.tracking.step_run import step_run\n"
        f"os.environ |= {{'MLFLOW_RUN_ID': '{run_id}', 'MLFLOW_TRACKING_URI': '{mlflow_store}'}}\n"
        "with step_run(experiment='digits'):\n"
        "    sys.exit(not {'mlflow.tracking.client', 'mlflow.store.tracking.sqlalchemy_store'} <= sys.modules.keys())\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_deleted_experiment_is_restored_and_reported(mlflow_store: str, caplog: pytest.LogCaptureFixture) -> None:
    first = create_run(experiment="photos", name="one")
    client = MlflowClient()
    client.delete_experiment(client.get_experiment_by_name("photos").experiment_id)
    second = create_run(experiment="photos", name="two")
    assert "experiment photos had been deleted. It was restored" in caplog.text
    second.log_metrics({"loss": 1.0})
    end_run(second, "FINISHED")
    assert client.get_run(second.run_id).data.metrics == {"loss": 1.0}
    assert client.get_run(first.run_id).info.lifecycle_stage == "active"


@pytest.mark.parametrize("is_older", [False, True])
def test_an_experiment_has_a_view_of_the_headline_metrics(mlflow_store: str, is_older: bool) -> None:
    client = MlflowClient()
    if is_older:
        client.create_experiment("photos")
    create_run(experiment="photos", name="one")
    view = json.loads(client.get_experiment_by_name("photos").tags["mlflow.sharedViewState.darkroom"])
    columns = json.loads(view["state"])["selectedColumns"]
    assert (view["name"], columns[0]) == ("Headlines", "metrics.`test/accuracy`")
    own_view = json.dumps({**view, "name": "Mine"})
    client.set_experiment_tag(client.get_experiment_by_name("photos").experiment_id, VIEW_TAG, own_view)
    create_run(experiment="photos", name="two")
    assert client.get_experiment_by_name("photos").tags[VIEW_TAG] == own_view


def test_a_run_is_found_by_its_key_in_any_experiment(mlflow_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Preprocess names the experiment after the data; the other tasks name it after deploy.model_name."""
    monkeypatch.setenv(KEY_VARIABLE, "5b4d3c2e-run-of-kfp")
    for number in range(3):
        MlflowClient().create_experiment(f"another {number}")
    with step_run(experiment="photos-folder") as first, step_run(experiment="clothes") as second:
        assert first.run_id == second.run_id
    assert MlflowClient().get_experiment_by_name("clothes") is None


def test_runs_created_with_the_same_key_at_the_same_time_become_one_run(
    mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient()
    run_ids = []

    def slow(experiment: str, *_: object) -> str:
        """Simulates another task that creates the run after this task has checked that there is none."""
        if not run_ids:
            run_ids.append("being made")
            run_ids.append(store.find_or_create_run(client, "photos", "b", "k", {}, 1))
        return experiment_id(client, experiment)

    experiment_id = store.experiment_id
    monkeypatch.setattr(store, "experiment_id", lambda _, name: slow(name))
    assert create_run(experiment="photos", name="a", key="k").run_id == run_ids[1]
    assert len(client.search_runs([client.get_experiment_by_name("photos").experiment_id])) == 1


FIRST_RUN = """
import os, sys
from components.contract.tracking.run import create_run, end_run
from components.contract.tracking.store_address import tracking_uri
os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
import mlflow.store.tracking.sqlalchemy_store
print("ready", flush=True)
sys.stdin.readline()
end_run(create_run(experiment="photos", name=sys.argv[1]), "FINISHED")
"""


def test_two_programs_that_start_at_the_same_time_create_one_store(tmp_path: Path) -> None:
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


def test_starting_a_run_imports_the_store_modules_before_a_thread_does() -> None:
    program = (
        "import sys\n"
        "from components.contract.tracking.run import Run\n"
        "Run._enqueue = lambda self, kind, content: print('mlflow.store.tracking.rest_store' in sys.modules)\n"
        "Run('pending-key').start({'key': 'key'})\n"
    )
    environment = os.environ | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout == "True\n"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:1", "Connection refused (127.0.0.1:1)"),
        ("http://nowhere.invalid", "Name or service not known (nowhere.invalid:80)"),
    ],
)
def test_the_reason_for_a_failed_connection_is_the_systems_message(
    monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Exception, match="failed with exception") as caught:
        MlflowClient(address).search_experiments()
    assert store.reason_of(caught.value) == reason


def test_the_reason_for_a_file_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "missing").read_bytes()
    assert store.reason_of(caught.value) == f"[Errno 2] No such file or directory: '{tmp_path / 'missing'}'"


def test_a_reason_is_one_line_with_no_secret_and_no_final_period() -> None:
    assert store.reason_of(ValueError("http://me:secret@host said no.\nmore")) == "http://***@host said no"
    assert store.reason_of(ValueError()) == "ValueError"


def test_a_suppressed_cause_is_not_the_reason() -> None:
    error = ValueError("the bundle is missing")
    error.__context__, error.__suppress_context__ = TimeoutError("timed out"), True
    assert store.reason_of(error) == "the bundle is missing"
