"""The MLflow run that a step logs to: one run per pipeline run, shared by all steps, ended by one owner.

A step finds its run in this order: `MLFLOW_RUN_ID`; the run tagged with the pipeline run's key, `DARKROOM_RUN_KEY`,
made by the first step that asks; the run that the step's input names; a run of its own, where the step asks for one.
MLflow being slow or gone never stops a step: what it does not take waits and is sent when it is back.
"""

import contextlib
import fcntl
import importlib
import logging
import os
import re
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from components.contract.errors import TrackingError
from components.contract.system.address import driver_uri, redact
from components.contract.system.cache import HOME
from components.contract.tracking.spool import (
    PENDING,
    Kind,
    Message,
    Outbox,
    find_or_create_run,
    send_unsent,
    sqlite_file,
    stored_id,
)

log = logging.getLogger(__name__)

KEY_VARIABLE = "DARKROOM_RUN_KEY"
MOST_PARAMS = 100
"""That MLflow takes at once."""
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""With a server that is gone; MLflow's own patience is four minutes a call. And no bars of its own in a step's log.
What the environment says wins."""
START_PATIENCE = {**PATIENCE, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""For one try of many, at the start of a run."""
START_SECONDS = 15.0
"""How long the start of a run waits for a server that does not answer; then the run goes on, and tells it later."""
START_RETRY_SECONDS = 2.0
PERMANENT: Final = ("PERMISSION_DENIED", "UNAUTHENTICATED", "ENDPOINT_NOT_FOUND", "INVALID_PARAMETER_VALUE")
"""Answers of a server that waiting does not change."""


