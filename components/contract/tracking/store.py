"""The MLflow store: its runs by their keys, its experiments, and the patience with a server that is gone."""

import contextlib
import importlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.contract.errors import TrackingError
from components.contract.system.address import redact
from components.contract.tracking.headlines import VIEW, VIEW_TAG
from components.contract.tracking.store_address import sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""With a server that is gone; MLflow's own patience is four minutes a call. And no bars of its own in a step's log.
What the environment says wins."""

PENDING: Final = "key:"
"""Begins the id of a run that the store could not be asked for yet; the run's key follows. The first message of such a
run makes the run, and all messages find it by the tag that holds the key."""
KEY_TAG: Final = "darkroom.run_key"
NAME_TAG: Final = "mlflow.runName"


PERMANENT: Final = ("PERMISSION_DENIED", "UNAUTHENTICATED", "ENDPOINT_NOT_FOUND", "INVALID_PARAMETER_VALUE")
"""Answers of a server that waiting does not change."""


def is_refusal(error: Exception) -> bool:
    """Whether an error of MLflow is a server's refusal, which waiting does not change."""
    return (
        getattr(error, "error_code", None) in PERMANENT
        or re.search(r"error code 4(?!08|29)\d\d", str(error)) is not None
    )


def find_model_version(client: "MlflowClient", name: str, version_or_alias: str) -> "ModelVersion":
    """A version of a registered model, by its number or by an alias.

    Raises:
        Exception: there is none such, or the store does not answer, in the words of MLflow or its libraries.
    """
    if version_or_alias.isdecimal():
        return client.get_model_version(name, version_or_alias)
    return client.get_model_version_by_alias(name, version_or_alias)


def stored_id(run_id: str) -> str:
    """The id that the store knows a run by.

    Raises:
        MlflowException: the store does not answer, or has no run of that key.
    """
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

    if not run_id.startswith(PENDING):
        return run_id
    key = run_id.removeprefix(PENDING)
    run_id_of_key = find_run(MlflowClient(), key)
    if run_id_of_key is None:
        raise MlflowException(f"the store has no run with the key {key}", RESOURCE_DOES_NOT_EXIST)
    return run_id_of_key


def find_run(client: "MlflowClient", key: str) -> str | None:
    """The run of a key, in whatever experiment it is; of several the first."""
    experiments, token = [], None
    while True:
        page = client.search_experiments(page_token=token)
        experiments += [experiment.experiment_id for experiment in page]
        token = page.token
        if not token:
            break
    runs = client.search_runs(experiments, f"tags.`{KEY_TAG}` = '{key}'", max_results=10) if experiments else ()
    ids = sorted((run.info.start_time, str(run.info.run_id)) for run in runs)
    return ids[0][1] if ids else None


def find_or_create_run(
    client: "MlflowClient", experiment: str, name: str, key: str, tags: Mapping[str, str], start_time: int
) -> str:
    """The run of a key, made if there is none; steps that make it at the same moment agree on one.

    Raises:
        MlflowException: the store does not answer, or refuses.
    """
    existing_id = find_run(client, key)
    if existing_id is not None:
        return existing_id
    created_id: str = client.create_run(
        experiment_id(client, experiment), start_time=start_time, run_name=name, tags={**tags, KEY_TAG: key}
    ).info.run_id
    first_id = find_run(client, key) or created_id
    if first_id != created_id:
        client.delete_run(created_id)
    return first_id


def experiment_id(client: "MlflowClient", name: str) -> str:
    """The experiment of a name, with its view of the headline figures: made, or restored if somebody has deleted it.

    Raises:
        MlflowException: the store does not answer, or refuses.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            created_id: str = client.create_experiment(name, _artifact_folder(), {VIEW_TAG: VIEW})
        except MlflowException as error:
            experiment = client.get_experiment_by_name(name)  # another process may have been faster
            if experiment is None:
                raise error from None
        else:
            return created_id
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
        log.warning(
            "The MLflow experiment %s had been deleted. It is restored with its earlier runs, because "
            "this run belongs to it. To use another experiment, set deploy.model_name.",
            name,
        )
    existing_id: str = experiment.experiment_id
    if VIEW_TAG not in experiment.tags:
        client.set_experiment_tag(existing_id, VIEW_TAG, VIEW)
    return existing_id


def _artifact_folder() -> str | None:
    """Beside the SQLite file; None leaves it to the server."""
    from mlflow import get_tracking_uri

    path = sqlite_file(get_tracking_uri())
    return (path.parent / "artifacts").resolve().as_uri() if path else None


def first_line(error: Exception) -> str:
    """The first line of an error, without the secrets of addresses."""
    text = str(error).strip()
    return redact(text.splitlines()[0]) if text else type(error).__name__


@contextlib.contextmanager
def store_lock() -> Iterator[None]:
    """Within the block no other process makes the tables of a SQLite store, or an experiment in it."""
    from mlflow import get_tracking_uri

    path = sqlite_file(get_tracking_uri())
    if path is None:
        yield
        return
    from filelock import FileLock

    with FileLock(path.with_name(f".{path.name}.lock")):
        if not path.is_file():
            _make_store(path)
        yield


def _make_store(path: Path) -> None:
    """Makes the tables of a SQLite store.

    MLflow would put the path of the working folder into SQL without escaping a quote in it; a URI has none.
    """
    from mlflow import get_tracking_uri
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(get_tracking_uri(), (path.parent / "artifacts").resolve().as_uri())  # type: ignore[no-untyped-call]  # mlflow


def require_store() -> None:
    """Makes the tables of a SQLite store that is not there yet; a server has its own.

    Raises:
        TrackingError: the store cannot be written.
    """
    try:
        with store_lock():
            pass
    except Exception as error:  # SQLAlchemy's errors and the system's
        raise unreachable_error(error) from None


@contextlib.contextmanager
def patience(settings: Mapping[str, str] = PATIENCE) -> Iterator[None]:
    """Within the block a server that is gone is given up soon; what the environment says wins."""
    new_names = [name for name in settings if name not in os.environ]
    os.environ.update({name: settings[name] for name in new_names})
    try:
        yield
    finally:
        for name in new_names:
            os.environ.pop(name, None)


def import_client() -> None:
    """Imports what sends, before threads use it: two that import MLflow at once find it half imported."""
    importlib.import_module("mlflow.tracking.client")
    at_server = importlib.import_module("mlflow").get_tracking_uri().startswith("http")
    importlib.import_module(f"mlflow.store.tracking.{'rest_store' if at_server else 'sqlalchemy_store'}")


def unreachable_error(error: Exception) -> TrackingError:
    """The error to report if the store cannot be reached or written."""
    from mlflow import get_tracking_uri

    reason = first_line(error)
    return TrackingError(
        f"The MLflow store must be reachable and writable; {redact(get_tracking_uri())} is not: "
        f"{redact(reason)}. Fix it, or set another store with MLFLOW_TRACKING_URI."
    )
