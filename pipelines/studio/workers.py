"""Reads data in separate processes with limited memory and time; if a process crashes, the user gets an error message.

A page needs many small results, so a worker is reused for further tasks. The server and a worker exchange frames. A
frame contains a JSON object and bytes, such as a photo, preceded by the sizes of both.
"""

import contextlib
import json
import os
import select
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from components.contract.foreign.bounded import environment
from components.contract.system import launcher
from components.contract.system.address import remember, remembered_addresses
from pipelines.studio.settings import StudioError

if TYPE_CHECKING:
    import numpy as np

    from components.contract.artifacts.dataset import PixelRange
    from components.contract.image.resize import Resize

MEMORY_BYTES: Final = 4 * 2**30
"""The memory limit (address space) of a worker, which is enough for the largest photo or a million file names."""
MAX_ANSWER_BYTES: Final = 2**30
QUICK_WORKERS: Final = 3
LONG_WORKERS: Final = 2
"""The number of long tasks, such as unpacking, that can run at once; a separate limit, so that photos do not wait."""
WAIT_SECONDS: Final = 10.0
QUICK_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 120.0
"""The time limit for reading a whole folder or table."""
PROBE_SECONDS: Final = 3600.0
"""The time limit for remote data, which is downloaded first; a download that receives no data is aborted earlier."""

SIZES: Final = struct.Struct(">QQ")


@dataclass(frozen=True)
class Answer:
    """The result of a worker: a JSON value and, for some tasks, bytes."""

    value: Any
    content: bytes


class Workers:
    """The workers of a studio."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._slots = {False: threading.Semaphore(QUICK_WORKERS), True: threading.Semaphore(LONG_WORKERS)}
        self._closed = False

    def ask(
        self, work: str, subject: str, content: bytes = b"", *, seconds: float = QUICK_SECONDS, **arguments: Any
    ) -> Answer:
        """Executes a task in a worker.

        Args:
            work: the name of the task in worker.py.
            subject: the content of the task, as named in messages, such as "The photo".
            content: the bytes that the task needs.
            seconds: the time limit; tasks with a limit above QUICK_SECONDS have a separate queue.
            arguments: the other arguments of the task, as JSON values.

        Raises:
            StudioError: no worker was free, or the task failed, took too long, needed too much memory, or crashed the
                worker.
        """
        deadline = time.monotonic() + seconds
        slot = self._slots[seconds > QUICK_SECONDS]
        if not slot.acquire(timeout=min(seconds, QUICK_SECONDS)):
            raise StudioError(f"{subject} cannot be read while other data is being read. Try again in a moment.", 503)
        try:
            worker = self._take()
            try:
                request = {"work": work, "arguments": arguments, "addresses": remembered_addresses()}
                head, answer = worker.ask(request, content, deadline)
            except BaseException as error:
                worker.kill()
                if isinstance(error, TimeoutError):
                    raise StudioError(
                        f"{subject} could not be read within {seconds:,.0f} s. Use less data, "
                        "or check it with darkroom audit.",
                        422,
                    ) from None
                if isinstance(error, EOFError | OSError):
                    raise StudioError(
                        f"{subject} could not be read: the process crashed. The content may be damaged or too large.",
                        422,
                    ) from None
                raise
            self._give_back(worker)
        finally:
            slot.release()
        remember(head.get("addresses", ()))
        if "error" in head:
            raise StudioError(head["error"], head["status"])
        if "limit" in head:
            raise StudioError(
                f"{subject} needs more than {MEMORY_BYTES / 1e9:.1f} GB of memory to be read. Use less data.", 422
            )
        if "bug" in head:
            raise RuntimeError(f"A studio worker failed:\n{head['bug']}")
        return Answer(head["value"], answer)

    def decode(
        self, photo: bytes, size: tuple[int, int], resize: "Resize", pixel_range: "PixelRange | None"
    ) -> "tuple[np.ndarray, tuple[int, int]]":
        """Decodes a photo to uint8 (height, width, 3), RGB; also returns its native (height, width).

        Args:
            photo: the content of the file.
            size: the (height, width) of the result, in pixels.
            resize: how to fit a photo with a different aspect ratio.
            pixel_range: the range of the data set's 16-bit photos. If it is None, because it is not known yet, the
                photo is scaled by its own range.

        Raises:
            StudioError: the file is not a usable photo.
        """
        import numpy as np

        answer = self.ask("decode_photo", "The photo", photo, size=size, resize=resize, pixel_range=pixel_range)
        height, width = answer.value
        return np.frombuffer(answer.content, np.uint8).reshape(*size, 3), (height, width)

    def close(self) -> None:
        """Ends all workers; a busy one ends after its current task."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.kill()

    def _take(self) -> "_Worker":
        with self._lock:
            return self._idle.pop() if self._idle else _Worker()

    def _give_back(self, worker: "_Worker") -> None:
        with self._lock:
            if not self._closed and len(self._idle) < QUICK_WORKERS:
                self._idle.append(worker)
                return
        worker.kill()


