"""Photos of several requests through the graph together, without waiting for company, in fair order.

A photo that finds a lane idle goes at once. What arrives while all run waits, and goes as the next batch: batches grow
with the load. A batch that is alone has all cores, so that an idle service answers as fast as it can; those that run
beside each other share them, without waiting for each other at every layer.
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
    """Runs a function of batches for single photos, in threads."""

    def __init__(self, run: Callable[[np.ndarray, bool], Sequence[Row]], max_batch_size: int, num_lanes: int = 1):
        """Makes a batcher; it starts no work.

        Args:
            run: takes uint8 (n, height, width, 3), and whether no other batch runs as it begins; gives n rows.
            max_batch_size: the most photos that go together.
            num_lanes: the most batches that run at once.
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
        """After how long the next photo would go, for each that waits, smoothed over the last batches; 0 at first."""

    @property
    def busy_seconds(self) -> float:
        """How long the oldest batch has been running; 0 if there is none."""
        return time.monotonic() - min(self._start_times.values()) if self._start_times else 0.0

    async def __call__(self, pixels: np.ndarray, share: Share | None = None) -> Row:
        """The row for one photo.

        Args:
            pixels: uint8 (height, width, 3), RGB.
            share: of the request that it belongs to; None if it is a request of its own.
        """
        loop = asyncio.get_running_loop()
        row: asyncio.Future[Row] = loop.create_future()
        self._queue.push((pixels, row), share or Share(), 1.0)
        if len(self._lanes) < self._num_lanes:
            self._lanes.add(loop.create_task(self._work()))
        return await row

    async def apart(self, work: Callable[[], Result]) -> Result:
        """Other work of the graph, one piece at a time, beside the batches."""
        return await asyncio.get_running_loop().run_in_executor(self._apart, work)

    async def _work(self) -> None:
        """One lane, until nobody waits."""
        lane = asyncio.current_task()
        while len(self._queue):
            # Powers of two alone: a graph prepares itself again for each size that it has not seen.
            size = 1 << (min(len(self._queue), self._max_batch_size).bit_length() - 1)
            batch = [self._queue.pop() for _ in range(size)]
            batch = [(pixels, row) for pixels, row in batch if not row.cancelled()]
            if batch:
                rows = await self._run_batch([pixels for pixels, _ in batch])
                for (_, row), value in zip(batch, rows, strict=True):
                    if not row.done():
                        row.set_exception(value) if isinstance(value, Exception) else row.set_result(value)
        self._lanes.discard(lane)  # at once: a photo that comes now must begin another

    async def _run_batch(self, batch: list[np.ndarray]) -> Sequence[Any]:
        """A row for each photo, or what went wrong."""
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
