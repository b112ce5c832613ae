"""What may be kept of predictions, so that drift can be seen: never a photo, a file name or an address.

A line of JSON per prediction, in `<day>-<process>.jsonl`: id, label, confidence, brightness, embedding … An embedding
is made from the photo: it tells which photos are alike, and of people it should be treated as personal data. So the log
is off unless a folder is named, and may keep a share of the predictions only.
"""

import base64
import itertools
import logging
import os
import queue
import random
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import numpy as np

from components.contract.errors import DataError, ServiceError
from components.contract.record import BaseRecord
from components.contract.system.budget import Budget, open_regular
from components.deploy.service.settings import ServiceSettings

log = logging.getLogger("bentoml.darkroom")

MAX_WAITING: Final = 1000
"""Predictions that wait to be written; more are left out, so that a slow disk never delays an answer."""
MAX_LINE_BYTES: Final = 2**20
"""Of one prediction; an embedding of 2,048 values takes 6 kB."""
MAX_BYTES: Final = 2**30
"""Of the log of one process; then it keeps nothing more, and says so."""


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

    @property
    def vector(self) -> np.ndarray:
        """The embedding: float32 (features,)."""
        return np.frombuffer(base64.b64decode(self.embedding), "<f2").astype(np.float32)


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
            folder: made where it is missing.
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
        self._queue: queue.Queue[LoggedPrediction | None] = queue.Queue(MAX_WAITING)
        self._num_bytes = 0
        self._has_warned = False
        self._writer = threading.Thread(target=self._write, name="prediction-log", daemon=True)
        self._writer.start()

    def wants_next(self) -> bool:
        """Whether the next prediction is among the share."""
        return self._share >= 1 or self._chance.random() < self._share

    def add(self, prediction: LoggedPrediction) -> None:
        """Keeps a prediction, if there is room."""
        try:
            self._queue.put_nowait(prediction)
        except queue.Full:
            self._warn_once("predictions come faster than the disk takes them")

    def close(self) -> None:
        """Writes what waits."""
        self._queue.put(None)
        self._writer.join(10)

    def _write(self) -> None:
        while (prediction := self._queue.get()) is not None:
            line = prediction.model_dump_json().encode() + b"\n"
            if self._num_bytes + len(line) > MAX_BYTES:
                self._warn_once(f"it has reached {MAX_BYTES // 2**20} MiB")
                continue
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
            log.warning("The prediction log in %s leaves predictions out: %s.", self._folder, reason)


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
            f"The prediction log must go into a folder that can be written; {settings.prediction_log} "
            f"cannot be: {error}."
        ) from None


def read_log(folder: Path, since: date | None = None) -> Iterator[LoggedPrediction]:
    """All predictions in a log folder, or those of the days from `since` on, day by day.

    Raises:
        DataError: there is no such folder, it holds no log, or a line is damaged other than by a kill at its end.
    """
    if not folder.is_dir():
        raise DataError(
            f"A prediction log must be a folder; there is none at {folder}. A service writes one where "
            "`darkroom serve --prediction-log FOLDER` asks for it."
        )
    paths = sorted(folder.glob("*.jsonl"))
    if not paths:
        raise DataError(
            f"A prediction log must hold .jsonl files; there is none in {folder}. Has the service been "
            "asked since it was started with --prediction-log?"
        )
    for path in paths:
        yield from (
            prediction for prediction in _read(path) if since is None or prediction.time.astimezone(UTC).date() >= since
        )


def find(folder: Path, prediction_id: str) -> LoggedPrediction | None:
    """The line of one prediction, None where the log does not hold it."""
    return next((prediction for prediction in read_log(folder) if prediction.id == prediction_id), None)


def _read(path: Path) -> Iterator[LoggedPrediction]:
    budget = Budget(f"The prediction log {path}", "Remove the line, or the file.", max_bytes=MAX_BYTES + MAX_LINE_BYTES)
    try:
        file = open_regular(path)
    except OSError as error:
        raise DataError(f"The prediction log {path} must be readable; it is not: {error.strerror}.") from None
    with file:
        for number in itertools.count(1):
            line = file.readline(MAX_LINE_BYTES + 1)
            budget.spend(len(line))
            if len(line) > MAX_LINE_BYTES:
                raise budget.limit_error(f"have lines of at most {MAX_LINE_BYTES:,} bytes", f"line {number} is longer")
            if not line:
                return
            if line != b"\n":
                yield _parse_line(line, number, path)


def _parse_line(line: bytes, number: int, path: Path) -> LoggedPrediction:
    try:
        prediction = LoggedPrediction.model_validate_json(line)
        prediction.vector  # noqa: B018 what is no base64 of float16 is found here
    except ValueError:  # pydantic's and base64's errors are ValueErrors
        raise DataError(
            f"Each line of a prediction log must be one prediction as JSON; line {number} of {path} is "
            "not. Remove the line, or the file."
        ) from None
    return prediction
