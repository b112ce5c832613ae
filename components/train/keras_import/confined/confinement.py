"""Confines a process that reads an untrusted model: limits memory, time and files; blocks network and new processes.

A confined process runs one of our own programs. It locks itself down before it reads a byte of the upload, and
processes the upload within `handle`: any failure there rejects the upload with a reason. A failure before `handle` is a
bug. The process is subject to
- resource limits: address space, processor time, file size, open files, no core dump;
- Landlock: files can be written, created and removed in only one folder, and signals reach no other process;
- seccomp: no sockets, no new processes or programs, no tracing, no changes to owners and permissions.
The last two require Linux. If the kernel lacks them, the resource limits still apply, and `lock_down` returns what the
system cannot prevent.
"""

import ctypes
import errno
import logging
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.contract.errors import UploadError
from components.contract.system import launcher
from components.train.keras_import.confined.landlock import fence_writes
from components.train.keras_import.confined.seccomp import filter_calls

log = logging.getLogger(__name__)

REFUSED: Final = 3
"""The exit code of a confined program that rejects the upload; the reason is the last line of its output."""

ROOT: Final = Path(__file__).parents[4]

_STARTED: Final = "handling-started"
"""The file that a confined program creates right before it handles the upload."""


@dataclass(frozen=True)
class Confinement:
    """The limits of a confined process.

    Attributes:
        folder: the only folder that it may write to.
        memory_bytes: the maximum address space.
        cpu_seconds: the maximum processor time.
        max_file_bytes: the maximum size of each file that it writes.
        timeout_seconds: the maximum wall-clock time, enforced by the parent.
    """

    folder: Path
    memory_bytes: int
    cpu_seconds: int
    max_file_bytes: int
    timeout_seconds: int


def run_confined(module: str, arguments: list[str], confinement: Confinement) -> None:
    """Runs one of our programs on an upload; the program must first call `enter` with its arguments, then `handle`.

    Raises:
        UploadError: the program rejected the upload, or failed while it handled it.
        RuntimeError: the program failed before it handled the upload, which is a bug.
    """
    command = launcher.python(module, *_as_arguments(confinement), *arguments, user_site=False)
    output_path, started_path = confinement.folder / "output.log", confinement.folder / _STARTED
    started_path.unlink(missing_ok=True)
    with output_path.open("wb") as output:
        child = launcher.start(
            command, stdout=output, stderr=output, env=_environment(confinement.folder), cwd=confinement.folder
        )
        try:
            code = child.wait(confinement.timeout_seconds)
        except subprocess.TimeoutExpired:
            raise UploadError(_exceeded(f"{confinement.timeout_seconds} s")) from None
        finally:
            child.kill()
            child.wait()
    if code:
        raise _explain(code, output_path, confinement, has_started=started_path.exists())


def enter(argv: list[str]) -> list[str]:
    """Confines this process as its parent specified; must be the first call of a confined program.

    Args:
        argv: the program's arguments.

    Returns:
        The arguments after those of the confinement.
    """
    folder, *numbers = argv[:5]
    memory_bytes, cpu_seconds, max_file_bytes, timeout_seconds = map(int, numbers)
    confinement = Confinement(Path(folder), memory_bytes, cpu_seconds, max_file_bytes, timeout_seconds)
    for missing in lock_down(confinement):
        log.warning("This system cannot prevent an upload from %s.", missing)
    return argv[5:]


def handle(folder: Path, work: Callable[[], None]) -> int:
    """Handles the upload: any exception rejects it.

    Import libraries before this call, so that a broken library is not mistaken for a bad upload.

    Args:
        folder: the folder of the confinement.
        work: everything that reads the upload.

    Returns:
        The exit code of the program.
    """
    (folder / _STARTED).touch()
    try:
        work()
    except UploadError as error:
        return refuse(str(error))
    except MemoryError:
        return refuse(
            "Reading the uploaded model exceeds the memory limit. The file is damaged "
            "or malicious. Save it again with Keras."
        )
    except Exception as error:  # an upload can make a library raise anything
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            return refuse(_exceeded("the file size limit"))
        return refuse(_unreadable(f"reading it fails with {type(error).__name__}: {str(error)[:300]}"))
    return 0


def refuse(reason: str) -> int:
    """Prints the reason for a rejection as one printable line, and returns the exit code for it."""
    sys.stdout.write(_printable(" ".join(reason.split())) + "\n")
    sys.stdout.flush()
    return REFUSED


def _printable(text: str) -> str:
    """Returns the text with escapes for control characters and lone surrogates."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _as_arguments(confinement: Confinement) -> list[str]:
    return [
        str(confinement.folder),
        str(confinement.memory_bytes),
        str(confinement.cpu_seconds),
        str(confinement.max_file_bytes),
        str(confinement.timeout_seconds),
    ]


def _environment(folder: Path) -> dict[str, str]:
    """Returns an environment without the caller's tokens, proxies and plug-in paths."""
    return {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "HDF5_PLUGIN_PRELOAD": "::",
        "HDF5_USE_FILE_LOCKING": "FALSE",
        "OPENBLAS_NUM_THREADS": "1",
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # oneDNN's ReLU turns NaN into 0, which hides a broken upload on some processors
    }


def _explain(code: int, output_path: Path, confinement: Confinement, *, has_started: bool) -> Exception:
    with output_path.open("rb") as file:
        file.seek(max(0, output_path.stat().st_size - 8192))
        lines = file.read().decode(errors="replace").strip().splitlines()
    if code == REFUSED and lines:
        return UploadError(_printable(lines[-1]))
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        return UploadError(_exceeded(f"{confinement.cpu_seconds} s of processor time, or the memory of this machine"))
    if -code == signal.SIGXFSZ:
        return UploadError(_exceeded(f"{confinement.max_file_bytes / 2**30:.1f} GiB on disk"))
    if not has_started:
        return RuntimeError(f"A confined program ended with exit code {code}:\n" + "\n".join(lines[-40:]))
    how = f"crash ({signal.strsignal(-code)})" if code < 0 else f"end with exit code {code}"
    return UploadError(_unreadable(f"it made the process that read it {how}"))


def _unreadable(what: str) -> str:
    return (
        f"The uploaded model cannot be read: {what}. The file is damaged or malicious; nothing was "
        "kept. Save it again with Keras."
    )


def _exceeded(what: str) -> str:
    return (
        f"Checking the uploaded model needs more than {what}. Save a smaller model, or save it without its optimizer."
    )


def lock_down(confinement: Confinement) -> list[str]:
    """Confines this process permanently.

    Returns:
        Actions that this system cannot prevent.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, 512)
    _limit(resource.RLIMIT_FSIZE, confinement.max_file_bytes)
    _limit(resource.RLIMIT_CPU, confinement.cpu_seconds)
    missing = []
    if sys.platform != "linux":
        return ["using more memory than allowed", "writing outside its folder", "using the network"]
    _limit(resource.RLIMIT_AS, confinement.memory_bytes)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if not fence_writes(libc, confinement.folder):
        missing.append("writing outside its folder")
    if not filter_calls(libc):
        missing.append("using the network")
    return missing


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    # Exceeding the soft limit on processor time sends a signal that can be caught; the hard limit ends the process.
    resource.setrlimit(kind, (value, value))


_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
