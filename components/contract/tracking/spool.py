"""What a step tells MLflow: sent in order by a thread, again until it is taken, so that a store never holds a step up.

What a store has not taken when the step ends waits in the folder `unsent` of the cache; the next step that logs to the
same store sends it.
"""

import hashlib
import itertools
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from components.contract.system.address import redact
from components.contract.system.atomic_files import write_file

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

CALL_SECONDS: Final = 15.0
"""How long a step waits for the answer to one question, or for its files to be taken."""
WAIT_SECONDS: Final = 40.0
"""How long for all of them, before its end."""
CLOSE_SECONDS: Final = 20.0
"""How long at its end: a minute in all."""
STOP_SECONDS: Final = 5.0
"""How long at the end of one that was asked to end; a pod has half a minute for all that is to be done then."""
RETRY_SECONDS: Final = 2.0
UPLOAD_RATE: Final = 5e6
"""Bytes a second; a store that takes files more slowly is not waited for."""
MOST_VALUES: Final = 1000
"""That MLflow takes at once."""
REFUSALS: Final = (
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
)
"""Answers that will not change: a param that has another value already, a run that was deleted."""

PENDING: Final = "key:"
"""Begins the id of a run that the store could not be asked for yet; the run's key follows. The first message of such a
run makes the run, and all messages find it by the tag that holds the key."""
KEY_TAG: Final = "darkroom.run_key"

Kind = Literal["start", "params", "tags", "metrics", "dataset", "artifacts", "status"]
AnswerT = TypeVar("AnswerT")


@dataclass(eq=False)
class Message:
    """One thing to tell.

    Attributes:
        run_id: the MLflow run that it is of.
        kind: what it is.
        content: what JSON can hold.
        settled: whether the store has taken it, or has refused it for good.
    """

    run_id: str
    kind: Kind
    content: dict[str, Any]
    settled: bool = False


class Outbox:
    """What waits to be sent to the store that MLflow's tracking address names at that time."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._sender: threading.Thread | None = None
        self._fails = False
        self._left = WAIT_SECONDS
        self._told: set[str] = set()

    def put(self, run_id: str, kind: Kind, content: Mapping[str, Any]) -> Message:
        """Queues a message; nobody waits."""
        message = Message(run_id, kind, dict(content))
        with self._changed:
            self._waiting.append(message)
            if self._sender is None:
                self._sender = threading.Thread(target=self._work, name="mlflow", daemon=True)
                self._sender.start()
        return message

    def wait_for(self, message: Message, num_bytes: int = 0) -> None:
        """Waits a little until a message is settled, longer for files of so many bytes; not while all fails."""
        if not self._has_come(lambda: message.settled or self._fails, num_bytes / UPLOAD_RATE):
            self._warn_once("MLflow is slow to take %s of run %s. The step goes on.", message.kind, message.run_id)

    def ask(self, question: Callable[[], AnswerT], otherwise: AnswerT) -> AnswerT:
        """What the store answers, or `otherwise` where it does not, or not soon."""
        answers: list[AnswerT] = []

        def work() -> None:
            answer = otherwise
            try:
                answer = question()
            except Exception as error:  # MLflow raises its own, requests' and SQLAlchemy's errors alike
                self._warn_once("MLflow did not answer: %s. The step goes on.", _first_line(error))
            with self._changed:
                answers.append(answer)
                self._changed.notify_all()

        threading.Thread(target=work, name="mlflow-question", daemon=True).start()
        if not self._has_come(lambda: bool(answers)):
            self._warn_once("MLflow is slow to answer. The step goes on.")
        return answers[0] if answers else otherwise

    def close(self, *, hurried: bool = False) -> None:
        """Waits until all is sent; what is not in time is written to the cache, for the next step to send."""
        with self._changed:
            is_away = bool(self._waiting) and self._waiting[0].run_id.startswith(PENDING)  # since the start of the run
            seconds = STOP_SECONDS if hurried or is_away else CLOSE_SECONDS
            if self._changed.wait_for(lambda: not self._waiting, seconds):
                return
            unsent = list(self._waiting)
            self._waiting.clear()
        log.warning(
            "MLflow did not take %d messages of run %s in %.0f s. The step's own files hold all figures; %s.",
            len(unsent),
            unsent[0].run_id,
            seconds,
            _kept(unsent),
        )

    def _has_come(self, condition: Callable[[], bool], more_seconds: float = 0.0) -> bool:
        started = time.monotonic()
        with self._changed:
            has_come = self._changed.wait_for(condition, min(CALL_SECONDS, self._left) + more_seconds)
        self._left -= min(max(0.0, time.monotonic() - started - more_seconds), self._left)
        return has_come

    def _warn_once(self, text: str, *values: object) -> None:
        if text not in self._told:
            self._told.add(text)
            log.warning(text, *values)

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._sender = None
                    return
                messages = list(_sent_together(self._waiting))
            fails = False
            try:
                settle(messages)
            except Exception as error:  # as above
                fails = True
                self._warn_once(
                    "MLflow did not take %s of run %s: %s. It is told again; the step goes on.",
                    messages[0].kind,
                    messages[0].run_id,
                    _first_line(error),
                )
            with self._changed:
                self._fails = fails
                for message in () if fails else messages:
                    if self._waiting and self._waiting[0] is message:
                        self._waiting.popleft()
                    message.settled = True
                self._changed.notify_all()
            if fails:
                time.sleep(RETRY_SECONDS)


def send_unsent(wait_seconds: float = 0.0) -> None:
    """Sends, beside the step's work, what earlier steps could not send to this store; waits for it so long."""
    paths = sorted(_unsent_dir().glob("*.jsonl"))
    if paths:
        sender = threading.Thread(target=_resend, args=(paths,), name="mlflow-unsent", daemon=True)
        sender.start()
        sender.join(wait_seconds)


