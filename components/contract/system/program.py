"""Start and end of every Darkroom program: logging, step times, and the exit code."""

import codecs
import contextlib
import io
import json
import logging
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from components.contract.errors import DarkroomError
from components.contract.system.address import redact
from components.contract.system.posix import USER_ERROR
from components.contract.text import escape_log_records, printable

EVENTS_VARIABLE = "DARKROOM_EVENTS"
"""The environment variable with the path of a file to which steps append a JSON line when they start, finish or
fail."""
FINISH_FILE = "finish"
"""If a file with this name is next to the file in EVENTS_VARIABLE, training ends early with the best epoch so far."""
RUN_START_VARIABLE: Final = "DARKROOM_RUN_START"
"""The environment variable with the start time of the run that a step belongs to, in seconds since 1970."""
BUG = 1
"""The exit code for internal errors."""

QUIET = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # the server's address may contain a password
}
"""Variables that keep libraries from sending usage statistics and from logging how they create database tables."""


def quiet_libraries() -> None:
    """Keeps libraries from sending usage statistics, and from logging what Darkroom reports more clearly."""
    os.environ.update(QUIET)
    # Otherwise, every retry is logged if a server does not answer. The level is set here and not for the parent logger,
    # "urllib3", because KFP's client sets that one.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


@contextlib.contextmanager
def running_step(name: str) -> Iterator[None]:
    """The context manager for a step: sets up its log, and records its time and outcome."""
    escape_log_records()
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stdout, format=f"[{name}] %(message)s", force=True
    )  # stdout, so that the lines are in order: KFP's local runner merges both streams
    logging.getLogger("components").setLevel(logging.INFO)
    quiet_libraries()
    start_time = time.monotonic()
    global _running
    _running = name
    _note(step=name, event="started")
    try:
        yield
    except DarkroomError as error:
        _note(step=name, event="failed", error=redact(str(error)), kind=type(error).__name__)
        raise
    except OSError as error:
        from components.contract.system.disk_space import full_disk_error  # imports fcntl, which Windows lacks

        refusal = full_disk_error(error)
        _note(
            step=name,
            event="failed",
            error=str(refusal or repr(error)),
            kind=type(refusal).__name__ if refusal else None,
        )
        raise
    except BaseException as error:
        _note(step=name, event="failed", error=redact(repr(error)), kind=None)
        raise
    finally:
        _running = None
    _note(step=name, event="finished", seconds=round(time.monotonic() - start_time, 3))
    sys.stdout.flush()


def note_progress(event: str, **facts: object) -> None:
    """Appends the progress of the running step to the run's event file, if there is one."""
    if _running is not None:
        _note(step=_running, event=event, **facts)


def seconds_of_run() -> float | None:
    """The seconds since the start of the run that this step belongs to; None if the step was started on its own."""
    start = os.environ.get(RUN_START_VARIABLE)
    return max(0.0, time.time() - float(start)) if start else None


def is_finish_requested() -> bool:
    """Whether `darkroom finish` has requested that training end early with the best epoch so far."""
    path = os.environ.get(EVENTS_VARIABLE)
    return bool(path) and Path(str(path)).with_name(FINISH_FILE).exists()


def clear_finish_request() -> None:
    """Removes the request after it was fulfilled, so that it does not apply to the next step."""
    if is_finish_requested():
        Path(os.environ[EVENTS_VARIABLE]).with_name(FINISH_FILE).unlink(missing_ok=True)


_running: str | None = None
"""The name of the step that this process is running."""


PLAIN: Final = dict(
    zip("…–−’“”×→·●○≤≥²", ("...", "-", "-", "'", '"', '"', "x", "->", "-", "*", "o", "<=", ">=", "2"), strict=True)
)
"""Replacements for characters that the terminal's encoding lacks."""


