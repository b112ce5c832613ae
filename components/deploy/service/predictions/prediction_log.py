"""What may be kept of predictions, so that drift can be seen: never a photo, a file name or an address.

A line of JSON per prediction, in `<day>-<process>.jsonl`: id, label, confidence, brightness, embedding … An embedding
is made from the photo: it shows which photos are similar, and is personal data if the photo shows people. So the log
is off unless a folder is named, and may keep a share of the predictions only. Feedback is in `feedback/`.
"""

import base64
import logging
import os
import queue
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import field_validator

from components.contract.errors import DataError, ServiceError
from components.contract.record import BaseRecord
from components.deploy.service.gateway.upload import RefusedUpload
from components.deploy.service.predictions.feedback import FeedbackBook
from components.deploy.service.predictions.log_files import MAX_BYTES, find_line, read_records
from components.deploy.service.protocol import Feedback
from components.deploy.service.settings import ServiceSettings

log = logging.getLogger("bentoml.darkroom")

MAX_WAITING: Final = 1000
"""Predictions that wait to be written; more are left out, so that a slow disk never delays an answer."""


class LoggedPrediction(BaseRecord):
    """A line of the log."""

    id: str
    time: datetime
    bento: str
    label: str
    confidence: float
    abstained: bool
    unfamiliar: float | None
    brightness: float
    """The mean of all pixels, from 0 to 255."""
    embedding: str
    """float16, little-endian, in base64."""

    @field_validator("embedding")
    @classmethod
    def _check_embedding(cls, text: str) -> str:
        unpack(text)
        return text

    @property
    def vector(self) -> np.ndarray:
        """The embedding: float32 (features,)."""
        return unpack(self.embedding)


def unpack(text: str) -> np.ndarray:
    """An embedding from its text: float32 (features,).

    Raises:
        ValueError: the text is not base64 of float16 values.
    """
    return np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32)


def pack(embedding: np.ndarray) -> str:
    """An embedding as text; what float16 cannot hold is cut to its range."""
    largest = np.finfo(np.float16).max
    return base64.b64encode(np.clip(embedding, -largest, largest).astype("<f2").tobytes()).decode()


def brightness(pixels: np.ndarray) -> float:
    """The mean of a photo's pixels, from 0 to 255.

    Args:
        pixels: uint8 (height, width, 3), RGB.
    """
    return round(float(pixels.mean()), 2)


class PredictionLog:
    """Writes a share of the predictions in a thread of its own; a full or slow disk costs lines, not answers."""

    def __init__(self, folder: Path, share: float, chance: random.Random | None = None):
        """Opens the log.

        Args:
            folder: made if it is missing.
            share: of the predictions, from 0 to 1.
            chance: decides which; by default one that nobody can foresee.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
        self._folder = folder
        self._share = share
        self._chance = chance or random.SystemRandom()
        self._feedback = FeedbackBook(folder)
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_WAITING)
        self._num_bytes = 0
        self._has_warned = False
        self._writer = threading.Thread(target=self._work, name="prediction-log", daemon=True)
        self._writer.start()

    def wants_next(self) -> bool:
        """Whether the next prediction is among the share."""
        return self._share >= 1 or self._chance.random() < self._share

    def add(self, prediction: LoggedPrediction) -> None:
        """Keeps a prediction, if there is room."""
        try:
            self._queue.put_nowait(lambda: self._write(prediction))
        except queue.Full:
            self._warn_once("predictions arrive faster than the disk can write them")

    def add_feedback(self, feedback: Feedback) -> "Future[str]":
        """Keeps feedback; the result is the label that was predicted, or an error as of `FeedbackBook.add`.

        Raises:
            RefusedUpload: too much waits to be written.
        """
        future: Future[str] = Future()

        def write() -> None:
            """In the thread that has written all predictions of before."""
            try:
                line = find_line(self._folder, feedback.id)
                predicted_label = LoggedPrediction.model_validate_json(line).label if line else None
                future.set_result(self._feedback.add(feedback, predicted_label))
            except Exception as error:  # the waiting request raises it
                future.set_exception(error)

        try:
            self._queue.put_nowait(write)
        except queue.Full:
            raise RefusedUpload(503, "overloaded", "More waits to be written than the disk takes; try again.") from None
        return future

    def close(self) -> None:
        """Writes what waits."""
        self._queue.put(None)
        self._writer.join(10)

    def _work(self) -> None:
        while (write := self._queue.get()) is not None:
            write()

    def _write(self, prediction: LoggedPrediction) -> None:
        line = prediction.model_dump_json().encode() + b"\n"
        if self._num_bytes + len(line) > MAX_BYTES:
            self._warn_once(f"it has reached {MAX_BYTES // 2**20} MiB")
            return
        try:
            path = self._folder / f"{prediction.time:%Y%m%d}-{os.getpid()}.jsonl"
            with path.open("ab", buffering=0) as file:
                file.write(line)  # one write, so that a kill leaves whole lines
            self._num_bytes += len(line)
        except OSError as error:
            self._warn_once(str(error))

    def _warn_once(self, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning("Some predictions are not logged in %s: %s.", self._folder, reason)


def open_log(settings: ServiceSettings) -> PredictionLog | None:
    """The prediction log that the settings ask for.

    Raises:
        ServiceError: its folder cannot be written.
    """
    if settings.prediction_log is None:
        return None
    try:
        return PredictionLog(settings.prediction_log, settings.log_share)
    except OSError as error:
        raise ServiceError(
            f"The prediction log needs a writable folder; {settings.prediction_log} is not writable: {error}."
        ) from None


def read_log(folder: Path, since: date | None = None) -> Iterator[LoggedPrediction]:
    """All predictions in a log folder, or those of the days from `since` on, day by day.

    Raises:
        DataError: there is no such folder, it holds no log, or a line is damaged other than by a kill at its end.
    """
    if not folder.is_dir():
        raise DataError(
            f"A prediction log must be a folder; {folder} is not. `darkroom serve --prediction-log FOLDER` writes one."
        )
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise DataError(
            f"A prediction log must contain .jsonl files; there are none in {folder}. Has the service "
            "answered a request since it was started with --prediction-log?"
        )
    for path in paths:
        yield from (
            prediction
            for prediction in read_records(path, LoggedPrediction)
            if since is None or prediction.time.astimezone(UTC).date() >= since
        )


def find(folder: Path, prediction_id: str) -> LoggedPrediction | None:
    """The line of one prediction, None if the log does not hold it."""
    return next((prediction for prediction in read_log(folder) if prediction.id == prediction_id), None)