def move_unsent(before: Path, now: Path) -> None:
    """Notes that a folder, of which files wait to be sent, is in another place now."""
    old, new = (json.dumps(str(path.absolute()))[:-1] for path in (before, now))
    for path in _unsent_dir().glob("*.jsonl"):
        text = path.read_text(encoding="utf-8")
        if old in text:
            write_file(path, text.replace(f'{old}"', f'{new}"').replace(f"{old}/", f"{new}/").encode())


def _resend(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            head, *lines = path.read_text(encoding="utf-8").splitlines()
            if json.loads(head)["store"] != _store_digest():
                continue
            waiting = deque(Message(**json.loads(line)) for line in lines)
            while waiting:
                messages = list(_sent_together(waiting))
                settle(messages)
                for _ in messages:
                    waiting.popleft()
            path.unlink()
        except Exception as error:  # as above; what is told twice MLflow keeps once
            log.warning("MLflow does not take yet what %s holds: %s.", path, _first_line(error))
            return
        log.info("Sent to MLflow what an earlier step could not: %d messages.", len(lines))


def _kept(messages: Sequence[Message]) -> str:
    """Writes messages to the cache; says what comes of them."""
    rows = [
        {"store": _store_digest()},
        *({"run_id": message.run_id, "kind": message.kind, "content": message.content} for message in messages),
    ]
    path = _unsent_dir() / f"{time.time_ns()}.jsonl"
    try:
        write_file(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
    except OSError as error:
        return f"they could not be kept for later: {error}"
    return f"the next step that logs to it sends them from {path}"


def _unsent_dir() -> Path:
    from components.contract.system.cache import cache_dir

    return cache_dir() / "unsent"


def _store_digest() -> str:
    """Of the address, which may hold a password."""
    from mlflow import get_tracking_uri

    return hashlib.sha256(get_tracking_uri().encode()).hexdigest()


def _sent_together(waiting: Sequence[Message]) -> Iterator[Message]:
    """The first message, and the metrics of the same run that follow it where it is of metrics too."""
    first = waiting[0]
    yield first
    num_values = len(first.content.get("values", ()))
    for message in itertools.islice(waiting, 1, None):
        num_values += len(message.content.get("values", ()))
        if (message.kind, message.run_id) != ("metrics", first.run_id) or first.kind != "metrics":
            return
        if num_values > MOST_VALUES:
            return
        yield message


def settle(messages: Sequence[Message]) -> None:
    """Tells the store, which takes it, or refuses it for good.

    Raises:
        Exception: MLflow's, requests' or SQLAlchemy's: the store does not take it now.
    """
    from mlflow.exceptions import MlflowException

    try:
        _send(messages)
    except MlflowException as error:
        if error.error_code not in REFUSALS:
            raise
        _tell_refused(messages[0], error)
    except OSError as error:
        if type(error).__module__ != "builtins" or isinstance(error, ConnectionError | TimeoutError):
            raise  # requests' errors, and those of sockets
        _tell_refused(messages[0], error)


def _tell_refused(message: Message, error: Exception) -> None:
    log.warning("MLflow refuses %s of run %s: %s. The step goes on.", message.kind, message.run_id, _first_line(error))


def _send(messages: Sequence[Message]) -> None:
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
        client.log_batch(
            run_id,
            metrics=[
                Metric(key, value, message.content["timestamp"], message.content["step"])
                for message in messages
                for key, value in message.content["values"].items()
            ],
        )
    elif kind == "dataset":
        _send_dataset(run_id, content)
    elif kind == "artifacts":
        path = Path(content["path"])
        (client.log_artifacts if path.is_dir() else client.log_artifact)(run_id, str(path), content["folder"])
    else:
        client.set_terminated(run_id, content["status"], content["end_time"])


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
    known = find_run(MlflowClient(), key)
    if known is None:
        raise MlflowException(f"the store has no run of the key {key}", RESOURCE_DOES_NOT_EXIST)
    return known


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
    known = find_run(client, key)
    if known is not None:
        return known
    created: str = client.create_run(
        experiment_id(client, experiment), start_time=start_time, run_name=name, tags={**tags, KEY_TAG: key}
    ).info.run_id
    first = find_run(client, key) or created
    if first != created:
        client.delete_run(created)
    return first


def experiment_id(client: "MlflowClient", name: str) -> str:
    """The experiment of a name: made, or restored if somebody has deleted it.

    Raises:
        MlflowException: the store does not answer, or refuses.
    """
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            made: str = client.create_experiment(name, _artifact_folder())
        except MlflowException as error:
            experiment = client.get_experiment_by_name(name)  # another process may have been faster
            if experiment is None:
                raise error from None
        else:
            return made
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
        log.warning(
            "The MLflow experiment %s had been deleted. It is restored, with its earlier runs, because this "
            "run belongs to it; deploy.model_name chooses another.",
            name,
        )
    known: str = experiment.experiment_id
    return known


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for other stores."""
    kind, _, path = uri.partition(":///")
    return Path(path.partition("?")[0]) if kind.startswith("sqlite") and path else None


def _artifact_folder() -> str | None:
    """Beside the SQLite file; None leaves it to the server."""
    from mlflow import get_tracking_uri

    path = sqlite_file(get_tracking_uri())
    return (path.parent / "artifacts").resolve().as_uri() if path else None


def _send_dataset(run_id: str, content: Mapping[str, str]) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(content["name"], content["digest"][:36], "local", content["source"], profile=content["profile"])
    tags = [InputTag("mlflow.data.context", content["context"])]
    MlflowClient().log_inputs(run_id, datasets=[DatasetInput(dataset, tags)])


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return redact(text.splitlines()[0]) if text else type(error).__name__
