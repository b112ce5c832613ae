"""Limits for untrusted input: bytes, members, seconds and memory.

Archives, tables, binary files, downloads, prediction logs and folders may come from anyone. A reader counts what it
actually reads against a budget, regardless of what the file's header claims. If the input exceeds its budget, an
error that names the limit is raised.
"""

import errno
import functools
import os
import resource
import stat
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, Final, TypeVar

from components.contract.errors import DarkroomError, DataError
from components.contract.text import pluralize

MAX_MEMBERS: Final = 1_000_000
MAX_MEMORY_BYTES: Final = 2**29
"""Memory for the metadata of one input, such as the names of its members."""

START_SECONDS: Final = 30.0
BYTES_PER_SECOND: Final = 10**6
MEMBERS_PER_SECOND: Final = 100
"""Even a slow disk exceeds both rates by far; input that is slower is designed to keep the reader busy."""

POLL_SECONDS: Final = 0.2

T = TypeVar("T")


@dataclass
class Budget:
    """The limits of one input, and what has been read so far.

    Attributes:
        subject: the input, for messages, such as "The archive photos.zip".
        advice: what the user can do if the input exceeds a limit.
        max_bytes: the maximum size of the content.
        max_members: the maximum number of files and folders, rows, pictures or keys.
        max_memory_bytes: see MAX_MEMORY_BYTES.
        start_seconds: the time allowed for any input; more time is allowed as content is read.
        bytes_per_second: the slowest acceptable rate for content.
        members_per_second: the slowest acceptable rate for members.
        basis: the reason for `max_bytes`, for the message.
        members: what the members are called in messages.
        error: the class of the error that is raised.
    """

    subject: str
    advice: str
    max_bytes: int = sys.maxsize
    max_members: int = MAX_MEMBERS
    max_memory_bytes: int = MAX_MEMORY_BYTES
    start_seconds: float = START_SECONDS
    bytes_per_second: float = BYTES_PER_SECOND
    members_per_second: float = MEMBERS_PER_SECOND
    basis: str = ""
    members: str = "files and folders"
    error: type[DarkroomError] = DataError
    num_bytes: int = field(default=0, init=False)
    num_members: int = field(default=0, init=False)
    memory_bytes: int = field(default=0, init=False)
    _start_time: float = field(default_factory=time.monotonic, init=False)

    def spend(self, num_bytes: int = 0, *, num_members: int = 0, memory_bytes: int = 0) -> None:
        """Counts what has been read.

        Raises:
            DarkroomError: of the class `error`, if a limit is exceeded.
        """
        self.num_bytes += num_bytes
        self.num_members += num_members
        self.memory_bytes += memory_bytes
        if self.num_bytes > self.max_bytes:
            raise self.limit_error(f"contain at most {self.max_bytes:,} bytes{self.basis}", "it contains more")
        if self.num_members > self.max_members:
            raise self.limit_error(f"contain at most {self.max_members:,} {self.members}", "it contains more")
        if self.memory_bytes > self.max_memory_bytes:
            raise self.limit_error(
                f"need at most {self.max_memory_bytes / 1e6:,.0f} MB of memory to be listed",
                f"it needs more after {self.num_members:,} {self.members}",
            )
        self.check_pace()

    def check_pace(self) -> None:
        """Checks that the input is not so slow that it only keeps the reader busy.

        Raises:
            DarkroomError: of the class `error`, if the input is that slow.
        """
        allowed_seconds = (
            self.start_seconds + self.num_bytes / self.bytes_per_second + self.num_members / self.members_per_second
        )
        elapsed = time.monotonic() - self._start_time
        if elapsed > allowed_seconds:
            raise self.limit_error(
                f"be read within {allowed_seconds:,.0f} s",
                f"only {pluralize(self.num_bytes, 'byte')} had arrived after {elapsed:,.0f} s",
            )

    def limit_error(self, limit: str, state: str) -> DarkroomError:
        """The error for input that exceeds a limit; its message contains the limit and what was found."""
        return self.error(f"{self.subject} must {limit}; {state}. {self.advice}")

    def wait_for(self, work: Callable[[], T], seconds: float) -> T:
        """Runs work that cannot be interrupted, such as a library call, within limits on time and memory.

        Work that exceeds a limit continues in a daemon thread, which ends with the process at the latest.

        Raises:
            DarkroomError: of the class `error`, if the work exceeds a limit. Errors of the work are raised unchanged.
        """
        outcome: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(work())
            except BaseException as error:  # raised again in the thread that waits
                failure.append(error)

        thread = threading.Thread(target=run, daemon=True)
        deadline, peak = time.monotonic() + seconds, _peak_memory()
        thread.start()
        while thread.is_alive():
            thread.join(POLL_SECONDS)
            if thread.is_alive() and time.monotonic() > deadline:
                raise self.limit_error(f"answer within {seconds:,.0f} s", "it did not")
            if _peak_memory() - peak > 4 * self.max_memory_bytes:
                raise self.limit_error(
                    f"be listed in at most {4 * self.max_memory_bytes / 1e6:,.0f} MB of memory", "it needs more"
                )
        if failure:
            raise failure[0]
        return outcome[0]


class PacedFile:
    """An open file that checks the reading rate against its budget each time a decompressor reads from it."""

    def __init__(self, file: IO[bytes], budget: Budget):
        self._file = file
        self._budget = budget

    def read(self, size: int = -1) -> bytes:
        """Reads at most `size` bytes, or all remaining bytes if `size` is negative.

        Raises:
            DarkroomError: reading takes longer than the budget allows.
        """
        self._budget.check_pace()
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a position, and returns it in bytes."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The current position, in bytes."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Whether `seek` can be called: always."""
        return True


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading, but only a regular file: a pipe could block forever, and a device may never end.

    Raises:
        OSError: the file cannot be opened, or is not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_dev in _kernel_devices():
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a folder, pipe or device, not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


@functools.cache
def _kernel_devices() -> frozenset[int]:
    """The device numbers of /proc and /sys: the kernel generates their files; reading them may block or never end."""
    return frozenset(Path(folder).stat().st_dev for folder in ("/proc", "/sys") if Path(folder).is_dir())


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Reads a regular file, up to the size that it has when it is opened.

    Raises:
        OSError: the file cannot be read, is not a regular file, or is larger than `max_bytes`.
    """
    with open_regular(path) as file:
        num_bytes = os.fstat(file.fileno()).st_size
        if num_bytes > max_bytes:
            raise OSError(errno.EFBIG, f"it has {num_bytes:,} bytes, more than the limit of {max_bytes:,}", str(path))
        return file.read(num_bytes)


def _peak_memory() -> int:
    """The peak resident memory of this process, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
