"""A step that fails writes its error to the MLflow run of the pipeline."""

import logging

import pytest
from mlflow import MlflowClient

from components.contract.errors import DataError
from components.contract.tracking.run import create_run
from components.contract.tracking.step_run import KEY_VARIABLE
from components.contract.tracking.tracked_step import ERROR_LOG_TAG, ERROR_TAG, recorded_error, tracked_step


@pytest.mark.parametrize("variable", ["MLFLOW_RUN_ID", KEY_VARIABLE])
def test_an_error_is_written_to_the_run_that_the_environment_names(
    variable: str, mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = create_run(experiment="digits", name="run", key="key-1")
    monkeypatch.setenv(variable, str(run.run_id) if variable == "MLFLOW_RUN_ID" else "key-1")
    with pytest.raises(DataError), tracked_step("preprocess"):
        for number in range(25):
            logging.getLogger("components.test").info("line %d", number)
        raise DataError("There must be photos at https://me:secret@example.org/a?token=b; there are none.")
    tags = MlflowClient().get_run(str(run.run_id)).data.tags
    assert tags[ERROR_TAG].startswith("preprocess: There must be photos at https://***@example.org/a")
    assert "secret" not in tags[ERROR_TAG]
    assert tags[ERROR_LOG_TAG].splitlines() == [f"line {number}" for number in range(5, 25)]
    assert recorded_error(run) == tags[ERROR_TAG]


def test_an_internal_error_is_written_with_its_type(mlflow_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run(experiment="digits", name="run")
    monkeypatch.setenv("MLFLOW_RUN_ID", str(run.run_id))
    with pytest.raises(KeyError), tracked_step("train"):
        raise KeyError("pixels")
    assert recorded_error(run) == "train: KeyError: 'pixels'"


def test_a_terminated_or_successful_step_writes_no_error(mlflow_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run(experiment="digits", name="run")
    monkeypatch.setenv("MLFLOW_RUN_ID", str(run.run_id))
    with tracked_step("train"):
        pass
    with pytest.raises(SystemExit), tracked_step("train"):
        raise SystemExit(143)
    assert recorded_error(run) == ""


def test_without_a_run_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "no store at all")
    with pytest.raises(DataError), tracked_step("train"):
        raise DataError("There are no photos.")
