"""The MLflow run that a step logs to; in a pipeline run, all steps log to the same MLflow run.

If MLflow is slow or unavailable, a step does not stop: its messages wait, and are sent when MLflow is available again.
"""

import logging
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.contract.system.address import redact
from components.contract.tracking.messages import Kind, Message
from components.contract.tracking.spool import Outbox
from components.contract.tracking.store import (
    PATIENCE,
    PENDING,
    find_or_create_run,
    import_client,
    is_refusal,
    patience,
    reason_of,
    store_lock,
    stored_id,
    unreachable_error,
)
from components.contract.tracking.store_address import sqlite_file

log = logging.getLogger(__name__)

MAX_PARAMS_PER_CALL = 100
"""MLflow's limit for one request."""
START_PATIENCE = {**PATIENCE, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""Settings for a single attempt to start a run; attempts are repeated until START_SECONDS have passed."""
START_SECONDS = 15.0
"""How long the start of a run waits for a server that does not answer; then the run continues, and is logged later."""
START_RETRY_SECONDS = 2.0


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flattens nested params to MLflow params: {"train.epochs": "40", "train.model.kind": "layers", …}."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = str(value)
    return flat


class Run:
    """An MLflow run to log to. Without a `run_id`, no method has any effect.

    Only `log_artifacts`, `last_step` and `close` wait for the store: at most a minute in total, and longer only for
    large files; see `components/contract/tracking/spool.py`.
    """

    def __init__(self, run_id: str | None, outbox: Outbox | None = None):
        """Logs to a run.

        Args:
            run_id: the id of the run; None to log nothing.
            outbox: the outbox of the step, if it has one; None creates one, which `close` closes.
        """
        self.run_id = run_id
        self.outbox = outbox or Outbox()
        self._owns_outbox = outbox is None

    def log_params(self, params: Mapping[str, str]) -> None:
        """Logs params; MLflow does not allow them to change later."""
        entries = list(params.items())
        for start in range(0, len(entries), MAX_PARAMS_PER_CALL):
            self._enqueue("params", dict(entries[start : start + MAX_PARAMS_PER_CALL]))

    def start(self, start: Mapping[str, Any]) -> None:
        """Creates the run in the store, unless the store already has a run with the key in `start`."""
        import_client()
        self._enqueue("start", start)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Sets tags; earlier values of the same tags are replaced."""
        self._enqueue("tags", tags)

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Logs metrics with the current time."""
        values = {key: float(value) for key, value in metrics.items()}
        self._enqueue("metrics", {"values": values, "timestamp": now_ms(), "step": step})

    def last_step(self, metric: str) -> int:
        """The highest MLflow `step` of this metric in the store; 0 if there is none, or the store does not answer."""
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
        """Logs which data set the run uses.

        Args:
            name: the name of the data set.
            digest: a digest of the content, at most 36 characters.
            source: the origin of the data.
            context: what the data set is used for, such as "training" or "evaluation".
            profile: the number of photos in each split, as JSON.
        """
        content = {"name": name, "digest": digest, "source": source, "context": context, "profile": profile}
        self._enqueue("dataset", content)

    def log_artifacts(self, path: Path, folder: str) -> None:
        """Logs a file, or a folder with its content; the files must remain in place, because they may be sent later."""
        message = self._enqueue("artifacts", {"path": str(path.resolve()), "folder": folder})
        if message is not None:
            files = [file for file in (path, *path.rglob("*")) if file.is_file()]
            self.outbox.wait_for(message, sum(file.stat().st_size for file in files))

    def end(self, status: str) -> None:
        """Ends the run as FINISHED, FAILED or KILLED, after all earlier messages."""
        self._enqueue("status", {"status": status, "end_time": now_ms()})

    def close(self, *, hurried: bool = False) -> None:
        """Waits a limited time, shorter if hurried, until all messages are sent; stores unsent messages for later."""
        if self._owns_outbox:
            self.outbox.close(hurried=hurried)

    def _enqueue(self, kind: Kind, content: Mapping[str, Any]) -> Message | None:
        return None if self.run_id is None else self.outbox.put(self.run_id, kind, content)


def now_ms() -> int:
    """The current time as MLflow stores it, in milliseconds since 1970."""
    return int(time.time() * 1000)


def create_run(*, experiment: str, name: str, key: str | None = None, tags: Mapping[str, str] | None = None) -> Run:
    """Starts a run, or joins the run that has this key; the run stays open until it is ended with `end_run`.

    If the server does not answer within a short time, the key serves as the run's id, and the run is created in the
    store as soon as the server answers.

    Raises:
        TrackingError: the store rejects the run, or is a file that cannot be written.
    """
    key = key or uuid.uuid4().hex
    start = {"experiment": experiment, "name": name, "key": key, "tags": dict(tags or {}), "start_time": now_ms()}
    run_id = _find_or_create(start)
    if run_id is not None:
        return Run(run_id)
    return _pending_run(start)


def _find_or_create(start: Mapping[str, Any]) -> str | None:
    """The id of the run that the store found or created; None if the server does not answer.

    Raises:
        TrackingError: the store rejects the run, or is a file that cannot be written.
    """
    from mlflow import MlflowClient, get_tracking_uri

    is_file = sqlite_file(get_tracking_uri()) is not None
    deadline = time.monotonic() + START_SECONDS
    has_warned = False
    while True:
        try:
            with patience(START_PATIENCE), store_lock():
                return find_or_create_run(MlflowClient(), **start)
        except Exception as error:  # MLflow raises its own errors, and those of requests and SQLAlchemy
            if is_file or is_refusal(error):
                raise unreachable_error(error) from None
            reason = reason_of(error)
        seconds = deadline - time.monotonic()
        if not has_warned:
            log.warning(
                "MLflow does not answer at %s: %s. Retrying for %.0f s.",
                redact(get_tracking_uri()),
                reason,
                max(0.0, seconds),
            )
            has_warned = True
        if seconds <= 0:
            log.warning("MLflow still does not answer. The run continues and is logged when MLflow answers again.")
            return None
        time.sleep(min(START_RETRY_SECONDS, seconds))


def _pending_run(start: Mapping[str, Any]) -> "Run":
    """A run that is created in the store as soon as the store answers."""
    run = Run(f"{PENDING}{start['key']}")
    run.start(start)
    return run


def find_stored_id(run: "Run") -> str | None:
    """The id of the run in the store, if the store answers; otherwise the local id of the run."""
    run_id = run.run_id
    if run_id is None or not run_id.startswith(PENDING):
        return run_id
    return run.outbox.ask(lambda: stored_id(run_id), run_id)


def child_run(parent: Run, name: str, tags: Mapping[str, str]) -> Run:
    """Starts a child run in the parent's experiment; it logs nothing if there is no parent or MLflow does not answer.

    The child uses the outbox of the parent, so only the parent must be closed.
    """
    parent_id = parent.run_id
    if parent_id is None:
        return Run(None)
    from mlflow import MlflowClient

    def create_child() -> str | None:
        client = MlflowClient()
        stored_parent = stored_id(parent_id)
        experiment_id = client.get_run(stored_parent).info.experiment_id
        all_tags = {**tags, "mlflow.parentRunId": stored_parent}
        run_id: str = client.create_run(experiment_id, run_name=name, tags=all_tags).info.run_id
        return run_id

    return Run(parent.outbox.ask(create_child, None), parent.outbox)


def end_run(run: Run, status: str) -> None:
    """Ends a run as FINISHED, FAILED or KILLED, and waits until its messages are sent."""
    run.end(status)
    run.close()
