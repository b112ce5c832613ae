"""The pipeline's last task on a cluster, run by KFP's own executor on inputs recorded from a real backend."""

from pathlib import Path

import pytest
from kfp.dsl.executor import Executor
from mlflow import MlflowClient

from components.contract.errors import WeightsError
from components.contract.tracking.run import create_run
from components.contract.tracking.step_run import KEY_VARIABLE
from components.contract.tracking.tracked_step import tracked_step
from pipelines.runners.cluster.exit_handler import close
from tests.support.kfp_answers import FINAL_STATUSES, final_status


def close_pipeline(scenario: str, folder: Path) -> None:
    """Runs the last task, `close`, with the pipeline status that was recorded for a scenario."""
    executor_input = {
        "inputs": {"parameterValues": {"model_name": "digits", "status": final_status(scenario)}},
        "outputs": {"outputFile": str(folder / "output_metadata.json")},
    }
    Executor(executor_input=executor_input, function_to_execute=close.python_func).execute()


ENDS = {"COMPLETE": ("FINISHED", None), "FAILED": ("FAILED", "a task failed"), "RUNNING": ("KILLED", "terminated")}


@pytest.mark.parametrize("scenario", FINAL_STATUSES)
def test_the_mlflow_run_ends_with_the_status_of_the_pipeline(
    scenario: str, mlflow_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The MLflow run is in a different experiment from the one whose name `close` receives."""
    monkeypatch.setenv(KEY_VARIABLE, "0d99a528-6f38-4b60-871d-7a6964dc4a53")
    run = create_run(experiment="photos-folder", name="run", key="0d99a528-6f38-4b60-871d-7a6964dc4a53")
    close_pipeline(scenario, tmp_path)
    mlflow_run = MlflowClient().get_run(run.run_id)
    status, reason = ENDS[FINAL_STATUSES[scenario]]
    assert mlflow_run.info.status == status
    error_tag = mlflow_run.data.tags.get("darkroom.error")
    assert error_tag is None if reason is None else str(error_tag).startswith(reason)
    assert MlflowClient().get_experiment_by_name("digits") is None, "close must not create another run"


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [("fail-weights", "train: train.model.weights must be a file."), ("terminated-in-training", "terminated")],
)
def test_the_error_of_a_step_is_logged_and_printed_unless_the_run_was_terminated(
    scenario: str,
    reason: str,
    mlflow_store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "key-1")
    run = create_run(experiment="digits", name="run", key="key-1")
    with pytest.raises(WeightsError), tracked_step("train"):
        raise WeightsError("train.model.weights must be a file.")
    close_pipeline(scenario, tmp_path)
    assert MlflowClient().get_run(str(run.run_id)).data.tags["darkroom.error"] == reason
    assert f": {reason}" in capsys.readouterr().out
