"""Photos of several requests through the graph together, without waiting for company.

A photo that finds the graph idle goes at once. What arrives while it runs waits, and goes as the next batch: batches
grow with the load, and an idle service answers as fast as it can.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np

Row = TypeVar("Row")
Result = TypeVar("Result")

SMOOTHING = 0.2
"""The weight of the newest batch in the measured time per photo."""


class Batcher(Generic[Row]):
    """Runs a function of batches for single photos, in one thread."""

    def __init__(self, run: Callable[[np.ndarray], Sequence[Row]], max_batch_size: int):
        """Makes a batcher; it starts no work.

        Args:
            run: takes uint8 (n, height, width, 3) and gives n rows.
            max_batch_size: the most photos that go together.
        """
        self._run = run
        self._max_batch_size = max_batch_size
        self._thread = ThreadPoolExecutor(1, "inference")
        self._waiting: deque[tuple[np.ndarray, asyncio.Future[Any]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._batch_started: float | None = None
        self.seconds_per_photo = 0.0
        """What a photo costs in the graph, smoothed over the last batches; 0 before the first."""

    @property
    def busy_seconds(self) -> float:
        """How long the batch in the graph has been there; 0 where there is none."""
        return 0.0 if self._batch_started is None else time.monotonic() - self._batch_started

    async def __call__(self, pixels: np.ndarray) -> Row:
        """The row for one photo.

        Args:
            pixels: uint8 (height, width, 3), RGB.
        """
        loop = asyncio.get_running_loop()
        row: asyncio.Future[Row] = loop.create_future()
        self._waiting.append((pixels, row))
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        return await row

    async def between(self, work: Callable[[], Result]) -> Result:
        """Other work of the graph, which is run in the same thread, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            # Powers of two alone: a graph prepares itself anew for each size that it has not seen.
            size = 1 << (min(len(self._waiting), self._max_batch_size).bit_length() - 1)
            batch = [self._waiting.popleft() for _ in range(size)]
            batch = [(pixels, row) for pixels, row in batch if not row.cancelled()]
            if not batch:
                continue
            rows: Any
            self._batch_started = time.monotonic()
            try:
                rows = await loop.run_in_executor(self._thread, self._run, np.stack([pixels for pixels, _ in batch]))
            except Exception as error:
                rows = [error] * len(batch)
            self._note(self.busy_seconds / len(batch))
            for (_, row), value in zip(batch, rows, strict=True):
                if not row.done():
                    row.set_exception(value) if isinstance(value, Exception) else row.set_result(value)
        self._worker = None

    def _note(self, seconds_per_photo: float) -> None:
        self._batch_started = None
        before = self.seconds_per_photo or seconds_per_photo
        self.seconds_per_photo = before + SMOOTHING * (seconds_per_photo - before)
