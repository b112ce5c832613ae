"""Sends a step's messages to MLflow in a thread, in order, with retries, so that the store hardly delays the step.

Messages that the store has not accepted when the step ends are kept in the folder `unsent` of the cache; the next step
that logs to the same store sends them.
"""

import hashlib
import itertools
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from components.contract.system.atomic_files import write_file
from components.contract.text import pluralize
from components.contract.tracking.messages import Kind, Message, send
from components.contract.tracking.store import PENDING, reason_of

log = logging.getLogger(__name__)

CALL_SECONDS: Final = 15.0
"""How long a step waits for the answer to one request; for an upload, the time that UPLOAD_RATE implies is added."""
WAIT_SECONDS: Final = 35.0
"""How long a step waits for all requests and uploads in total, not counting the wait at its end."""
CLOSE_SECONDS: Final = 20.0
"""How long a step waits at its end. In total, a step waits for at most about a minute, which includes the wait for the
system metrics of a training run."""
STOP_SECONDS: Final = 5.0
"""How long a step waits at its end if it is being stopped: a pod then has 30 seconds for everything."""
RETRY_SECONDS: Final = 2.0
UPLOAD_RATE: Final = 5e6
"""The assumed upload rate, in bytes per second; the step does not wait longer for a slower store."""
MAX_VALUES_PER_CALL: Final = 1000
"""MLflow's limit for one request."""
AnswerT = TypeVar("AnswerT")


class Outbox:
    """A queue of messages for the store at MLflow's current tracking address."""

    def __init__(self) -> None:
        self._queue: deque[Message] = deque()
        self._condition = threading.Condition()
        self._sender: threading.Thread | None = None
        self._is_failing = False
        self._seconds_left = WAIT_SECONDS
        self._past_warnings: set[str] = set()

    def put(self, run_id: str, kind: Kind, content: Mapping[str, Any]) -> Message:
        """Queues a message without waiting."""
        message = Message(run_id, kind, dict(content))
        with self._condition:
            self._queue.append(message)
            if self._sender is None:
                self._sender = threading.Thread(target=self._work, name="mlflow", daemon=True)
                self._sender.start()
        return message

    def wait_for(self, message: Message, num_bytes: int = 0) -> None:
        """Waits a limited time until a message is settled, longer for a large upload; gives up if sending fails."""
        if not self._wait_until(lambda: message.is_settled or self._is_failing, num_bytes / UPLOAD_RATE):
            self._warn_once("MLflow is slow to log %s of run %s. The step continues.", message.kind, message.run_id)

    def ask(self, question: Callable[[], AnswerT], otherwise: AnswerT) -> AnswerT:
        """The store's answer to a request, or `otherwise` if the store does not answer in time or the request fails."""
        answers: list[AnswerT] = []

        def work() -> None:
            answer = otherwise
            try:
                answer = question()
            except Exception as error:  # MLflow raises its own errors, and those of requests and SQLAlchemy
                self._warn_once("MLflow did not answer: %s. The step continues.", reason_of(error))
            with self._condition:
                answers.append(answer)
                self._condition.notify_all()

        threading.Thread(target=work, name="mlflow-question", daemon=True).start()
        if not self._wait_until(lambda: bool(answers)):
            self._warn_once("MLflow is slow to answer. The step continues.")
        return answers[0] if answers else otherwise

    def close(self, *, hurried: bool = False) -> None:
        """Waits a limited time until all messages are sent; writes unsent messages to the cache for the next step."""
        with self._condition:
            # The store did not answer at the start of the run, so the run has no id in the store yet.
            is_store_away = bool(self._queue) and self._queue[0].run_id.startswith(PENDING)
            seconds = STOP_SECONDS if hurried or is_store_away else CLOSE_SECONDS
            if self._condition.wait_for(lambda: not self._queue, seconds):
                return
            unsent = list(self._queue)
            self._queue.clear()
        log.warning(
            "MLflow did not accept %s of run %s within %.0f s. The step's output is complete; %s.",
            pluralize(len(unsent), "record"),
            unsent[0].run_id,
            seconds,
            _store_for_later(unsent),
        )

    def _wait_until(self, condition: Callable[[], bool], more_seconds: float = 0.0) -> bool:
        start_time = time.monotonic()
        with self._condition:
            is_met = self._condition.wait_for(condition, min(CALL_SECONDS, self._seconds_left) + more_seconds)
        self._seconds_left -= min(max(0.0, time.monotonic() - start_time - more_seconds), self._seconds_left)
        return is_met

    def _warn_once(self, text: str, *values: object) -> None:
        if text not in self._past_warnings:
            self._past_warnings.add(text)
            log.warning(text, *values)

    def _work(self) -> None:
        while True:
            with self._condition:
                if not self._queue:
                    self._sender = None
                    return
                messages = list(_next_batch(self._queue))
            has_failed = False
            try:
                send(messages)
            except Exception as error:  # as in `ask`: any error from MLflow, requests or SQLAlchemy
                has_failed = True
                self._warn_once(
                    "MLflow did not accept %s of run %s: %s. Retrying; the step continues.",
                    messages[0].kind,
                    messages[0].run_id,
                    reason_of(error),
                )
            with self._condition:
                self._is_failing = has_failed
                for message in () if has_failed else messages:
                    if self._queue and self._queue[0] is message:
                        self._queue.popleft()
                    message.is_settled = True
                self._condition.notify_all()
            if has_failed:
                time.sleep(RETRY_SECONDS)


