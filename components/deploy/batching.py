"""Photos of several requests through the graph together, without waiting for company.

A photo that finds the graph idle goes at once. What arrives while it runs waits, and goes as the next batch: batches
grow with the load, and an idle service answers as fast as it can.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


class Batcher:
    """Runs a function of batches for single photos, in one thread."""

    def __init__(self, run: Callable[[np.ndarray], np.ndarray], max_batch_size: int):
        """Makes a batcher; it starts no work.

        Args:
            run: takes uint8 (n, height, width, 3) and gives an array of n rows.
            max_batch_size: the most photos that go together.
        """
        self._run = run
        self._max_batch_size = max_batch_size
        self._thread = ThreadPoolExecutor(1, "inference")
        self._waiting: deque[tuple[np.ndarray, asyncio.Future[Any]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """The row for one photo.

        Args:
            pixels: uint8 (height, width, 3), RGB.
        """
        loop = asyncio.get_running_loop()
        row: asyncio.Future[np.ndarray] = loop.create_future()
        self._waiting.append((pixels, row))
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        return await row

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch_size))]
            batch = [(pixels, row) for pixels, row in batch if not row.cancelled()]
            if not batch:
                continue
            rows: Any
            try:
                rows = await loop.run_in_executor(self._thread, self._run, np.stack([pixels for pixels, _ in batch]))
            except Exception as error:
                rows = [error] * len(batch)
            for (_, row), value in zip(batch, rows, strict=True):
                if not row.done():
                    row.set_exception(value) if isinstance(value, Exception) else row.set_result(value)
        self._worker = None
