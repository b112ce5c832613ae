"""The service compared with a bare app: one client on the same machine queries both in turn."""

import contextlib
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from benchmarks import served_model
from benchmarks.table import Row, time_by_turns
from components.deploy.bento.server import free_address, serving
from components.deploy.client import encode_form

NUM_REQUESTS = 200
NUM_WARM = 20
MEMORY_MB, READY_SECONDS = 600, 6


def measure() -> list[Row]:
    """Compares the p50 latency over HTTP with that of a bare Starlette app; measures memory and startup time."""
    photo = served_model.photo()
    with tempfile.TemporaryDirectory() as folder:
        bento_dir = Path(folder)
        served_model.build(bento_dir)
        start_time = time.monotonic()
        with serving(bento_dir):
            ready_seconds = time.monotonic() - start_time
        with (
            serving(bento_dir) as our_url,
            run_app("bare_app", BENTO_SRC=str(bento_dir / "bento" / "src")) as bare_url,
            _client(our_url, photo) as ask_ours,
            _client(bare_url, photo) as ask_bare,
        ):
            ours, bare = time_by_turns(ask_ours, ask_bare, rounds=NUM_REQUESTS)
            memory = memory_mb(bento_dir)
    return [
        Row(
            claim="one prediction over HTTP, p50, MobileNetV2 at 224 px",
            ours=f"{1000 * ours:.1f} ms",
            baseline=f"{1000 * bare:.1f} ms, bare Starlette + uvicorn",
            ratio=ours / bare,
            target="<= 1.3",
            memory_mb=memory,
        ),
        Row(
            claim="memory of the service after these requests, MobileNetV2",
            ours=f"{memory:.0f} MB",
            baseline=f"{MEMORY_MB} MB allowed",
            ratio=memory / MEMORY_MB,
            target="<= 1",
        ),
        Row(
            claim="ready to answer, from the start of the process",
            ours=f"{ready_seconds:.1f} s",
            baseline=f"{READY_SECONDS} s allowed",
            ratio=ready_seconds / READY_SECONDS,
            target="<= 1",
        ),
    ]


@contextlib.contextmanager
def run_app(module: str, **settings: str) -> Iterator[str]:
    """Runs an app in this folder with uvicorn, with `settings` as environment variables; yields its URL."""
    host, port = free_address("127.0.0.1", None)
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.{module}:app", "--host", host, "--port", str(port)]
    with subprocess.Popen(
        [*command, "--log-level", "warning"], env=os.environ | settings, cwd=Path(__file__).parents[1]
    ) as process:
        try:
            _await(host, port, process)
            yield f"http://{host}:{port}"
        finally:
            process.terminate()


def _await(host: str, port: int, process: "subprocess.Popen[bytes]") -> None:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    while process.poll() is None:
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            connection.close()
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the app exited with code {process.returncode}")


@contextlib.contextmanager
def _client(url: str, photo: bytes) -> Iterator[Callable[[], None]]:
    """Yields a function that sends the photo once; all its calls use one connection."""
    content_type, body = encode_form([photo])
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)

    def ask() -> None:
        connection.request("POST", "/predict", body, {"Content-Type": content_type})
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, content

    with contextlib.closing(connection):
        for _ in range(NUM_WARM):
            ask()
        yield ask


def memory_mb(bento_dir: Path) -> float:
    """Returns the memory of all processes of the service; if the system reports PSS, shared pages count only once."""
    total = 0
    for process in processes(bento_dir):
        with contextlib.suppress(psutil.Error):
            memory = process.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    return total / 2**20


def own_memory_mb(bento_dir: Path) -> float:
    """Returns the memory without mapped files, whose share of `memory_mb` depends on other processes; Linux only."""
    total = 0
    for process in processes(bento_dir):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            total += sum(
                int(kilobytes) for kilobytes in re.findall(r"^(?:RssAnon|VmSwap):\s+(\d+) kB$", status, re.MULTILINE)
            )
    return total / 2**10


def processes(bento_dir: Path) -> list[psutil.Process]:
    """Finds the processes of the service."""
    service_processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(bento_dir) in " ".join(process.cmdline()):
                service_processes.append(process)
    return service_processes
