"""Registers the served model in the MLflow registry, and sets its alias according to the verdict."""

import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.artifacts.bento import ServiceFacts
from components.contract.artifacts.evaluation import BUNDLE_TAG, CHALLENGER, CHAMPION, Verdict
from components.contract.errors import TrackingError
from components.contract.system.waiting import wait_for
from components.contract.tracking.run import Run, create_run
from components.contract.tracking.store import is_refusal, patience, reason_of, stored_id

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

BUNDLE_FOLDER = "bundle"
"""The folder among a training run's artifacts to which train logs the model bundle."""
MODELS_FOLDER = "models"
"""The folder among a run's artifacts with the models in MLflow's format, in one subfolder per bento version."""
BENTO_TAG = "darkroom.bento"
CHALLENGES = ("cannot tell", "not comparable")
"""The verdicts that do not decide which model is better."""


@dataclass(frozen=True)
class Registration:
    """The result of the registration.

    Attributes:
        version: the version of the registered model; None if the model was not registered.
        promoted: whether this version has the alias `champion`.
        reason: why this version was or was not promoted.
        run_id: the MLflow run that the version belongs to.
    """

    version: str | None
    promoted: bool
    reason: str
    run_id: str | None = None


@dataclass(frozen=True)
class Origin:
    """The origin of a registered version.

    Attributes:
        bundle_dir: the folder of the model bundle, which is logged again if the training run no longer exists.
        run: the run of the deploy step, to which the bundle is logged in that case.
    """

    bundle_dir: Path
    run: Run


def register(
    model_name: str,
    facts: ServiceFacts,
    verdict: Verdict,
    origin: Origin | None = None,
    outage_seconds: float | None = None,
    bento_dir: Path | None = None,
) -> Registration:
    """Registers a version of `model_name` for this bento, or finds the version if the bento is already registered.

    A verdict that promotes sets the alias `champion`; a verdict in CHALLENGES sets the alias `challenger`.

    Args:
        model_name: name of the registered model.
        facts: the facts of the bento.
        verdict: the verdict of the evaluation.
        origin: the bundle, and the run that receives it if the training run no longer exists; if None, the training run
            must exist.
        outage_seconds: how long to wait for a registry that does not answer; if None, there is only one attempt, and a
            missing answer is only logged as a warning.
        bento_dir: the built bento; a new version contains its model in MLflow's format. If None, the version refers to
            the bundle, which `mlflow.pyfunc` cannot load.

    Raises:
        TrackingError: the registry rejects the model, or does not answer in time.
    """
    if facts.lineage.mlflow_run_id is None:
        return Registration(None, False, "Not registered: the model does not belong to an MLflow run.")
    try:
        with patience():
            return wait_for(
                lambda: _register(model_name, facts, verdict, origin, bento_dir),
                "The MLflow registry",
                lambda error: not is_refusal(error),
                outage_seconds or 0.0,
            )
    except Exception as error:  # MLflow raises its own errors and those of requests and SQLAlchemy
        reason = reason_of(error)
        if outage_seconds is not None or is_refusal(error):
            raise TrackingError(
                f"The MLflow registry did not accept {model_name}: {reason}. The bento is not "
                "registered and not rolled out. Fix the registry or its permissions and run deploy again."
            ) from None
        log.warning("The MLflow registry did not accept %s: %s. The bento is not promoted.", model_name, reason)
        return Registration(None, False, f"Not registered: the MLflow registry did not accept the model: {reason}")


def _register(
    model_name: str, facts: ServiceFacts, verdict: Verdict, origin: Origin | None, bento_dir: Path | None
) -> Registration:
    version, run_id = _find_version(model_name, facts.tag) or _create_version(model_name, facts, origin, bento_dir)
    return replace(_set_aliases(model_name, version, verdict), run_id=run_id)


def _set_aliases(model_name: str, version: str, verdict: Verdict) -> Registration:
    client = _client()
    client.set_model_version_tag(model_name, version, "darkroom.verdict", verdict.verdict)
    client.set_model_version_tag(model_name, version, "darkroom.reasons", " ".join(verdict.reasons)[:5000])
    # The registry shows the description at the top of the version's page.
    client.update_model_version(model_name, version, f"Verdict: {verdict.verdict}. {' '.join(verdict.reasons)}"[:5000])
    aliases = client.get_registered_model(model_name).aliases
    current_champion = str(aliases[CHAMPION]) if CHAMPION in aliases else None
    verdict_text = f"the verdict is {verdict.verdict!r}"
    if current_champion == version:
        _end_challenge(model_name, version)  # an interrupted promotion may have left `challenger` on it
        return Registration(version, True, f"Version {version} is already {CHAMPION}.")
    if verdict.promotes and current_champion != verdict.champion:
        # The champion has changed since the evaluation, so this model was not compared with the current champion.
        client.set_registered_model_alias(model_name, CHALLENGER, version)
        earlier_text, current_text = (
            f"version {champion}" if champion else "none" for champion in (verdict.champion, current_champion)
        )
        return Registration(
            version,
            False,
            f"Version {version} is {CHALLENGER}: when it was evaluated, the {CHAMPION} was {earlier_text}; now it is "
            f"{current_text}. Evaluate the model again.",
        )
    if verdict.promotes:
        client.set_registered_model_alias(model_name, CHAMPION, version)
        _end_challenge(model_name, version)
        return Registration(version, True, f"Version {version} is {CHAMPION}: {verdict_text}.")
    if verdict.verdict in CHALLENGES:
        client.set_registered_model_alias(model_name, CHALLENGER, version)
        return Registration(version, False, f"Version {version} is {CHALLENGER}, not {CHAMPION}: {verdict_text}.")
    return Registration(version, False, f"Version {version} is not {CHAMPION}: {verdict_text}.")