def tracking_uri(home: Path = HOME) -> str:
    """`MLFLOW_TRACKING_URI`, or a SQLite file under `home`, whose folder is made.

    Raises:
        TrackingError: the folder cannot be made, or the address is invalid.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        folder = home / "mlflow"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrackingError(
                f"The folder {home.resolve()} must be writable; it is not: {error.strerror}. Run Darkroom in a folder "
                "of your own: cd there, and name params and data by their full paths."
            ) from None
        path = (folder / "mlflow.db").resolve()
        if "%" in str(path) or "?" in str(path):
            # SQLAlchemy reads both as parts of an address, and MLflow makes folders of the escaped name.
            path = folder / "mlflow.db"
        uri = f"sqlite:///{path}"
    if not re.match(r"[a-z][a-z0-9+.-]*://|arn:", uri) or uri.startswith(("file:", "databricks")):
        raise TrackingError(
            "MLFLOW_TRACKING_URI must be the address of an MLflow server, such as http://localhost:5000, or of a "
            f"database, such as sqlite:///mlflow.db; found {redact(uri)!r}{_hint(uri)}. Unset it to keep the runs in "
            f"{home / 'mlflow'}."
        )
    store = sqlite_file(uri)
    if store is not None and store.is_file():
        follow_moved_store(store)
    return driver_uri(uri)


def _hint(uri: str) -> str:
    if re.fullmatch(r"[\w.-]+:\d+(/.*)?", uri):
        return f": write http://{uri}"
    if uri.startswith("databricks"):
        return ", and Databricks is not supported"
    return ", a folder of MLflow's old file store, which MLflow 3 no longer uses"


MOVED_COLUMNS: Final = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


def follow_moved_store(path: Path) -> None:
    """Makes a SQLite store name its artifacts where they are now, if its folder was renamed, moved or copied.

    MLflow notes absolute places. Those of experiments that are not beside the file, or whose files have not moved with
    it, stay as they are.
    """
    now = (path.parent / "artifacts").resolve()
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=10)) as store, store:
            tables = {name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"experiments", "runs"} <= tables:
                return
            for (root,) in store.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall():
                before = Path(unquote(str(root).removeprefix("file://")))
                if before == now or before.name != "artifacts" or not before.is_absolute():
                    continue
                uris = store.execute("SELECT artifact_uri FROM runs WHERE artifact_uri LIKE ? || '/%'", (root,))
                if not any((now / unquote(uri[len(root) + 1 :])).exists() for (uri,) in uris):
                    continue
                for table, column in MOVED_COLUMNS:
                    if table in tables:
                        store.execute(
                            f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 - names of MOVED_COLUMNS
                            f"WHERE {column} = ? OR {column} LIKE ? || '/%'",
                            (now.as_uri(), len(root) + 1, root, root),
                        )
                log.info("The MLflow store names %s for its artifacts now; it was moved from %s.", now, before)
    except sqlite3.Error as error:
        log.warning("The MLflow store %s may name an old place of its artifacts: %s.", path, error)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested params as MLflow params: {"train.epochs": "40", "train.model.kind": "layers", …}."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = str(value)
    return flat


class Run:
    """One MLflow run to log to. Without a `run_id` every call does nothing.

    Only `log_artifacts`, `last_step` and `close` wait for the store, and not longer than a minute in all but for large
    files: see `components/contract/tracking/spool.py`.
    """

    def __init__(self, run_id: str | None, outbox: Outbox | None = None):
        """Takes a run.

        Args:
            run_id: None for none.
            outbox: of the step that the run is a part of; None makes one, which `close` closes.
        """
        self.run_id = run_id
        self.outbox = outbox or Outbox()
        self._owns_outbox = outbox is None

    def log_params(self, params: Mapping[str, str]) -> None:
        """Parameters, which MLflow never changes once they are written."""
        entries = list(params.items())
        for start in range(0, len(entries), MOST_PARAMS):
            self._tell("params", dict(entries[start : start + MOST_PARAMS]))

    def start(self, start: Mapping[str, Any]) -> None:
        """Has the store make the run, unless it has a run of this key."""
        _import_client()
        self._tell("start", start)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Tags; an earlier value of the same tag is replaced."""
        self._tell("tags", tags)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Figures, of this moment."""
        values = {key: float(value) for key, value in metrics.items()}
        self._tell("metrics", {"values": values, "timestamp": _now_ms(), "step": step})

    def last_step(self, metric: str) -> int:
        """The last step that the store has this figure of; 0 where it has none, or does not answer."""
        run_id = self.run_id
        if run_id is None:
            return 0
        from mlflow import MlflowClient

        def last() -> int:
            return max(
                (entry.step for entry in MlflowClient().get_metric_history(stored_id(run_id), metric)), default=0
            )

        return self.outbox.ask(last, 0)

    def log_dataset(self, *, name: str, digest: str, source: str, context: str, profile: str) -> None:
        """Names the data that the run uses.

        Args:
            name: what the data are called.
            digest: at most 36 characters that change with the content.
            source: where they came from.
            context: "training", "evaluation".
            profile: JSON of counts.
        """
        self._tell(
            "dataset",
            {
                "name": name,
                "digest": digest,
                "source": source,
                "context": context,
                "profile": profile,
            },
        )

    def log_artifacts(self, path: Path, folder: str) -> None:
        """A file, or a folder with all it holds; what the store takes later must be there then."""
        message = self._tell("artifacts", {"path": str(path.resolve()), "folder": folder})
        if message is not None:
            files = [file for file in (path, *path.rglob("*")) if file.is_file()]
            self.outbox.wait_for(message, sum(file.stat().st_size for file in files))

    def end(self, status: str) -> None:
        """Ends the run as FINISHED, FAILED or KILLED, after all that was told of it."""
        self._tell("status", {"status": status, "end_time": _now_ms()})

    def close(self, *, hurried: bool = False) -> None:
        """Waits for what is not sent yet, hurried or not; what is left is kept for later, and that is told."""
        if self._owns_outbox:
            self.outbox.close(hurried=hurried)

    def _tell(self, kind: Kind, content: Mapping[str, Any]) -> Message | None:
        return None if self.run_id is None else self.outbox.put(self.run_id, kind, content)


def _now_ms() -> int:
    return int(time.time() * 1000)


def create_run(*, experiment: str, name: str, key: str | None = None, tags: Mapping[str, str] | None = None) -> Run:
    """Starts a run, or joins the one of this key; whoever starts it ends it with `end_run`.

    A server that does not answer is waited for a little; then the run's id is its key, and the server hears of the run
    when it answers.

    Raises:
        TrackingError: the store refuses, or is a file that cannot be written.
    """
    key = key or uuid.uuid4().hex
    start = {"experiment": experiment, "name": name, "key": key, "tags": dict(tags or {}), "start_time": _now_ms()}
    run_id = _started(start)
    if run_id is not None:
        return Run(run_id)
    return _pending_run(start)


def _started(start: Mapping[str, Any]) -> str | None:
    """The id of a run that the store has made or found; None if a server does not answer.

    Raises:
        TrackingError: the store refuses, or is a file that cannot be written.
    """
    from mlflow import MlflowClient, get_tracking_uri

    is_file = sqlite_file(get_tracking_uri()) is not None
    deadline = time.monotonic() + START_SECONDS
    is_told = False
    while True:
        try:
            with patience(START_PATIENCE), _store_lock():
                return find_or_create_run(MlflowClient(), **start)
        except Exception as error:  # MLflow raises its own, requests' and SQLAlchemy's errors alike
            if is_file or _is_permanent(error):
                raise _unreachable(error) from None
            reason = redact(_first_line(error))
        seconds = deadline - time.monotonic()
        if not is_told:
            log.warning(
                "MLflow does not answer at %s: %s. Trying again for %.0f s.",
                redact(get_tracking_uri()),
                reason,
                max(0.0, seconds),
            )
            is_told = True
        if seconds <= 0:
            log.warning("MLflow still does not answer. The run goes on without it; it is told when it answers.")
            return None
        time.sleep(min(START_RETRY_SECONDS, seconds))


def _pending_run(start: Mapping[str, Any]) -> "Run":
    """A run that the store makes when it answers."""
    run = Run(f"{PENDING}{start['key']}")
    run.start(start)
    return run


def _is_permanent(error: Exception) -> bool:
    return getattr(error, "error_code", None) in PERMANENT or re.search(r"error code 4\d\d", str(error)) is not None


@contextlib.contextmanager
def _store_lock() -> Iterator[None]:
    """Within the block no other process makes the tables of a SQLite store, or an experiment in it."""
    from mlflow import get_tracking_uri

    path = sqlite_file(get_tracking_uri())
    if path is None:
        yield
        return
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
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
        with _store_lock():
            pass
    except Exception as error:  # SQLAlchemy's errors and the system's
        raise _unreachable(error) from None


def find_stored_id(run: "Run") -> str | None:
    """The id that the store knows a run by, if it answers; else the run's own."""
    run_id = run.run_id
    if run_id is None or not run_id.startswith(PENDING):
        return run_id
    return run.outbox.ask(lambda: stored_id(run_id), run_id)


