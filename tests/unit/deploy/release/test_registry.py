"""Registering model versions and choosing the champion in a real MLflow registry."""

import time
from pathlib import Path
from typing import Any

import pytest

from components.contract.artifacts.bento import Lineage, ServiceFacts
from components.contract.artifacts.dataset import Source
from components.contract.artifacts.evaluation import CHALLENGER, CHAMPION, Verdict
from components.contract.errors import TrackingError
from components.contract.system import waiting
from components.contract.tracking.run import Run, create_run
from components.deploy.bento.server import free_address
from components.deploy.release.registry import BENTO_TAG, Origin, register

FIRST = Verdict(verdict="first", reasons=("There is none yet.",))
WORSE = Verdict(verdict="worse", reasons=("It is worse.",))


def facts(run_id: str | None, tag: str = "colors:1") -> ServiceFacts:
    source = Source(uri="photos", dvc="abc", git_revision="0123456")
    lineage = Lineage(mlflow_run_id=run_id, dataset_fingerprint="f" * 64, source=source, export_sha256="e" * 64)
    return ServiceFacts(tag=tag, class_names=("a", "b"), image_size=(8, 8), resize="stretch", lineage=lineage)


@pytest.fixture
def run_id(mlflow_store: str) -> str:
    new_id = create_run(experiment="colors", name="test").run_id
    assert new_id is not None
    return new_id


def test_a_promoted_model_is_registered_with_its_lineage_and_becomes_champion(run_id: str) -> None:
    from mlflow import MlflowClient

    registration = register("colors", facts(run_id), FIRST)
    assert (registration.version, registration.promoted) == ("1", True)
    version = MlflowClient().get_model_version_by_alias("colors", CHAMPION)
    assert (str(version.version), version.run_id) == ("1", run_id)
    assert version.source == f"runs:/{run_id}/bundle"
    assert version.tags[BENTO_TAG] == "colors:1"
    assert version.tags["darkroom.data_version"] == "abc"
    assert version.tags["darkroom.git_revision"] == "0123456"
    assert version.description == "Verdict: first. There is none yet."


def test_a_model_that_is_not_better_is_registered_but_not_promoted(run_id: str) -> None:
    from mlflow import MlflowClient

    register("colors", facts(run_id), FIRST)
    registration = register("colors", facts(run_id, "colors:2"), WORSE)
    assert (registration.version, registration.promoted) == ("2", False)
    assert "worse" in registration.reason
    assert str(MlflowClient().get_model_version_by_alias("colors", CHAMPION).version) == "1"


@pytest.mark.parametrize(("word", "challenges"), [("cannot tell", True), ("not comparable", True), ("worse", False)])
def test_a_model_of_unclear_quality_becomes_challenger_and_a_worse_one_does_not(
    run_id: str, word: Any, challenges: bool
) -> None:
    from mlflow import MlflowClient

    register("colors", facts(run_id), FIRST)
    registration = register("colors", facts(run_id, "colors:2"), Verdict(verdict=word, reasons=("So.",), champion="1"))
    aliases = MlflowClient().get_registered_model("colors").aliases
    assert not registration.promoted
    assert str(aliases[CHAMPION]) == "1"
    assert (str(aliases.get(CHALLENGER)) == "2") is challenges
    assert MlflowClient().get_model_version("colors", "2").tags["darkroom.verdict"] == word


def test_a_promoted_challenger_loses_its_challenger_alias(run_id: str) -> None:
    from mlflow import MlflowClient

    register("colors", facts(run_id), FIRST)
    register("colors", facts(run_id, "colors:2"), Verdict(verdict="cannot tell", reasons=(), champion="1"))
    better = Verdict(verdict="better", reasons=("It is better.",), champion="1")
    assert register("colors", facts(run_id, "colors:2"), better).promoted
    aliases = MlflowClient().get_registered_model("colors").aliases
    assert {name: str(version) for name, version in aliases.items()} == {CHAMPION: "2"}


def test_a_promotion_that_was_interrupted_between_two_alias_changes_is_completed(run_id: str) -> None:
    from mlflow import MlflowClient

    register("colors", facts(run_id), FIRST)
    MlflowClient().set_registered_model_alias("colors", CHALLENGER, "1")
    assert register("colors", facts(run_id), FIRST).promoted
    assert CHALLENGER not in MlflowClient().get_registered_model("colors").aliases


def test_a_model_is_not_promoted_if_the_champion_has_changed_since_its_evaluation(run_id: str) -> None:
    from mlflow import MlflowClient

    register("colors", facts(run_id), FIRST)
    late = register("colors", facts(run_id, "colors:2"), FIRST)
    assert not late.promoted
    assert "when it was evaluated, the champion was none; now it is version 1" in late.reason
    assert str(MlflowClient().get_model_version_by_alias("colors", CHAMPION).version) == "1"
    assert register("colors", facts(run_id), WORSE).promoted, "the champion itself must remain the champion"


