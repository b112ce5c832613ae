"""Steps find their MLflow run, or work without one."""

import pytest
from mlflow import MlflowClient

from components.contract.tracking.run import create_run
from components.contract.tracking.step_run import KEY_VARIABLE, name_pipeline_run, pipeline_end, step_run
from components.contract.tracking.store import find_run
from tests.support.tracking_server import run_status


def test_a_step_joins_the_run_that_the_environment_names_and_leaves_it_open(
    mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = create_run(experiment="digits", name="pipeline")
    monkeypatch.setenv("MLFLOW_RUN_ID", str(owner.run_id))
    with step_run(experiment="digits", upstream="another", own_name="train") as run:
        assert run.run_id == owner.run_id
    assert run_status(owner) == "RUNNING"


def test_steps_with_the_same_key_share_one_run(mlflow_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "pipeline-7")
    with step_run(experiment="digits") as first:
        pass
    with step_run(experiment="digits", own_name="train") as second:
        pass
    assert first.run_id is not None
    assert first.run_id == second.run_id
    assert run_status(first) == "RUNNING"


def test_a_step_outside_a_pipeline_joins_the_run_that_created_its_input(mlflow_store: str) -> None:
    trained = create_run(experiment="digits", name="train")
    with step_run(experiment="digits", upstream=trained.run_id) as run:
        assert run.run_id == trained.run_id


def test_a_step_whose_input_is_from_another_store_joins_no_run(
    mlflow_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    with step_run(experiment="digits", upstream="0123456789abcdef0123456789abcdef") as run:
        assert run.run_id is None
    assert "does not contain run 0123456789abcdef0123456789abcdef" in caplog.text


def test_a_step_outside_a_pipeline_ends_the_run_that_it_created(mlflow_store: str) -> None:
    with step_run(experiment="digits", own_name="train") as run:
        assert run_status(run) == "RUNNING"
    assert run_status(run) == "FINISHED"
    with pytest.raises(RuntimeError), step_run(experiment="digits", own_name="train") as failed:
        raise RuntimeError
    assert run_status(failed) == "FAILED"
    with pytest.raises(SystemExit), step_run(experiment="digits", own_name="train") as asked_to_end:
        raise SystemExit(143)
    assert run_status(asked_to_end) == "KILLED"


def test_a_step_without_any_run_logs_nothing() -> None:
    with step_run(experiment="digits") as run:
        run.log_metrics({"loss": 1.0})
        run.log_params({"epochs": "1"})
        assert run.run_id is None


@pytest.mark.parametrize(
    ("state", "error", "end", "reason"),
    [
        ("COMPLETE", None, "FINISHED", ""),
        ("CACHED", "", "FINISHED", ""),
        ("SUCCEEDED", None, "FINISHED", ""),
        ("FAILED", None, "FAILED", "a task failed: the reason is in its log in Kubeflow Pipelines"),
        ("FAILED", "OOMKilled", "FAILED", "OOMKilled"),
        ("RUNNING", None, "KILLED", "terminated"),
        ("CANCELED", None, "KILLED", "terminated"),
        ("CANCELING", "", "KILLED", "terminated"),
    ],
)
def test_the_final_state_of_a_pipeline_determines_the_status_of_its_mlflow_run(
    state: str, error: str | None, end: str, reason: str
) -> None:
    assert pipeline_end(state, error) == (end, reason)


def test_a_pipeline_run_is_named_after_its_model_and_key(mlflow_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run(experiment="photos", name="20261130-014500-abcd", key="20261130-014500-abcd")
    name_pipeline_run(run, "no pipeline")
    monkeypatch.setenv(KEY_VARIABLE, "20261130-014500-abcd")
    name_pipeline_run(run, "MobileNetV2")
    run.close()
    client = MlflowClient()
    assert client.get_run(str(run.run_id)).info.run_name == "MobileNetV2 · 20261130-014500-abcd"
    assert find_run(client, "20261130-014500-abcd") == run.run_id
