"""Starts a built bento as a separate process, and stops it."""

import contextlib
import errno
import http.client
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from components.contract.artifacts.bento import ServiceFacts
from components.contract.errors import ArtifactError, ServiceError
from components.contract.system import launcher
from components.contract.system.atomic_files import read_json
from components.contract.system.signals import explain_signal, signal_of
from components.deploy.bento.build import bento_environment
from components.deploy.service.settings import VARIABLES

log = logging.getLogger(__name__)

START_SECONDS = 120.0
STOP_SECONDS = 70.0
"""A little longer than supervisor.py waits for the service to stop."""
KEPT_LINES = 200
TOLD_LINES = 12
FAILED_START = "Application startup failed"
"""The server's message if a worker cannot start; BentoML would try to start it again forever."""


LEAN: Final = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""Without these variables, glibc keeps most of the memory that large requests used. In containers, the Dockerfile sets
them."""
NO_SETTINGS: Final[Mapping[str, str]] = {}


@contextlib.contextmanager
def serving(
    bento_dir: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    timeout_seconds: float = START_SECONDS,
    echo: bool = False,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> Iterator[str]:
    """Runs the service of a bento folder: it is ready and warm when the block begins, and stopped when the block ends.

    The service never outlives this process, however this process ends.

    Args:
        bento_dir: contains deployment.json and bento/; only bento/ is required.
        host: the address to listen on.
        port: the port to listen on; None for any free port.
        timeout_seconds: the maximum time until the service is ready.
        echo: whether to write the log of the service to standard output.
        settings: values for the variables that settings.py reads; this process's own values are not passed on.

    Yields:
        The address of the service, such as `http://127.0.0.1:3000`.

    Raises:
        ArtifactError: bento_dir contains no bento.
        ServiceError: the port is taken, or the service does not become ready.
    """
    bento = bento_dir.resolve() / "bento"
    if not (bento / "bento.yaml").is_file():
        raise ArtifactError(f"A bento folder must contain bento/bento.yaml; {bento_dir} does not. Run deploy.")
    address, port = free_address(host, port)
    process = _start(bento, address, port, settings)
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    reader = threading.Thread(target=_read, args=(process, lines, echo), name="service-log", daemon=True)
    reader.start()
    try:
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced here, not bound
        url = _format_url(loopback.get(address, address), port)
        _await_ready(url, process, lines, timeout_seconds)
        yield url
    finally:
        _stop(process)
        reader.join(STOP_SECONDS)


def serve(bento_dir: Path, host: str, port: int, settings: Mapping[str, str] = NO_SETTINGS) -> int:
    """Serves until SIGINT or SIGTERM, and returns the exit code; the service's log goes to standard output.

    Must be called from the main thread.

    Args:
        bento_dir: as for `serving`.
        host: as for `serving`.
        port: as for `serving`.
        settings: as for `serving`.

    Raises:
        ArtifactError: as for `serving`.
        ServiceError: as for `serving`, or the service stopped unexpectedly.
    """
    stop_event = threading.Event()
    with serving(bento_dir, host=host, port=port, echo=True, settings=settings) as url:
        handlers = {
            number: signal.signal(number, lambda *_: stop_event.set()) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            facts = read_json(bento_dir / "bento" / "src" / "service.json", ServiceFacts, "bento")
            _print(
                f"{facts.tag} is running; stop it with Ctrl-C. Open the page: {url}  Or send a photo: "
                f"curl -F files=@PHOTO {url}/predict\n"
            )
            while not stop_event.wait(1):
                if not answers(url, "/livez"):
                    raise ServiceError(f"The service at {url} has stopped unexpectedly; its last log lines are above.")
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return 0


def free_address(host: str, port: int | None) -> tuple[str, int]:
    """Returns the numeric address of `host`, which must be this machine, and `port` or, if that is None, a free port.

    Raises:
        ServiceError: the host does not belong to this machine, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError, OverflowError):
        raise ServiceError(
            f"--host must be an address or a name of this machine; {host!r} is not. Use another one, such as 127.0.0.1."
        ) from None
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                problem = "is not free: another program is listening on it. Stop that program, or choose"
            else:
                problem = f"cannot be used: {error}. Choose"
            raise ServiceError(f"Port {port} on {host} {problem} a different port with --port.") from None
        return str(address[0]), int(probe.getsockname()[1])


def _format_url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _start(bento: Path, address: str, port: int, settings: Mapping[str, str]) -> subprocess.Popen[str]:
    guard = Path(__file__).with_name("supervisor.py")
    service = launcher.python("bentoml", "serve", str(bento), "--host", address, "--port", str(port))
    environment = {name: value for name, value in bento_environment(bento).items() if name not in VARIABLES}
    # Ctrl-C reaches only this process; the service stops when its pipe closes.
    return launcher.start(
        launcher.script(guard, *service),
        stdin=subprocess.PIPE,
        start_new_session=True,
        env=LEAN | environment | dict(settings),
    )


def _read(process: "subprocess.Popen[str]", lines: deque[str], echo: bool) -> None:
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.append(line.rstrip())
            if echo:
                _print(line)


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _await_ready(url: str, process: "subprocess.Popen[str]", lines: deque[str], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not answers(url, "/readyz"):
        if process.poll() is not None or any(FAILED_START in line for line in tuple(lines)):
            code = process.returncode or 0
            failure = explain_signal(code, what="It") if signal_of(code) is not None else "It failed."
            raise ServiceError(f"The service did not start. {failure} The last lines of its log:\n{_last_lines(lines)}")
        if time.monotonic() > deadline:
            raise ServiceError(
                f"The service was not ready within {timeout_seconds:g} s. Set a higher "
                f"deploy.start_timeout_seconds. The last lines of its log:\n{_last_lines(lines)}"
            )
        time.sleep(0.05)


def answers(url: str, path: str, timeout_seconds: float = 1.0) -> bool:
    """Whether a program answers at this URL and path with status 200; proxies are ignored."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _last_lines(lines: deque[str]) -> str:
    time.sleep(0.2)  # so that the reader can receive the last lines
    return "\n".join(f"  {line}" for line in tuple(lines)[-TOLD_LINES:])


def _stop(process: "subprocess.Popen[str]") -> None:
    # Closing the process's standard input may not suffice: a library may have duplicated our end of the pipe.
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        log.warning("The service did not stop within %.0f s, so it is killed.", STOP_SECONDS)
        process.kill()
        process.wait()
    assert process.stdin is not None
    process.stdin.close()