def _end_challenge(model_name: str, version: str) -> None:
    """Removes the alias `challenger` from the champion."""
    client = _client()
    if str(client.get_registered_model(model_name).aliases.get(CHALLENGER)) == version:
        client.delete_registered_model_alias(model_name, CHALLENGER)


def _find_version(model_name: str, tag: str) -> tuple[str, str] | None:
    """The (version, run id) of a registered bento; None if the bento is not registered, or the run no longer exists."""
    for version in _client().search_model_versions(f"name = '{model_name}'"):
        if version.tags.get(BENTO_TAG) == tag and version.run_id and _is_kept(version.run_id):
            return str(version.version), str(version.run_id)
    return None


def _is_kept(run_id: str) -> bool:
    """Whether the store contains this run, and the run is not deleted."""
    from mlflow.exceptions import MlflowException

    try:
        return str(_client().get_run(stored_id(run_id)).info.lifecycle_stage) == "active"
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def _log_bundle_again(lost_run_id: str, model_name: str, origin: Origin) -> str:
    """Logs the bundle to another run, because its run is gone (as after a restore); returns the other run's id."""
    run = origin.run
    if run.run_id is None or run.run_id == lost_run_id:
        run = create_run(experiment=model_name, name=f"{model_name} registered again")
        run.end("FINISHED")
        run.close()
    assert run.run_id is not None, "a created run must have an id"
    run_id = stored_id(run.run_id)
    _client().log_artifacts(run_id, str(origin.bundle_dir), BUNDLE_FOLDER)
    _client().set_tag(run_id, "darkroom.lost_run", lost_run_id)
    log.warning("The training run %s no longer exists in MLflow; run %s now contains the bundle.", lost_run_id, run_id)
    return run_id


def _create_version(
    model_name: str, facts: ServiceFacts, origin: Origin | None, bento_dir: Path | None
) -> tuple[str, str]:
    """Creates a version; returns (version, run id)."""
    from mlflow.exceptions import MlflowException

    client, lineage = _client(), facts.lineage
    assert lineage.mlflow_run_id is not None, "register() must check that the model belongs to an MLflow run"
    if origin is None or _is_kept(lineage.mlflow_run_id):
        run_id = stored_id(lineage.mlflow_run_id)
        client.get_run(run_id)  # fails if the run does not exist; the registry would accept it
    else:
        run_id = _log_bundle_again(lineage.mlflow_run_id, model_name, origin)
    bundle_uri = f"runs:/{run_id}/{BUNDLE_FOLDER}"
    tags = {
        BENTO_TAG: facts.tag,
        "darkroom.dataset_fingerprint": lineage.dataset_fingerprint,
        "darkroom.data": lineage.source.uri,
        "darkroom.data_version": lineage.source.dvc,
        "darkroom.git_revision": lineage.source.git_revision,
        "darkroom.export_sha256": lineage.export_sha256,
        BUNDLE_TAG: bundle_uri,
    }
    try:
        client.create_registered_model(model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        model_name,
        source=_log_model(run_id, facts, bento_dir) if bento_dir else bundle_uri,
        run_id=run_id,
        tags={name: value for name, value in tags.items() if value is not None},
    )
    return str(version.version), run_id


def _log_model(run_id: str, facts: ServiceFacts, bento_dir: Path) -> str:
    """Logs a bento's model in MLflow's format, and returns its URI."""
    from components.deploy.release.mlflow_model import write_mlflow_model

    folder = f"{MODELS_FOLDER}/{facts.tag.rpartition(':')[2]}"
    with tempfile.TemporaryDirectory(prefix="darkroom-model-") as scratch:
        write_mlflow_model(bento_dir / "src", facts, Path(scratch, "model"))
        _client().log_artifacts(run_id, str(Path(scratch, "model")), folder)
    return f"runs:/{run_id}/{folder}"


def _client() -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient()