def send_unsent(wait_seconds: float = 0.0) -> None:
    """Sends, in the background, what earlier steps could not send to this store; waits at most `wait_seconds`."""
    paths = sorted(_unsent_dir().glob("*.jsonl"))
    if paths:
        sender = threading.Thread(target=_resend, args=(paths,), name="mlflow-unsent", daemon=True)
        sender.start()
        sender.join(wait_seconds)


def move_unsent(old_path: Path, new_path: Path) -> None:
    """Updates the paths of the files that wait to be sent, after their folder has been moved."""
    old_text, new_text = (json.dumps(str(path.absolute()))[:-1] for path in (old_path, new_path))
    for path in _unsent_dir().glob("*.jsonl"):
        text = path.read_text(encoding="utf-8")
        if old_text in text:
            text = text.replace(f'{old_text}"', f'{new_text}"').replace(f"{old_text}/", f"{new_text}/")
            write_file(path, text.encode())


def _resend(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            head, *lines = path.read_text(encoding="utf-8").splitlines()
            if json.loads(head)["store"] != _store_digest():
                continue
            waiting = deque(Message(**json.loads(line)) for line in lines)
            while waiting:
                messages = list(_next_batch(waiting))
                send(messages)
                for _ in messages:
                    waiting.popleft()
            path.unlink()
        except Exception as error:  # as in `ask`; sending a message twice does no harm
            log.warning("MLflow does not accept the records in %s yet: %s.", path, reason_of(error))
            return
        log.info("Sent %s of an earlier step to MLflow.", pluralize(len(lines), "record"))


def _store_for_later(messages: Sequence[Message]) -> str:
    """Writes messages to the cache; returns a clause for the warning that states what happens to them."""
    rows = [
        {"store": _store_digest()},
        *({"run_id": message.run_id, "kind": message.kind, "content": message.content} for message in messages),
    ]
    path = _unsent_dir() / f"{time.time_ns()}.jsonl"
    try:
        write_file(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
    except OSError as error:
        return f"the records could not be stored for later: {error}"
    return f"the next step that logs to MLflow sends the records from {path}"


def _unsent_dir() -> Path:
    from components.contract.system.cache import cache_dir

    return cache_dir() / "unsent"


def _store_digest() -> str:
    """A digest of the store's address; the address itself is not written, because it may contain a password."""
    from mlflow import get_tracking_uri

    return hashlib.sha256(get_tracking_uri().encode()).hexdigest()


def _next_batch(waiting: Sequence[Message]) -> Iterator[Message]:
    """The first message and, if it contains metrics, the metrics of the same run that follow it directly."""
    first = waiting[0]
    yield first
    num_values = len(first.content.get("values", ()))
    for message in itertools.islice(waiting, 1, None):
        num_values += len(message.content.get("values", ()))
        if (message.kind, message.run_id) != ("metrics", first.run_id) or first.kind != "metrics":
            return
        if num_values > MAX_VALUES_PER_CALL:
            return
        yield message
