"""Classifies photos from several requests in batches, without waiting to fill a batch, in fair order.

A lane runs one batch at a time. If a lane is idle, a photo is classified at once. Photos that arrive while all lanes
are busy wait and form the next batch, so batches grow with the load. A batch that runs alone uses all cores, so that an
idle service answers as fast as possible; batches that run in parallel share the cores, without waiting for each other
at every layer.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import numpy as np

from components.deploy.service.fair_queue import FairQueue, Share

Row = TypeVar("Row")
Result = TypeVar("Result")

SMOOTHING = 0.2
"""The weight of the newest batch in the measured time per photo."""


class Batcher(Generic[Row]):
    """Collects single photos into batches, and runs a function on these batches in threads."""

    def __init__(self, run: Callable[[np.ndarray, bool], Sequence[Row]], max_batch_size: int, num_lanes: int = 1):
        """Creates a batcher; it starts no work.

        Args:
            run: maps the pixels of a batch, uint8 (n, height, width, 3), to n rows; its second argument is True if no
                other batch is running.
            max_batch_size: the maximum number of photos per batch.
            num_lanes: the maximum number of batches that run at the same time.
        """
        self._run = run
        self._max_batch_size = max_batch_size
        self._num_lanes = num_lanes
        self._threads = ThreadPoolExecutor(num_lanes, "inference")
        self._apart = ThreadPoolExecutor(1, "apart")
        self._queue: FairQueue[tuple[np.ndarray, asyncio.Future[Any]]] = FairQueue()
        self._lanes: set[asyncio.Task[Any] | None] = set()
        self._start_times: dict[asyncio.Task[Any] | None, float] = {}
        self.seconds_per_photo = 0.0
        """The time per photo with all lanes together, smoothed over the last batches; 0 before the first batch."""

    @property
    def busy_seconds(self) -> float:
        """The time since the oldest running batch started; 0 if none is running."""
        return time.monotonic() - min(self._start_times.values()) if self._start_times else 0.0

    async def __call__(self, pixels: np.ndarray, share: Share | None = None) -> Row:
        """Returns the row for one photo.

        Args:
            pixels: uint8 (height, width, 3), RGB.
            share: the queue entry for the photo's request; None to treat the photo as a separate request.
        """
        loop = asyncio.get_running_loop()
        row: asyncio.Future[Row] = loop.create_future()
        self._queue.push((pixels, row), share or Share(), 1.0)
        if len(self._lanes) < self._num_lanes:
            self._lanes.add(loop.create_task(self._work()))
        return await row

    async def apart(self, work: Callable[[], Result]) -> Result:
        """Runs other work that needs the graph, one piece at a time, in parallel with the batches."""
        return await asyncio.get_running_loop().run_in_executor(self._apart, work)

    async def _work(self) -> None:
        """Runs one lane until no photos are waiting."""
        lane = asyncio.current_task()
        while len(self._queue):
            # Only powers of two, because the graph must be prepared for each new batch size.
            size = 1 << (min(len(self._queue), self._max_batch_size).bit_length() - 1)
            batch = [self._queue.pop() for _ in range(size)]
            batch = [(pixels, row) for pixels, row in batch if not row.cancelled()]
            if batch:
                rows = await self._run_batch([pixels for pixels, _ in batch])
                for (_, row), value in zip(batch, rows, strict=True):
                    if not row.done():
                        row.set_exception(value) if isinstance(value, Exception) else row.set_result(value)
        self._lanes.discard(lane)  # immediately: a photo that arrives now must start a new lane

    async def _run_batch(self, batch: list[np.ndarray]) -> Sequence[Any]:
        """Returns one row per photo or, if the batch fails, the same error for each photo."""
        lane, alone = asyncio.current_task(), not self._start_times
        self._start_times[lane] = start_time = time.monotonic()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, np.stack(batch), alone)
        except Exception as error:
            return [error] * len(batch)
        finally:
            del self._start_times[lane]
            seconds = (time.monotonic() - start_time) / len(batch) / len(self._lanes)
            earlier_seconds = self.seconds_per_photo or seconds
            self.seconds_per_photo = earlier_seconds + SMOOTHING * (seconds - earlier_seconds)
