"""Finds and creates runs and experiments in the MLflow store, and limits the wait for a server that does not answer."""

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
"""Settings that limit the wait for a server that does not answer (by default, four minutes per call), and keep
MLflow's progress bars out of the log. Values in the environment take precedence."""
PENDING: Final = "key:"
"""The prefix of the id of a run that the store has not created yet; the run's key follows. The first message of such a
run creates the run, and later messages find it by the tag with the key."""
KEY_TAG: Final = "darkroom.run_key"
NAME_TAG: Final = "mlflow.runName"


PERMANENT: Final = ("PERMISSION_DENIED", "UNAUTHENTICATED", "ENDPOINT_NOT_FOUND", "INVALID_PARAMETER_VALUE")
"""Error codes from a server after which a retry is useless."""


def is_refusal(error: Exception) -> bool:
    """Whether an MLflow error means that the server rejects the request, so that a retry is useless."""
    return (
        getattr(error, "error_code", None) in PERMANENT
        or re.search(r"error code 4(?!08|29)\d\d", str(error)) is not None
    )


def find_model_version(client: "MlflowClient", name: str, version_or_alias: str) -> "ModelVersion":
    """A version of a registered model, by its number or by an alias.

    Raises:
        Exception: an error from MLflow or its libraries: there is no such version, or the store does not answer.
    """
    if version_or_alias.isdecimal():
        return client.get_model_version(name, version_or_alias)
    return client.get_model_version_by_alias(name, version_or_alias)


def stored_id(run_id: str) -> str:
    """The id of a run in the store; for a local id, which contains the run's key, the run is looked up by this key.

    Raises:
        MlflowException: the store does not answer, or has no run with the key.
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
    """The id of the run with this key, in any experiment; the earliest if there are several, None if there is none."""
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
    """The id of the run with this key, created if necessary; if several steps create one at once, all use the first.

    Raises:
        MlflowException: the store does not answer, or rejects the request.
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
    """The id of an experiment, which is created or restored if necessary and gets the view of the headline figures.

    Raises:
        MlflowException: the store does not answer, or rejects the request.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            created_id: str = client.create_experiment(name, _artifact_folder(), {VIEW_TAG: VIEW})
        except MlflowException as error:
            experiment = client.get_experiment_by_name(name)  # another process may have just created it
            if experiment is None:
                raise error from None
        else:
            return created_id
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
        log.warning(
            "The MLflow experiment %s had been deleted. It was restored with its earlier runs, because "
            "this run belongs to it. To use another experiment, set deploy.model_name.",
            name,
        )
    existing_id: str = experiment.experiment_id
    if VIEW_TAG not in experiment.tags:
        client.set_experiment_tag(existing_id, VIEW_TAG, VIEW)
    return existing_id


def _artifact_folder() -> str | None:
    """The URI of the artifacts folder next to the SQLite file; None if a server chooses the folder."""
    from mlflow import get_tracking_uri

    path = sqlite_file(get_tracking_uri())
    return (path.parent / "artifacts").resolve().as_uri() if path else None


def reason_of(error: BaseException) -> str:
    """Why a request failed, in one line, without secrets in addresses and without a final period.

    The message of a failed connection repeats the address and the names of classes; the system's own reason at the end
    of the chain of causes, such as "Connection refused", is enough.
    """
    from urllib3.exceptions import MaxRetryError

    root, place = error, ""
    while (cause := root.__cause__ or (None if root.__suppress_context__ else root.__context__)) is not None:
        root = cause
        if isinstance(root, MaxRetryError):
            place = f" ({root.pool.host}:{root.pool.port})"
    if isinstance(root, OSError) and root is not error and root.filename is None:
        error = OSError(f"{root.strerror or root}{place}")
    return redact((str(error).strip() or type(error).__name__).splitlines()[0]).rstrip(".")


@contextlib.contextmanager
def store_lock() -> Iterator[None]:
    """Within the block, no other process can create the tables of a SQLite store, or experiments in it."""
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
    """Creates the tables of a SQLite store.

    The folder of artifacts is passed as a URI, because MLflow does not escape quotes in a path when it builds SQL.
    """
    from mlflow import get_tracking_uri
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(get_tracking_uri(), (path.parent / "artifacts").resolve().as_uri())  # type: ignore[no-untyped-call]  # mlflow


def require_store() -> None:
    """Creates the tables of a SQLite store if it does not exist yet; does nothing for a server.

    Raises:
        TrackingError: the store cannot be written.
    """
    try:
        with store_lock():
            pass
    except Exception as error:  # an error from SQLAlchemy or the system
        raise unreachable_error(error) from None


@contextlib.contextmanager
def patience(settings: Mapping[str, str] = PATIENCE) -> Iterator[None]:
    """Within the block, limits the wait for a server that does not answer; the environment's values take precedence."""
    new_names = [name for name in settings if name not in os.environ]
    os.environ.update({name: settings[name] for name in new_names})
    try:
        yield
    finally:
        for name in new_names:
            os.environ.pop(name, None)


def import_client() -> None:
    """Imports MLflow's client before threads use it: if two threads import it at once, one finds it half imported."""
    importlib.import_module("mlflow.tracking.client")
    at_server = importlib.import_module("mlflow").get_tracking_uri().startswith("http")
    importlib.import_module(f"mlflow.store.tracking.{'rest_store' if at_server else 'sqlalchemy_store'}")


def unreachable_error(error: Exception) -> TrackingError:
    """The error to report if the store cannot be reached or written."""
    from mlflow import get_tracking_uri

    return TrackingError(
        f"The MLflow store {redact(get_tracking_uri())} cannot be reached or written: {reason_of(error)}. "
        "Fix the problem, or set another store with MLFLOW_TRACKING_URI."
    )
