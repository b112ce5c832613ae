"""Decodes photos in threads, within a budget of memory and time, and in an order that is fair to all requests.

Most photos need a few milliseconds and megabytes; a separate thread pool decodes them immediately. Photos that need
more are recognized by their headers and wait in a queue: only a few are decoded at the same time, within the budget and
in low-priority threads. A photo whose header shows that it exceeds the budget is rejected without being decoded.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import numpy as np

from components.contract.errors import ImageError
from components.contract.image.decode import Photo
from components.contract.image.decoding_cost import DecodeCost, accept_any
from components.deploy.service.fair_queue import FairQueue, Share
from components.deploy.service.gateway.upload import RefusedUpload

SMALL_SHARE: Final = 4
"""The small photos that are decoded at the same time use at most the memory budget divided by this number in total."""
SMALL_SECONDS: Final = 0.05
MAX_PHOTO_SECONDS: Final = 5.0
MAX_REQUEST_SECONDS: Final = 10.0
"""The maximum estimated time to decode all large photos of one request."""
MAX_WAIT_SECONDS: Final = 10.0
"""Large photos that would wait longer are rejected with status 503."""
HEADER_COST: Final = 50_000
"""The cost of inspecting any photo, in bytes; the size of its file is added."""
LOW_PRIORITY: Final = 10

Result = TypeVar("Result")


class _LargePhotoError(Exception):
    def __init__(self, cost: DecodeCost):
        self.cost = cost


@dataclass(frozen=True)
class DecodedPhoto:
    """One decoded photo.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, at the size of the graph's input.
        native_size: (height, width) of the original photo, in pixels.
        decode_seconds: the processor time for decoding.
        clipped_share: for a 16-bit photo, the share of values outside the model's pixel range.
    """

    pixels: np.ndarray
    native_size: tuple[int, int]
    decode_seconds: float
    clipped_share: float = 0.0


class Decoder:
    """Decodes the photos from all requests."""

    def __init__(
        self,
        open_photo: Callable[[bytes, Callable[[DecodeCost], None]], Photo],
        num_cores: int,
        max_bytes: int,
    ):
        """Creates a decoder; no thread is started yet.

        Args:
            open_photo: decodes the content of a file; first calls its second argument with the cost.
            num_cores: the number of threads for small photos; there are half as many for large photos.
            max_bytes: the maximum memory for large photos that are decoded at the same time.
        """
        self._open_photo = open_photo
        self._max_bytes = max_bytes
        self._max_small_bytes = max_bytes // SMALL_SHARE // num_cores
        self._small = _Lane("decode", num_cores)
        self._large = _Lane("decode-large", max(1, num_cores // 2), max_bytes, low_priority=True)

    async def __call__(self, data: bytes, share: Share) -> DecodedPhoto:
        """Decodes one photo.

        Args:
            data: the content of the file.
            share: the queue entry for the photo's request.

        Raises:
            ImageError: the file is not a usable photo, or needs more memory or time than is allowed for one photo.
            RefusedUpload: with status 413 if the photos of this request take too long to decode; with status 503 if the
                large photos that come first take too long.
        """
        try:
            work = partial(self._decode, data, self._require_small)
            return await self._small.run(work, share, HEADER_COST + len(data))
        except _LargePhotoError as large:
            cost = large.cost
        self._admit(cost, share)
        share.num_waiting -= 1
        try:
            work = partial(self._decode, data, accept_any)
            photo = await self._large.run(work, share, cost.seconds, cost.num_bytes)
        finally:
            share.num_waiting += 1
        share.decode_seconds += max(0.0, photo.decode_seconds - cost.seconds)
        return photo

    def _admit(self, cost: DecodeCost, share: Share) -> None:
        self._check_photo(cost)
        share.decode_seconds += cost.seconds
        if share.decode_seconds > MAX_REQUEST_SECONDS:
            text = (
                f"Decoding the photos of one request must take at most about {MAX_REQUEST_SECONDS:.0f} s; these take "
            )
            raise RefusedUpload(413, "too_large", text + "longer. Send smaller copies, or fewer photos in one request.")
        if self._large.seconds_before(share, cost.seconds) > MAX_WAIT_SECONDS:
            text = "The service has too many large photos to decode this one in time; try again in a moment."
            raise RefusedUpload(503, "overloaded", text)

    def _check_photo(self, cost: DecodeCost) -> None:
        """Rejects a photo that exceeds a limit."""
        if cost.num_bytes > self._max_bytes:
            limit_text = f"{self._max_bytes / 2**20:,.0f} MiB of memory"
            need_text = f"{cost.num_bytes / 2**20:,.0f} MiB"
        elif cost.seconds > MAX_PHOTO_SECONDS:
            limit_text, need_text = f"about {MAX_PHOTO_SECONDS:.0f} s", f"about {cost.seconds:.0f} s"
        else:
            return
        text = f"Decoding a photo must take at most {limit_text}; {cost.text} needs {need_text}."
        raise ImageError("too_large", f"{text} Send a smaller copy, or a JPEG that is not progressive.")

    def _require_small(self, cost: DecodeCost) -> None:
        if cost.num_bytes > self._max_small_bytes or cost.seconds > SMALL_SECONDS:
            raise _LargePhotoError(cost)

    def _decode(self, data: bytes, admit: Callable[[DecodeCost], None]) -> DecodedPhoto:
        start_time = time.thread_time()  # processor time, which does not depend on the load of the machine
        photo = self._open_photo(data, admit)
        return DecodedPhoto(photo.pixels, photo.native_size, time.thread_time() - start_time, photo.clipped_share)


@dataclass(frozen=True)
class _Task:
    work: Callable[[], Any]
    result: "asyncio.Future[Any]"
    num_bytes: int


class _Lane:
    """A thread pool that runs work in fair order."""

    def __init__(self, name: str, num_threads: int, max_bytes: int = 0, *, low_priority: bool = False):
        self._threads = ThreadPoolExecutor(num_threads, name, initializer=_lower_priority if low_priority else None)
        self._num_threads = num_threads
        self._max_bytes = max_bytes
        self._queue: FairQueue[_Task] = FairQueue()
        self._num_running = self._num_bytes = 0

    async def run(self, work: Callable[[], Result], share: Share, cost: float, num_bytes: int = 0) -> Result:
        """Runs `work` in a thread when it is its turn and enough memory is free; returns its result."""
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.push(_Task(work, result, num_bytes), share, cost)
        self._dispatch()
        try:
            return await result
        finally:
            if result.cancelled():
                self._queue.remove(lambda task: task.result.cancelled())

    def seconds_before(self, share: Share, cost: float) -> float:
        return self._queue.cost_before(share, cost) / self._num_threads

    def _dispatch(self) -> None:
        while len(self._queue) and self._num_running < self._num_threads:
            if self._num_bytes + self._queue.first.num_bytes > self._max_bytes and self._num_bytes:
                return
            task = self._queue.pop()
            if task.result.cancelled():
                continue
            self._num_running += 1
            self._num_bytes += task.num_bytes
            future = task.result.get_loop().run_in_executor(self._threads, task.work)
            future.add_done_callback(partial(self._finish, task))

    def _finish(self, task: _Task, future: "asyncio.Future[Any]") -> None:
        self._num_running -= 1
        self._num_bytes -= task.num_bytes
        error = future.exception()
        if not task.result.done():
            task.result.set_exception(error) if error is not None else task.result.set_result(future.result())
        self._dispatch()


def _lower_priority() -> None:
    if sys.platform == "linux":  # other systems have no priority per thread
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
