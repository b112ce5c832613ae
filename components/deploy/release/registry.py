"""Registers the served model in the MLflow registry, and gives it the alias that its verdict says."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.contract.artifacts.bento import ServiceFacts
from components.contract.artifacts.evaluation import CHALLENGER, CHAMPION, Verdict
from components.contract.system.address import redact
from components.contract.tracking.store import patience, stored_id

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

BUNDLE_FOLDER = "bundle"
"""The folder of the run's artifacts in which train logs the model bundle."""
BENTO_TAG = "darkroom.bento"
CHALLENGES = ("cannot tell", "not comparable")
"""The verdicts that leave open which model is the better one."""


@dataclass(frozen=True)
class Registration:
    """What the registry was told.

    Attributes:
        version: of the registered model, None where there is none.
        promoted: whether the alias `champion` stands on it.
        reason: why, or why not.
    """

    version: str | None
    promoted: bool
    reason: str


def register(model_name: str, facts: ServiceFacts, verdict: Verdict) -> Registration:
    """A version of `model_name` for this bento; the same bento again finds its version again.

    A verdict that promotes sets the alias `champion`; one that leaves open which is the better model sets `challenger`.
    A registry that cannot be reached is told in the log and in the reason: the bento serves without it.
    """
    if facts.lineage.mlflow_run_id is None:
        return Registration(None, False, "Not registered: the model belongs to no MLflow run.")
    try:
        with patience():
            version = _find_version(model_name, facts.tag) or _create_version(model_name, facts)
            return _set_aliases(model_name, version, verdict)
    except Exception as error:  # MLflow raises its own, requests' and SQLAlchemy's errors alike
        reason = redact((str(error).strip() or type(error).__name__).splitlines()[0])
        log.warning("The MLflow registry must take %s; it did not: %s. The bento is not promoted.", model_name, reason)
        return Registration(None, False, f"Not registered: the MLflow registry did not take it: {reason}")


def _set_aliases(model_name: str, version: str, verdict: Verdict) -> Registration:
    client = _client()
    client.set_model_version_tag(model_name, version, "darkroom.verdict", verdict.verdict)
    client.set_model_version_tag(model_name, version, "darkroom.reasons", " ".join(verdict.reasons)[:5000])
    # What the registry's page shows first.
    client.update_model_version(model_name, version, f"Verdict: {verdict.verdict}. {' '.join(verdict.reasons)}"[:5000])
    aliases = client.get_registered_model(model_name).aliases
    current_champion = str(aliases[CHAMPION]) if CHAMPION in aliases else None
    verdict_text = f"the verdict is {verdict.verdict!r}"
    if current_champion == version:
        _end_challenge(model_name, version)  # a killed promotion may have left it
        return Registration(version, True, f"Version {version} is {CHAMPION} already.")
    if verdict.promotes and current_champion != verdict.champion:
        # Another run has promoted since this one was judged; with that champion it has not been compared.
        client.set_registered_model_alias(model_name, CHALLENGER, version)
        earlier_text, current_text = (
            f"version {champion}" if champion else "none" for champion in (verdict.champion, current_champion)
        )
        return Registration(
            version,
            False,
            f"Version {version} is {CHALLENGER}: it was judged when {earlier_text} was "
            f"{CHAMPION}, and now {current_text} is. Evaluate it again.",
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
    """Takes the alias `challenger` from the champion."""
    client = _client()
    if str(client.get_registered_model(model_name).aliases.get(CHALLENGER)) == version:
        client.delete_registered_model_alias(model_name, CHALLENGER)


def _find_version(model_name: str, tag: str) -> str | None:
    for version in _client().search_model_versions(f"name = '{model_name}'"):
        if version.tags.get(BENTO_TAG) == tag:
            return str(version.version)
    return None


def _create_version(model_name: str, facts: ServiceFacts) -> str:
    from mlflow.exceptions import MlflowException

    client, lineage = _client(), facts.lineage
    assert lineage.mlflow_run_id is not None, "register() has looked"
    run_id = stored_id(lineage.mlflow_run_id)
    client.get_run(run_id)  # the registry itself would take a run that does not exist
    tags = {
        BENTO_TAG: facts.tag,
        "darkroom.dataset_fingerprint": lineage.dataset_fingerprint,
        "darkroom.data": lineage.source.uri,
        "darkroom.data_version": lineage.source.dvc,
        "darkroom.git_revision": lineage.source.git_revision,
        "darkroom.export_sha256": lineage.export_sha256,
    }
    try:
        client.create_registered_model(model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    version = client.create_model_version(
        model_name,
        source=f"runs:/{run_id}/{BUNDLE_FOLDER}",
        run_id=run_id,
        tags={name: value for name, value in tags.items() if value is not None},
    )
    return str(version.version)


def _client() -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient()
