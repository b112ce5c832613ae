"""Messages to the MLflow store, and how they are sent."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from components.contract.tracking.store import find_or_create_run, reason_of, stored_id

log = logging.getLogger(__name__)


REFUSALS: Final = (
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
)
"""Error codes after which a retry is useless: for example, a param already has a different value."""

Kind = Literal["start", "params", "tags", "metrics", "dataset", "artifacts", "status"]


@dataclass(eq=False)
class Message:
    """A message to the MLflow store.

    Attributes:
        run_id: the id of the MLflow run.
        kind: what the message contains.
        content: the content, which is JSON-serializable.
        is_settled: whether the store has accepted it or rejected it permanently.
    """

    run_id: str
    kind: Kind
    content: dict[str, Any]
    is_settled: bool = False


def send(messages: Sequence[Message]) -> None:
    """Sends messages of the same kind to the store; logs a warning if the store rejects them permanently.

    Raises:
        Exception: an error from MLflow, requests or SQLAlchemy: the store does not accept the messages now.
    """
    from mlflow.exceptions import MlflowException

    try:
        _call_client(messages)
    except MlflowException as error:
        if error.error_code not in REFUSALS:
            raise
        _warn_refused(messages[0], error)
    except OSError as error:
        if type(error).__module__ != "builtins" or isinstance(error, ConnectionError | TimeoutError):
            raise  # an error from requests or a socket
        _warn_refused(messages[0], error)


def _warn_refused(message: Message, error: Exception) -> None:
    log.warning("MLflow rejected %s of run %s: %s. The step continues.", message.kind, message.run_id, reason_of(error))


def _call_client(messages: Sequence[Message]) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client, kind, content = MlflowClient(), messages[0].kind, messages[0].content
    if kind == "start":
        find_or_create_run(client, **content)
        return
    run_id = stored_id(messages[0].run_id)
    if kind == "params":
        client.log_batch(run_id, params=[Param(key, value[:6000]) for key, value in content.items()])
    elif kind == "tags":
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in content.items()])
    elif kind == "metrics":
        metrics = [
            Metric(key, value, message.content["timestamp"], message.content["step"])
            for message in messages
            for key, value in message.content["values"].items()
        ]
        client.log_batch(run_id, metrics=metrics)
    elif kind == "dataset":
        _send_dataset(run_id, content)
    elif kind == "artifacts":
        path = Path(content["path"])
        (client.log_artifacts if path.is_dir() else client.log_artifact)(run_id, str(path), content["folder"])
    else:
        client.set_terminated(run_id, content["status"], content["end_time"])


def _send_dataset(run_id: str, content: Mapping[str, str]) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(content["name"], content["digest"][:36], "local", content["source"], profile=content["profile"])
    tags = [InputTag("mlflow.data.context", content["context"])]
    MlflowClient().log_inputs(run_id, datasets=[DatasetInput(dataset, tags)])
