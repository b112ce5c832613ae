"""The verdict against a real MLflow registry: first, not comparable, and never an error."""

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from components.evaluate.gate import judge


def register(name: str, *, champion: bool) -> str:
    """A version of `name` in the registry; gives the run that it names."""
    client = MlflowClient()
    run_id: str = client.create_run(client.create_experiment(f"of {name}")).info.run_id
    client.create_registered_model(name)
    version = client.create_model_version(name, source=f"runs:/{run_id}/bundle", run_id=run_id)
    if champion:
        client.set_registered_model_alias(name, "champion", version.version)
    return run_id


def test_the_first_model_of_a_name_is_first(mlflow_store: str) -> None:
    verdict = judge("digits")
    assert verdict.verdict == "first"
    assert verdict.promotes
    assert verdict.reasons == ("No version of digits is the champion yet.",)


def test_versions_that_never_became_champion_do_not_count(mlflow_store: str) -> None:
    register("digits", champion=False)
    assert judge("digits").verdict == "first"


def test_another_name_has_a_champion_of_its_own(mlflow_store: str) -> None:
    register("letters", champion=True)
    assert judge("digits").verdict == "first"


def test_a_standing_champion_is_named_and_not_replaced(mlflow_store: str) -> None:
    run_id = register("digits", champion=True)
    verdict = judge("digits")
    assert verdict.verdict == "not comparable"
    assert not verdict.promotes
    assert f"Version 1 of digits stands as champion (MLflow run {run_id})" in verdict.reasons[0]


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:///{folder}/file/mlflow.db"])
def test_a_registry_out_of_reach_is_a_reason_and_no_error(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(uri.format(folder=tmp_path))
    verdict = judge("digits")
    assert verdict.verdict == "not comparable"
    assert not verdict.promotes
    assert verdict.reasons[0].startswith("The model registry could not be asked whether digits has a champion: ")