class StandardStream(io.FileIO):
    """Standard output or error that does not stop the program if a pipe is closed, as with `head`, or the disk is full.

    Attributes:
        failure: why the stream could not be written; all later output is dropped. None if there was no failure.
    """

    failure: OSError | None = None

    def write(self, content: Any) -> int:
        """Writes the content, or drops it after a failure."""
        if self.failure is None:
            try:
                return super().write(content)
            except BlockingIOError:
                raise
            except OSError as error:
                self.failure = error
        return len(content)


def exit_code(main: Callable[[], int | None]) -> int:
    """Runs a program; for a `DarkroomError`, prints its message on standard error and returns exit code 2.

    For a bug, prints the traceback, without the secrets of addresses, and returns Python's usual exit code 1.
    """
    escape_log_records()
    _require_home()
    with _safe_streams() as output:
        code = _run_main(main)
    failure = output and output.failure
    if code == 0 and failure and not isinstance(failure, BrokenPipeError | ConnectionResetError):
        _show(
            f"darkroom: Standard output cannot be written: {failure.strerror}. The command has finished, but its "
            "output is incomplete. Redirect it to another file and run the command again."
        )
        return USER_ERROR
    return code


def _require_home() -> None:
    """Sets HOME if it is missing: libraries need it, but a user id without an account, as in containers, has none."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = tempfile.gettempdir()


def _run_main(main: Callable[[], int | None]) -> int:
    try:
        return main() or 0
    except DarkroomError as error:
        sys.stdout.flush()
        _show(f"darkroom: {redact(str(error))}")
        return USER_ERROR
    except MemoryError:
        sys.stdout.flush()
        _show(
            "darkroom: This machine has too little memory for the data. Use fewer or smaller files, or a machine with "
            "more memory."
        )
        return USER_ERROR
    except KeyboardInterrupt:
        _show("darkroom: stopped.")
        return 130
    except SystemExit as error:  # argparse, after --help
        if error.code not in (None, 0):
            raise
        return 0
    except OSError as error:
        from components.contract.system.disk_space import full_disk_error  # imports fcntl, which Windows lacks

        refusal = full_disk_error(error)
        if refusal is None:
            return _show_bug()
        _show(f"darkroom: {redact(str(refusal))}")
        return USER_ERROR
    except Exception:
        return _show_bug()


def _show_bug() -> int:
    """Prints the traceback of the current exception, without the secrets of addresses."""
    _show(printable(redact(traceback.format_exc()), lines=True), end="")
    return BUG


def _show(message: str, end: str = "\n") -> None:
    """Prints a message on standard error."""
    print(message, end=end, file=sys.stderr)  # noqa: T201 - the program's own message to its user


@contextlib.contextmanager
def _safe_streams() -> Iterator[StandardStream | None]:
    """Within the block, replaces standard output and error unless a test already did; yields the new output or None."""
    originals = sys.stdout, sys.stderr
    output, sys.stdout = _safe_stream(sys.stdout, sys.__stdout__, 1)
    _, sys.stderr = _safe_stream(sys.stderr, sys.__stderr__, 2)
    try:
        yield output
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = originals


def _safe_stream(current: TextIO | None, original: TextIO | None, number: int) -> tuple[StandardStream | None, TextIO]:
    if current is None:  # closed by the caller: >&-
        return None, Path(os.devnull).open("w", encoding="utf-8")
    if current is not original:  # replaced by a test
        return None, current
    current.flush()
    raw = StandardStream(number, "w", closefd=False)
    text = io.TextIOWrapper(
        io.BufferedWriter(raw), current.encoding, errors=PLAIN_ERRORS, line_buffering=number == 2 or raw.isatty()
    )
    return raw, text


def _replace_signs(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    signs = error.object[error.start : error.end]
    plain = "".join(PLAIN.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in signs)
    return plain, error.end


PLAIN_ERRORS: Final = "darkroom.plain"
codecs.register_error(PLAIN_ERRORS, _replace_signs)


def _note(**event: object) -> None:
    path = os.environ.get(EVENTS_VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.time(), **event}) + "\n")