def child_run(parent: Run, name: str, tags: Mapping[str, str]) -> Run:
    """Starts a run below another, in its experiment; without a parent, or where MLflow is gone, there is none.

    What is told of it goes with what is told of the parent, which is to be closed.
    """
    parent_id = parent.run_id
    if parent_id is None:
        return Run(None)
    from mlflow import MlflowClient

    def started() -> str | None:
        client = MlflowClient()
        stored_parent = stored_id(parent_id)
        of_parent = client.get_run(stored_parent).info.experiment_id
        all_tags = {**tags, "mlflow.parentRunId": stored_parent}
        run_id: str = client.create_run(of_parent, run_name=name, tags=all_tags).info.run_id
        return run_id

    return Run(parent.outbox.ask(started, None), parent.outbox)


@contextlib.contextmanager
def patience(settings: Mapping[str, str] = PATIENCE) -> Iterator[None]:
    """Within the block a server that is gone is given up soon; what the environment says wins."""
    missing = [name for name in settings if name not in os.environ]
    os.environ.update({name: settings[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def end_run(run: Run, status: str) -> None:
    """Ends a run as FINISHED, FAILED or KILLED, and waits for what is not sent yet."""
    run.end(status)
    run.close()


def pipeline_end(state: str, error: str | None) -> tuple[str, str]:
    """How the MLflow run of a KFP pipeline ends, by the final state that KFP passes to the exit handler.

    Args:
        state: COMPLETE or CACHED after a success, FAILED after a failure, and RUNNING after a termination: then it is
            the state of an execution that nobody has ended. SUCCEEDED and CANCELED are KFP's documented names.
        error: KFP's message, which it leaves empty today, however the pipeline failed.

    Returns:
        (status of the MLflow run, reason); a success has no reason.
    """
    if state in ("COMPLETE", "CACHED", "SUCCEEDED") and not error:
        return "FINISHED", ""
    if state in ("FAILED", "COMPLETE", "CACHED", "SUCCEEDED"):
        return "FAILED", redact(error or "a task failed: its log in Kubeflow Pipelines names the reason")[:5000]
    return "KILLED", "terminated"


@contextlib.contextmanager
def step_run(*, experiment: str, upstream: str | None = None, own: str | None = None) -> Iterator[Run]:
    """The run for a step to log to.

    Args:
        experiment: for a run that has to be made.
        upstream: the run that the step's input was made in, joined where the environment names none and the store has
            it.
        own: the name of a run that the step makes for itself where there is no other; it is ended with the step.

    Raises:
        TrackingError: a run has to be made and the store cannot be written.
    """
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    run_id = os.environ.get("MLFLOW_RUN_ID")
    key = os.environ.get(KEY_VARIABLE)
    owned = False
    if run_id:
        run = Run(run_id)
        if run_id.startswith(PENDING):
            name = run_id.removeprefix(PENDING)
            run.start({"experiment": experiment, "name": name, "key": name, "tags": {}, "start_time": _now_ms()})
    elif key:
        run = create_run(experiment=experiment, name=key, key=key)
    elif upstream and not _is_missing(upstream):
        run = Run(upstream)
    elif own:
        run, owned = create_run(experiment=experiment, name=own), True
    else:
        run = Run(None)
    if run.run_id is not None:
        _import_client()
        send_unsent()
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except (SystemExit, KeyboardInterrupt):  # asked to end
        status = "KILLED"
        raise
    finally:
        if owned:
            run.end(status)
        run.close(hurried=status == "KILLED")


def _import_client() -> None:
    """Imports what sends, before threads use it: two that import MLflow at once find it half imported."""
    importlib.import_module("mlflow.tracking.client")
    at_server = importlib.import_module("mlflow").get_tracking_uri().startswith("http")
    importlib.import_module(f"mlflow.store.tracking.{'rest_store' if at_server else 'sqlalchemy_store'}")


def _is_missing(run_id: str) -> bool:
    """Whether the store answers and has no such run: the input was made beside another store."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        MlflowClient().get_run(stored_id(run_id))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            return False
        log.warning(
            "The MLflow store %s has no run %s, in which the input was made.",
            redact(os.environ["MLFLOW_TRACKING_URI"]),
            run_id,
        )
        return True
    except Exception:  # requests' and SQLAlchemy's errors: a store that does not answer may have it
        log.debug("The store did not answer.", exc_info=True)
    return False


def _unreachable(error: Exception) -> TrackingError:
    from mlflow import get_tracking_uri

    reason = _first_line(error)
    return TrackingError(
        f"The MLflow store must be reachable and writable; {redact(get_tracking_uri())} is not: "
        f"{redact(reason)}. "
        "Mend it, or name another with MLFLOW_TRACKING_URI."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
