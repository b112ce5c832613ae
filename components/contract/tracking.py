"""The MLflow run that a step logs to: one run per pipeline run, shared by all steps, ended by one owner.

A step finds its run in this order: `MLFLOW_RUN_ID`; the run tagged with the pipeline run's key, `DARKROOM_RUN_KEY`,
made by the first step that asks; the run that the step's input names; a run of its own, where the step asks for one.
MLflow being slow or gone never stops a step: metrics wait in a queue and are sent when it is back.
"""

import contextlib
import logging
import os
import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from components.contract.errors import TrackingError

log = logging.getLogger(__name__)

KEY_VARIABLE = "DARKROOM_RUN_KEY"
KEY_TAG = "darkroom.run_key"
HOME = Path(".darkroom")
"""Where the local store stands, below the working folder."""

RETRY_SECONDS = 2.0
CLOSE_SECONDS = 30.0
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
    """One MLflow run to log to. Without a `run_id` every call does nothing."""

    def __init__(self, run_id: str | None):
        self.run_id = run_id
        self._waiting: queue.Queue[list[Any] | None] = queue.Queue()
        self._sender: threading.Thread | None = None
        self._given_up = threading.Event()
        self._warned = False

    def log_params(self, params: Mapping[str, str]) -> None:
        """Parameters, which MLflow never changes once they are written."""
        from mlflow.entities import Param

        entries = [Param(key, value[:6000]) for key, value in params.items()]
        for start in range(0, len(entries), 100):
            self._try("log_batch", params=entries[start : start + 100])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._try("log_batch", tags=[RunTag(key, value) for key, value in tags.items()])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Queues figures; a thread sends them, so that training never waits."""
        if self.run_id is None:
            return
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting.put([Metric(key, float(value), now, step) for key, value in metrics.items()])
        if self._sender is None:
            self._sender = threading.Thread(target=self._send, name="mlflow-metrics", daemon=True)
            self._sender.start()

    def last_step(self, metric: str) -> int:
        """The last step that the store has this figure of; 0 where it has none, or does not answer."""
        if self.run_id is None:
            return 0
        from mlflow import MlflowClient

        try:
            history = MlflowClient().get_metric_history(self.run_id, metric)
        except Exception as error:  # as in `_try`
            log.warning("MLflow did not say what it has of run %s: %s.", self.run_id, type(error).__name__)
            return 0
        return max((entry.step for entry in history), default=0)

    def log_dataset(self, *, name: str, digest: str, source: str, context: str, profile: str) -> None:
        """Names the data that the run uses.

        Args:
            name: what the data are called.
            digest: at most 36 characters that change with the content.
            source: where they came from.
            context: "training", "evaluation".
            profile: JSON of counts.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(name, digest[:36], "local", source, profile=profile)
        self._try("log_inputs", datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])

    def log_artifacts(self, path: Path, folder: str) -> None:
        """A file, or a folder with all it holds."""
        self._try("log_artifacts" if path.is_dir() else "log_artifact", str(path), folder)

    def close(self) -> None:
        """Sends what waits, for at most CLOSE_SECONDS; what is left is named in the log."""
        if self._sender is None:
            return
        self._waiting.put(None)
        self._sender.join(CLOSE_SECONDS)
        if self._sender.is_alive():
            self._given_up.set()
            log.warning("MLflow did not take about %d values of run %s in %.0f s; the step's own files hold them all.",
                        self._waiting.qsize(), self.run_id, CLOSE_SECONDS)  # fmt: skip

    def _send(self) -> None:
        while (entries := self._waiting.get()) is not None:
            while not self._try("log_batch", metrics=entries):
                if self._given_up.wait(RETRY_SECONDS):
                    return

    def _try(self, method: str, *arguments: Any, **options: Any) -> bool:
        if self.run_id is None:
            return True
        from mlflow import MlflowClient

        try:
            getattr(MlflowClient(), method)(self.run_id, *arguments, **options)
        except Exception as error:  # MLflow raises its own, requests' and SQLAlchemy's errors alike
            if not self._warned:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                log.warning("MLflow did not take %s for run %s: %s. The step goes on.", method, self.run_id, reason)
                self._warned = True
            return False
        return True


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
    """Starts a run below another, in its experiment; without a parent, or where MLflow is gone, there is none."""
    if parent.run_id is None:
        return Run(None)
    from mlflow import MlflowClient

    try:
        client = MlflowClient()
        experiment_id = client.get_run(parent.run_id).info.experiment_id
        all_tags = {**tags, "mlflow.parentRunId": parent.run_id}
        return Run(client.create_run(experiment_id, run_name=name, tags=all_tags).info.run_id)
    except Exception as error:
        log.warning("%s The step goes on.", _unreachable(error))
        return Run(None)


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


def shown_uri(text: str) -> str:
    """An address, or a text that holds one, without its password."""
    return re.sub(r"(?<=://)([^/@:\s]*):[^/@\s]*@", r"\1:***@", text)


def _artifact_folder() -> str | None:
    """Beside the SQLite file; None leaves it to the server."""
    from mlflow import get_tracking_uri

    kind, _, path = get_tracking_uri().partition(":///")
    return (Path(path).parent / "artifacts").resolve().as_uri() if kind == "sqlite" else None


def end_run(run: Run, status: str) -> None:
    """Ends a run as FINISHED, FAILED or KILLED."""
    run.close()
    run._try("set_terminated", status)


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
    try:
        yield run
    except BaseException:
        if owned:
            end_run(run, "FAILED")
        raise
    else:
        if owned:
            end_run(run, "FINISHED")
    finally:
        run.close()


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