def test_registering_the_same_bento_again_returns_the_same_version(run_id: str) -> None:
    register("colors", facts(run_id), WORSE)
    register("colors", facts(run_id, "colors:2"), WORSE)
    assert register("colors", facts(run_id), FIRST).version == "1"


def test_without_a_run_nothing_is_registered_and_the_registry_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "no store at all")
    registration = register("colors", facts(None), FIRST)
    assert (registration.version, registration.promoted) == (None, False)
    assert "not belong to an MLflow run" in registration.reason


def test_an_unknown_run_is_reported(mlflow_store: str) -> None:
    registration = register("colors", facts("0" * 32), FIRST)
    assert (registration.version, registration.promoted) == (None, False)
    assert "0" * 32 in registration.reason


@pytest.mark.parametrize("kind", ["server", "file"])
def test_an_unreachable_registry_is_reported_and_nothing_is_promoted(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import mlflow

    if kind == "server":
        host, port = free_address("127.0.0.1", None)
        uri = f"http://{host}:{port}"
    else:
        (tmp_path / "mlflow.db").write_text("not a database, but long enough for SQLite to recognize this as an error")
        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    start_time = time.monotonic()
    registration = register("colors", facts("some run"), FIRST)
    assert time.monotonic() - start_time < 30
    assert (registration.version, registration.promoted) == (None, False)
    assert "did not accept the model" in registration.reason
    assert "not promoted" in caplog.text


def write_bundle(folder: Path) -> Path:
    bundle_dir = folder / "bundle"
    bundle_dir.mkdir()
    (bundle_dir / "bundle.json").write_text("{}")
    return bundle_dir


@pytest.mark.parametrize("loss", ["never existed", "deleted"])
def test_a_model_whose_run_is_gone_is_registered_again_from_its_bundle(
    loss: str, run_id: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """For example, after MLflow is restored from an older backup, the run of a cached train step is missing."""
    from mlflow import MlflowClient

    lost_run_id = "0" * 32
    if loss == "deleted":
        lost_run_id = str(create_run(experiment="colors", name="lost").run_id)
        MlflowClient().delete_run(lost_run_id)
    bundle_dir = write_bundle(tmp_path)
    registration = register("colors", facts(lost_run_id), FIRST, Origin(bundle_dir, Run(run_id)))
    assert (registration.version, registration.promoted, registration.run_id) == ("1", True, run_id)
    version = MlflowClient().get_model_version("colors", "1")
    assert (version.run_id, version.source) == (run_id, f"runs:/{run_id}/bundle")
    assert [file.path for file in MlflowClient().list_artifacts(run_id, "bundle")] == ["bundle/bundle.json"]
    assert f"The training run {lost_run_id} no longer exists in MLflow" in caplog.text


def test_a_version_whose_run_was_deleted_is_registered_again(run_id: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    register("colors", facts(run_id), FIRST)
    MlflowClient().delete_run(run_id)
    registration = register("colors", facts(run_id), WORSE, Origin(write_bundle(tmp_path), Run(None)))
    assert registration.version == "2"
    assert registration.run_id not in (None, run_id)


def test_a_rejection_by_the_registry_makes_the_deploy_step_fail(run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

    def refuse(*_: object, **__: object) -> None:
        raise MlflowException("only admins may", PERMISSION_DENIED)

    monkeypatch.setattr(MlflowClient, "create_model_version", refuse)
    with pytest.raises(TrackingError, match=r"did not accept colors: .*only admins may.* not rolled out"):
        register("colors", facts(run_id), FIRST)


def test_a_rollout_waits_for_a_registry_that_restarts(run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    create_version = MlflowClient.create_model_version
    outages = [MlflowException("API request failed: connection refused")]

    def answer_later(client: MlflowClient, *args: Any, **options: Any) -> Any:
        if outages:
            raise outages.pop()
        return create_version(client, *args, **options)

    monkeypatch.setattr(MlflowClient, "create_model_version", answer_later)
    monkeypatch.setattr(waiting, "FIRST_PAUSE_SECONDS", 0.01)
    assert register("colors", facts(run_id), FIRST, outage_seconds=30).version == "1"
    assert outages == []


def test_a_rollout_requires_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    host, port = free_address("127.0.0.1", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{host}:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    mlflow.set_tracking_uri(f"http://{host}:{port}")
    with pytest.raises(TrackingError, match="did not accept colors"):
        register("colors", facts("some run"), FIRST, outage_seconds=0.5)
