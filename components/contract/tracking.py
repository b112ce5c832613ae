"""The MLflow run that a step logs to: one run per pipeline run, shared by all steps, ended by one owner.

A step finds its run in this order: `MLFLOW_RUN_ID`; the run tagged with the pipeline run's key, `DARKROOM_RUN_KEY`,
made by the first step that asks; the run that the step's input names; a run of its own, where the step asks for one.
MLflow being slow or gone never stops a step: what it does not take waits and is sent when it is back.
"""

import contextlib
import importlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.contract.errors import TrackingError
from components.contract.outbox import Kind, Message, Outbox, send_unsent, shown_uri

log = logging.getLogger(__name__)

KEY_VARIABLE = "DARKROOM_RUN_KEY"
KEY_TAG = "darkroom.run_key"
HOME = Path(".darkroom")
"""Where the local store stands, below the working folder."""

MOST_PARAMS = 100
"""That MLflow takes at once."""
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}  # fmt: skip
"""With a server that is gone; MLflow's own patience is four minutes a call. And no bars of its own in a step's log.
What the environment says wins."""


def tracking_uri(home: Path = HOME) -> str:
    """`MLFLOW_TRACKING_URI`, or a SQLite file under `home`, whose folder is made."""
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if given:
        return given
    folder = home / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


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
    files: see `components/contract/outbox.py`.
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

    def set_tags(self, tags: Mapping[str, str]) -> None:
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
            return max((entry.step for entry in MlflowClient().get_metric_history(run_id, metric)), default=0)

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
        self._tell("dataset", {
            "name": name, "digest": digest, "source": source, "context": context, "profile": profile,
        })  # fmt: skip

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
    """Starts a run; whoever calls this ends it with `end_run`.

    Raises:
        TrackingError: the store cannot be reached or written.
    """
    from mlflow import MlflowClient

    all_tags = {**(tags or {}), **({KEY_TAG: key} if key else {})}
    try:
        client = MlflowClient()
        found = client.get_experiment_by_name(experiment)
        experiment_id = found.experiment_id if found else client.create_experiment(experiment, _artifact_folder())
        return Run(client.create_run(experiment_id, run_name=name, tags=all_tags).info.run_id)
    except Exception as error:
        raise _unreachable(error) from None


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
        experiment_id = client.get_run(parent_id).info.experiment_id
        all_tags = {**tags, "mlflow.parentRunId": parent_id}
        run_id: str = client.create_run(experiment_id, run_name=name, tags=all_tags).info.run_id
        return run_id

    return Run(parent.outbox.ask(started, None), parent.outbox)


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Within the block a server that is gone is given up soon; what the environment says wins."""
    missing = [name for name in PATIENCE if name not in os.environ]
    os.environ.update({name: PATIENCE[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            os.environ.pop(name, None)


def _artifact_folder() -> str | None:
    """Beside the SQLite file; None leaves it to the server."""
    from mlflow import get_tracking_uri

    kind, _, path = get_tracking_uri().partition(":///")
    return (Path(path).parent / "artifacts").resolve().as_uri() if kind == "sqlite" else None


def end_run(run: Run, status: str) -> None:
    """Ends a run as FINISHED, FAILED or KILLED, and waits for what is not sent yet."""
    run.end(status)
    run.close()


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
    elif key:
        run = _run_with_key(experiment, key)
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
    at_server = os.environ["MLFLOW_TRACKING_URI"].startswith("http")
    importlib.import_module(f"mlflow.store.tracking.{'rest_store' if at_server else 'sqlalchemy_store'}")


def _is_missing(run_id: str) -> bool:
    """Whether the store answers and has no such run: the input was made beside another store."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        MlflowClient().get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            return False
        log.warning("The MLflow store %s has no run %s, in which the input was made.",
                    shown_uri(os.environ["MLFLOW_TRACKING_URI"]), run_id)  # fmt: skip
        return True
    except Exception:  # requests' and SQLAlchemy's errors: a store that does not answer may have it
        log.debug("The store did not answer.", exc_info=True)
    return False


def _run_with_key(experiment: str, key: str) -> Run:
    from mlflow import MlflowClient

    try:
        client = MlflowClient()
        found = client.get_experiment_by_name(experiment)
        runs = found and client.search_runs([found.experiment_id], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
    except Exception as error:
        raise _unreachable(error) from None
    return Run(runs[0].info.run_id) if runs else create_run(experiment=experiment, name=key, key=key)


def _unreachable(error: Exception) -> TrackingError:
    from mlflow import get_tracking_uri

    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return TrackingError(
        f"The MLflow store must be reachable and writable; {shown_uri(get_tracking_uri())} is not: "
        f"{shown_uri(reason)}. "
        "Mend it, or name another with MLFLOW_TRACKING_URI."
    )
