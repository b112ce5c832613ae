"""The MLflow run of a step.

A step uses the first of these that exists: the run whose id is in `MLFLOW_RUN_ID`; the run of the pipeline,
which is tagged with the key in `DARKROOM_RUN_KEY` and created by the first step; the run that created the step's input;
a new run, if the step asks for one.
"""

import contextlib
import logging
import os
from collections.abc import Iterator

from components.contract.system.address import redact
from components.contract.tracking.run import Run, create_run, now_ms
from components.contract.tracking.spool import send_unsent
from components.contract.tracking.store import NAME_TAG, PATIENCE, PENDING, import_client, stored_id
from components.contract.tracking.store_address import tracking_uri

log = logging.getLogger(__name__)

KEY_VARIABLE = "DARKROOM_RUN_KEY"


def pipeline_end(state: str, error: str | None) -> tuple[str, str]:
    """How to end the MLflow run of a KFP pipeline, according to the final state that KFP passes to the exit handler.

    Args:
        state: COMPLETE or CACHED after a success, FAILED after a failure, and RUNNING after a termination, because KFP
            does not update the state of a terminated execution. KFP's documentation lists SUCCEEDED and CANCELED.
        error: KFP's message; in current versions it is empty even after a failure.

    Returns:
        (status of the MLflow run, reason); the reason is empty after a success.
    """
    if state in ("COMPLETE", "CACHED", "SUCCEEDED") and not error:
        return "FINISHED", ""
    if state in ("FAILED", "COMPLETE", "CACHED", "SUCCEEDED"):
        return "FAILED", redact(error or "a task failed: the reason is in its log in Kubeflow Pipelines")[:5000]
    return "KILLED", "terminated"


@contextlib.contextmanager
def step_run(*, experiment: str, upstream: str | None = None, own_name: str | None = None) -> Iterator[Run]:
    """Yields the run that a step logs to.

    Args:
        experiment: the experiment of a new run.
        upstream: the run that created the step's input; used if the store has it and the environment names no run.
        own_name: the name of the run to create if there is no other run; the new run ends with the step.

    Raises:
        TrackingError: a new run is needed, but the store cannot be written.
    """
    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    run_id = os.environ.get("MLFLOW_RUN_ID")
    key = os.environ.get(KEY_VARIABLE)
    owns_run = False
    if run_id:
        run = Run(run_id)
        if run_id.startswith(PENDING):
            name = run_id.removeprefix(PENDING)
            run.start({"experiment": experiment, "name": name, "key": name, "tags": {}, "start_time": now_ms()})
    elif key:
        run = create_run(experiment=experiment, name=key, key=key)
    elif upstream and not _is_missing(upstream):
        run = Run(upstream)
    elif own_name:
        run, owns_run = create_run(experiment=experiment, name=own_name), True
    else:
        run = Run(None)
    if run.run_id is not None:
        import_client()
        send_unsent()
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except (SystemExit, KeyboardInterrupt):  # the step is being stopped
        status = "KILLED"
        raise
    finally:
        if owns_run:
            run.end(status)
        run.close(hurried=status == "KILLED")


def name_pipeline_run(run: Run, subject: str) -> None:
    """Renames a pipeline's run from its key to `<subject> · <key>`; other runs keep their names."""
    key = os.environ.get(KEY_VARIABLE)
    if key:
        run.set_tags({NAME_TAG: f"{subject} · {key}"})


def _is_missing(run_id: str) -> bool:
    """Whether the store answers that it has no such run: the input was then created with another store."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        MlflowClient().get_run(stored_id(run_id))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            return False
        log.warning(
            "The MLflow store %s does not contain run %s, which created the input.",
            redact(os.environ["MLFLOW_TRACKING_URI"]),
            run_id,
        )
        return True
    except Exception:  # an error from requests or SQLAlchemy: a store that does not answer may have the run
        log.debug("The store did not answer.", exc_info=True)
    return False
