"""Registers the served model in the MLflow registry, and makes it champion where the verdict says so."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.contract.deployment import ServiceFacts
from components.contract.evaluation import CHAMPION, Verdict

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

BUNDLE_FOLDER = "bundle"
"""The folder of the run's artifacts in which train logs the model bundle."""
BENTO_TAG = "darkroom.bento"
UNREACHED = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""MLflow's own patience with a server that is gone is several minutes."""


@dataclass(frozen=True)
class Registration:
    """What the registry was told.

    Attributes:
        version: of the registered model, None where there is none.
        promoted: whether the alias `champion` was set on it.
        reason: why, or why not.
    """

    version: str | None
    promoted: bool
    reason: str


def register(model_name: str, facts: ServiceFacts, verdict: Verdict) -> Registration:
    """A version of `model_name` for this bento; the same bento again finds its version again.

    A registry that cannot be reached is told in the log and in the reason: the bento serves without it.
    """
    if facts.lineage.mlflow_run_id is None:
        return Registration(None, False, "Not registered: the model belongs to no MLflow run.")
    try:
        with _impatience():
            version = _find_version(model_name, facts.tag) or _create_version(model_name, facts)
            if verdict.promotes:
                _client().set_registered_model_alias(model_name, CHAMPION, version)
    except Exception as error:  # MLflow raises its own, requests' and SQLAlchemy's errors alike
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        log.warning("The MLflow registry must take %s; it did not: %s. The bento is not promoted.", model_name, reason)
        return Registration(None, False, f"Not registered: the MLflow registry did not take it: {reason}")
    because = f"the verdict is {verdict.verdict!r}"
    if verdict.promotes:
        return Registration(version, True, f"Version {version} is {CHAMPION}: {because}.")
    return Registration(version, False, f"Version {version} is not {CHAMPION}: {because}.")


def _find_version(model_name: str, tag: str) -> str | None:
    for version in _client().search_model_versions(f"name = '{model_name}'"):
        if version.tags.get(BENTO_TAG) == tag:
            return str(version.version)
    return None


def _create_version(model_name: str, facts: ServiceFacts) -> str:
    from mlflow.exceptions import MlflowException

    client, lineage = _client(), facts.lineage
    assert lineage.mlflow_run_id is not None, "register() has looked"
    client.get_run(lineage.mlflow_run_id)  # the registry itself would take a run that does not exist
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
        source=f"runs:/{lineage.mlflow_run_id}/{BUNDLE_FOLDER}",
        run_id=lineage.mlflow_run_id,
        tags={name: value for name, value in tags.items() if value is not None},
    )
    return str(version.version)


def _client() -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient()


@contextlib.contextmanager
def _impatience() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in UNREACHED}
    os.environ.update({name: value for name, value in UNREACHED.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
