"""Decodes photos in threads, within a budget of memory and time, in an order that is fair to all requests.

Most photos take a few milliseconds and megabytes. They are decoded at once, in threads of their own. A photo that takes
more is recognized by its header and waits its turn: few are decoded at the same time, together within the budget,
in threads of low priority. What never fits is refused by its header alone.
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
"""The small photos in all threads together take at most one part of this many of the budget."""
SMALL_SECONDS: Final = 0.05
MAX_PHOTO_SECONDS: Final = 5.0
MAX_REQUEST_SECONDS: Final = 10.0
"""Estimated time to decode all large photos of one request."""
MAX_WAIT_SECONDS: Final = 10.0
"""Large photos that would wait longer for their turn are shed."""
HEADER_COST: Final = 50_000
"""What looking at a photo costs beside its bytes, in bytes."""
LOW_PRIORITY: Final = 10

Result = TypeVar("Result")


class _LargePhotoError(Exception):
    def __init__(self, cost: DecodeCost):
        self.cost = cost


@dataclass(frozen=True)
class DecodedPhoto:
    """One decoded photo.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, as the graph takes it.
        native_size: (height, width) of the file, in pixels.
        decode_seconds: of processor time that decoding took.
        clipped_share: of the values of a 16-bit photo, those outside the model's pixel range.
    """

    pixels: np.ndarray
    native_size: tuple[int, int]
    decode_seconds: float
    clipped_share: float = 0.0


class Decoder:
    """Decodes the photos of all requests."""

    def __init__(
        self,
        open_photo: Callable[[bytes, Callable[[DecodeCost], None]], Photo],
        num_cores: int,
        max_bytes: int,
    ):
        """Starts no thread yet.

        Args:
            open_photo: decodes a file's content; calls its second argument with the cost before.
            num_cores: small photos are decoded in as many threads, large ones in half of them.
            max_bytes: of memory for large photos that are decoded at the same time.
        """
        self._open_photo = open_photo
        self._max_bytes = max_bytes
        self._max_small_bytes = max_bytes // SMALL_SHARE // num_cores
        self._small = _Lane("decode", num_cores)
        self._large = _Lane("decode-large", max(1, num_cores // 2), max_bytes, low_priority=True)

    async def __call__(self, data: bytes, share: Share) -> DecodedPhoto:
        """Decodes one photo.

        Args:
            data: the file's content.
            share: of the request that it belongs to.

        Raises:
            ImageError: it is not a usable photo, or takes more memory or time than the service has for one.
            RefusedUpload: 413 if the photos of this request take too long, 503 if those of others do.
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
            text = "The service has as many large photos to decode as it can in time; try again in a moment."
            raise RefusedUpload(503, "overloaded", text)

    def _check_photo(self, cost: DecodeCost) -> None:
        """Refuses a photo that never fits."""
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
        start_time = time.thread_time()  # of the processor: a busy machine is not the photo's fault
        photo = self._open_photo(data, admit)
        return DecodedPhoto(photo.pixels, photo.native_size, time.thread_time() - start_time, photo.clipped_share)


@dataclass(frozen=True)
class _Task:
    work: Callable[[], Any]
    result: "asyncio.Future[Any]"
    num_bytes: int


class _Lane:
    """Threads that take work in fair order."""

    def __init__(self, name: str, num_threads: int, max_bytes: int = 0, *, low_priority: bool = False):
        self._threads = ThreadPoolExecutor(num_threads, name, initializer=_lower_priority if low_priority else None)
        self._num_threads = num_threads
        self._max_bytes = max_bytes
        self._queue: FairQueue[_Task] = FairQueue()
        self._num_running = self._num_bytes = 0

    async def run(self, work: Callable[[], Result], share: Share, cost: float, num_bytes: int = 0) -> Result:
        """The result of `work`, in a thread, when it is its turn and its memory is free."""
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
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
