"""Takes from a process what reading a model does not need: memory, time, disk, network, other programs.

A confined process is one of our own programs. It locks itself up before it touches a byte of the upload, and handles
the upload within `handle`: from there on whatever fails is the fault of the upload, and a refusal with a reason. What
fails before is a bug.

- resource limits: address space, processor time, size of a file, open files, no core dump;
- Landlock: files can be written, made and removed in one folder only, and signals reach no other process;
- seccomp: no sockets, no new processes or programs, no tracing, no change of owners and permissions.

The last two are Linux'. Where the kernel has them not, the first still holds, and `lock_down` says what is missing.
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
"""The exit code of a confined program that refuses the upload; the reason is the last line of its output."""

ROOT: Final = Path(__file__).parents[4]

_STARTED: Final = "handling-started"
"""The file that a confined program makes right before it handles the upload."""


@dataclass(frozen=True)
class Confinement:
    """What a confined process may use.

    Attributes:
        folder: the only one that it may write to.
        memory_bytes: address space.
        cpu_seconds: processor time.
        max_file_bytes: of each file that it writes.
        timeout_seconds: wall time; kept by the parent.
    """

    folder: Path
    memory_bytes: int
    cpu_seconds: int
    max_file_bytes: int
    timeout_seconds: int


def run_confined(module: str, arguments: list[str], confinement: Confinement) -> None:
    """Runs one of our programs on an upload; it calls `enter` with the same confinement first, then `handle`.

    Raises:
        UploadError: the program refused the upload, or failed in any way while it handled it.
        RuntimeError: the program failed before it touched the upload: a bug.
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
    """Locks this process up as its parent said; the first thing that a confined program does.

    Args:
        argv: the program's arguments.

    Returns:
        Those that are the program's own.
    """
    folder, *numbers = argv[:5]
    memory_bytes, cpu_seconds, max_file_bytes, timeout_seconds = map(int, numbers)
    confinement = Confinement(Path(folder), memory_bytes, cpu_seconds, max_file_bytes, timeout_seconds)
    for missing in lock_down(confinement):
        log.warning("This system cannot prevent an upload from %s.", missing)
    return argv[5:]


def handle(folder: Path, work: Callable[[], None]) -> int:
    """Handles the upload: whatever the work raises is a refusal.

    Imports come before, so that a broken library is no fault of the upload.

    Args:
        folder: the folder of the confinement.
        work: all that touches the upload.

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
            "Reading the uploaded model must not exceed the memory limit; it does. The file is damaged "
            "or malicious. Save it again with Keras."
        )
    except Exception as error:  # an upload can make a library raise anything
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            return refuse(_exceeded("the file size limit"))
        return refuse(_unreadable(f"reading it fails with {type(error).__name__}: {str(error)[:300]}"))
    return 0


def refuse(reason: str) -> int:
    """Says on one printable line why the upload is refused; gives the exit code that says so."""
    sys.stdout.write(_printable(" ".join(reason.split())) + "\n")
    sys.stdout.flush()
    return REFUSED


def _printable(text: str) -> str:
    """The text with escapes for control characters and lone surrogates."""
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
    """Nothing of the caller's: no token, no proxy, no plug-in path."""
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
        "TF_ENABLE_ONEDNN_OPTS": "0",  # its ReLU turns NaN into 0: an upload would be refused on some processors only
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
        return RuntimeError(f"A confined program ended with {code}:\n" + "\n".join(lines[-40:]))
    how = f"crash ({signal.strsignal(-code)})" if code < 0 else f"end with exit code {code}"
    return UploadError(_unreadable(f"this one made the process that read it {how}"))


def _unreadable(what: str) -> str:
    return (
        f"The uploaded model must be readable; {what}. The file is damaged or malicious; nothing was "
        "kept. Save it again with Keras."
    )


def _exceeded(what: str) -> str:
    return (
        f"The checks of the uploaded model must stay within limits; they needed more than {what}. Save a "
        "smaller one, or without its optimizer."
    )


def lock_down(confinement: Confinement) -> list[str]:
    """Confines this process, for good.

    Returns:
        What this system cannot keep it from.
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
    # Past the soft limit of processor time comes a signal that could be caught, past the hard one the end.
    resource.setrlimit(kind, (value, value))


_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