class _Worker:
    """A worker process."""

    def __init__(self) -> None:
        command = launcher.python("pipelines.studio.worker", str(MEMORY_BYTES))
        self._process = launcher.converse(command, environment())

    def ask(self, head: Mapping[str, Any], content: bytes, deadline: float) -> tuple[dict[str, Any], bytes]:
        """Sends a frame to the process, and receives a frame from it.

        Raises:
            TimeoutError: the deadline has passed.
            EOFError: the process has ended, or its answer is too large.
        """
        assert self._process.stdin is not None, "stdin and stdout are pipes"
        assert self._process.stdout is not None, "stdin and stdout are pipes"
        write_frame(self._process.stdin, head, content)
        sizes = SIZES.unpack(self._read(SIZES.size, deadline))
        if sum(sizes) > MAX_ANSWER_BYTES:
            raise EOFError("the answer is too large")
        answer: dict[str, Any] = json.loads(self._read(sizes[0], deadline))
        return answer, self._read(sizes[1], deadline)

    def _read(self, num_bytes: int, deadline: float) -> bytes:
        assert self._process.stdout is not None, "stdout is a pipe"
        file, content = self._process.stdout.fileno(), bytearray()
        poll = select.poll()
        poll.register(file, select.POLLIN | select.POLLHUP)
        while len(content) < num_bytes:
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0 or not poll.poll(1000 * seconds_left):
                raise TimeoutError
            chunk = os.read(file, min(2**20, num_bytes - len(content)))
            if not chunk:
                raise EOFError("the process has ended")
            content += chunk
        return bytes(content)

    def kill(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None, "stdin and stdout are pipes"
            pipe.close()
        self._process.wait()


@contextlib.contextmanager
def hold_lock(lock: threading.Lock, subject: str) -> Iterator[None]:
    """Holds a lock; gives up after WAIT_SECONDS, so that the server keeps threads for other requests.

    Raises:
        StudioError: another request still holds the lock.
    """
    if not lock.acquire(timeout=WAIT_SECONDS):
        raise StudioError(f"{subject} is still being read. Try again in a moment.", 503)
    try:
        yield
    finally:
        lock.release()


def write_frame(file: IO[bytes], head: Mapping[str, Any], content: bytes) -> None:
    """Writes a frame: a JSON object and bytes."""
    text = json.dumps(head).encode()
    for part in (SIZES.pack(len(text), len(content)) + text, content):
        view = memoryview(part)
        while view:
            view = view[file.write(view) :]


def read_frame(file: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """Reads a frame that `write_frame` wrote.

    Raises:
        EOFError: the other side has closed the pipe.
    """
    sizes = file.read(SIZES.size)
    if len(sizes) < SIZES.size:
        raise EOFError
    text, content = (file.read(size) for size in SIZES.unpack(sizes))
    return json.loads(text), content


def seconds_to_unpack(archive: Path) -> float:
    """The time limit for unpacking an archive, based on its size; unpacking is aborted earlier if it is too slow."""
    return 600.0 + archive.stat().st_size / 10**6
