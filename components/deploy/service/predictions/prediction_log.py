"""The prediction log, for detecting drift: it never contains photos, file names or addresses.

Each prediction is a line of JSON in `<day>-<process>.jsonl`: id, label, confidence, brightness, embedding … An
embedding is computed from the photo: it shows which photos are similar, and is personal data if the photo shows people.
Therefore, the log is off unless a folder is set, and it can be limited to a share of the predictions. Feedback is in
`feedback/`.
"""

import base64
import logging
import queue
import random
import tempfile
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
from components.deploy.service.predictions.log_files import MAX_BYTES, DailyFiles, find_line, read_records
from components.deploy.service.protocol import Feedback
from components.deploy.service.settings import ServiceSettings

log = logging.getLogger("bentoml.darkroom")

MAX_WAITING: Final = 1000
"""The maximum number of predictions waiting to be written; more are skipped, so that no response waits for the disk."""


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
    """The values in float16, little-endian, encoded in base64."""

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
    """Decodes an embedding: float32 (features,).

    Raises:
        ValueError: the string is not the base64 encoding of float16 values.
    """
    return np.frombuffer(base64.b64decode(text), "<f2").astype(np.float32)


def pack(embedding: np.ndarray) -> str:
    """Encodes an embedding as base64; values outside the range of float16 are clipped."""
    largest = np.finfo(np.float16).max
    return base64.b64encode(np.clip(embedding, -largest, largest).astype("<f2").tobytes()).decode()


def brightness(pixels: np.ndarray) -> float:
    """The mean of a photo's pixels, from 0 to 255.

    Args:
        pixels: uint8 (height, width, 3), RGB.
    """
    return round(float(pixels.mean()), 2)


class PredictionLog:
    """Writes a share of the predictions in a separate thread, so that a full or slow disk does not affect responses."""

    def __init__(self, folder: Path, share: float, chance: random.Random | None = None):
        """Opens the log.

        Args:
            folder: the folder of the log, which is created if it is missing.
            share: the share of predictions that are logged, from 0 to 1.
            chance: the random number generator that selects the predictions; unpredictable by default.

        Raises:
            OSError: the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        self._folder = folder
        self._files = DailyFiles(folder)
        self._share = share
        self._chance = chance or random.SystemRandom()
        self._feedback = FeedbackBook(folder)
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_WAITING)
        self._num_bytes = 0
        self._has_warned = False
        self._writer = threading.Thread(target=self._work, name="prediction-log", daemon=True)
        self._writer.start()

    def wants_next(self) -> bool:
        """Whether the next prediction is to be logged."""
        return self._share >= 1 or self._chance.random() < self._share

    def add(self, prediction: LoggedPrediction) -> None:
        """Adds a prediction to the queue, if there is room."""
        try:
            self._queue.put_nowait(lambda: self._write(prediction))
        except queue.Full:
            self._warn_once("predictions arrive faster than the disk can write them")

    def add_feedback(self, feedback: Feedback) -> "Future[str]":
        """Adds feedback to the queue; the future returns the predicted label, or raises as `FeedbackBook.add` does.

        Raises:
            RefusedUpload: too many records wait to be written.
        """
        future: Future[str] = Future()

        def write() -> None:
            """Runs in the writer thread, after all earlier predictions have been written."""
            if not future.set_running_or_notify_cancel():  # the request has been canceled
                return
            try:
                future.set_result(self._feedback.add(feedback, self._find_label(feedback.id)))
            except Exception as error:  # raised again in the waiting request
                future.set_exception(error)

        try:
            self._queue.put_nowait(write)
        except queue.Full:
            raise RefusedUpload(503, "overloaded", "The disk is too slow for the prediction log; try again.") from None
        return future

    def close(self) -> None:
        """Writes the predictions in the queue, and stops the thread."""
        self._queue.put(None)
        self._writer.join(10)

    def _work(self) -> None:
        while (write := self._queue.get()) is not None:
            write()

    def _find_label(self, prediction_id: str) -> str | None:
        try:
            line = find_line(self._folder, prediction_id)
            return LoggedPrediction.model_validate_json(line).label if line else None
        except (OSError, ValueError):  # ValueError: a damaged line
            raise RefusedUpload(503, "log_failed", "The prediction log could not be read; try again.") from None

    def _write(self, prediction: LoggedPrediction) -> None:
        line = prediction.model_dump_json().encode() + b"\n"
        if self._num_bytes + len(line) > MAX_BYTES:
            self._warn_once(f"it has reached {MAX_BYTES // 2**20} MiB")
            return
        try:
            self._files.append(prediction.time, line)
            self._num_bytes += len(line)
        except OSError as error:
            self._warn_once(str(error))

    def _warn_once(self, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            log.warning("Some predictions are not logged in %s: %s.", self._folder, reason)


def open_log(settings: ServiceSettings) -> PredictionLog | None:
    """Opens the prediction log if the settings name a folder.

    Raises:
        ServiceError: the folder cannot be written.
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
    """Reads all predictions in a log folder, or those since a date, day by day.

    Raises:
        DataError: the folder does not exist or contains no log, or a line is damaged.
    """
    if not folder.is_dir():
        raise DataError(f"There is no prediction log at {folder}. `darkroom serve --prediction-log FOLDER` writes one.")
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise DataError(
            f"The prediction log {folder} has no .jsonl files. Has the service "
            "answered a request since it was started with --prediction-log?"
        )
    for path in paths:
        yield from (
            prediction
            for prediction in read_records(path, LoggedPrediction)
            if since is None or prediction.time.astimezone(UTC).date() >= since
        )


def find(folder: Path, prediction_id: str) -> LoggedPrediction | None:
    """Finds a prediction; None if the log does not contain it."""
    return next((prediction for prediction in read_log(folder) if prediction.id == prediction_id), None)
