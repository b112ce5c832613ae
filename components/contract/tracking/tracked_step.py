"""The context manager for a step in a pipeline run: sets up the step's log, and writes its error to the MLflow run.

Kubeflow Pipelines reports that a task has failed but not why, so the step itself writes the cause to MLflow.
"""

import collections
import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Final

from components.contract.errors import DarkroomError
from components.contract.system.address import redact
from components.contract.system.program import running_step
from components.contract.tracking.run import Run
from components.contract.tracking.step_run import KEY_VARIABLE
from components.contract.tracking.store import PENDING, import_client, stored_id
from components.contract.tracking.store_address import tracking_uri

log = logging.getLogger(__name__)

ERROR_TAG: Final = "darkroom.error"
"""The tag with the name and the error of the step that failed: `<step>: <message>`."""
ERROR_LOG_TAG: Final = "darkroom.error_log"
"""The tag with the last lines of that step's log."""
NUM_LOG_LINES: Final = 20
MAX_TAG_LENGTH: Final = 5000
"""A length that every MLflow store accepts."""


@contextlib.contextmanager
def tracked_step(name: str) -> Iterator[None]:
    """Like `running_step`; if the step fails, also writes its error to the MLflow run of the pipeline.

    A step that is being stopped writes no error: its run ends as KILLED.
    """
    with running_step(name), _last_log_lines() as lines:
        try:
            yield
        except Exception as error:
            _record(name, error, lines)
            raise


def recorded_error(run: Run) -> str:
    """The error that a step has written to a run; empty if there is none, or the store does not answer."""
    run_id = run.run_id
    if run_id is None:
        return ""
    from mlflow import MlflowClient

    def read() -> str:
        return str(MlflowClient().get_run(stored_id(run_id)).data.tags.get(ERROR_TAG, ""))

    return run.outbox.ask(read, "")


def tag_pipeline_run(tags: Mapping[str, str]) -> None:
    """Sets tags on the MLflow run of the pipeline, if the environment names the run."""
    key = os.environ.get(KEY_VARIABLE)
    run_id = os.environ.get("MLFLOW_RUN_ID") or (f"{PENDING}{key}" if key else None)
    if run_id is None:
        return
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    import_client()
    run = Run(run_id)
    run.set_tags({name: redact(text)[:MAX_TAG_LENGTH] for name, text in tags.items()})
    run.close()


def _record(step: str, error: Exception, lines: "collections.deque[str]") -> None:
    message = str(error) if isinstance(error, DarkroomError) else f"{type(error).__name__}: {error}"
    tag_pipeline_run({ERROR_TAG: f"{step}: {message}", ERROR_LOG_TAG: "\n".join(lines)[-MAX_TAG_LENGTH:]})


class _LineKeeper(logging.Handler):
    """Keeps the last lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: collections.deque[str] = collections.deque(maxlen=NUM_LOG_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def _last_log_lines() -> Iterator["collections.deque[str]"]:
    keeper = _LineKeeper()
    logging.getLogger().addHandler(keeper)
    try:
        yield keeper.lines
    finally:
        logging.getLogger().removeHandler(keeper)
