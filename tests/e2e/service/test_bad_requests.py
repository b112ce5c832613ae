"""Malicious requests to the running service: each gets the expected answer and does no harm.

Every test run sends the fast ones; `make proof` sends all of them at once, together with 500 good requests.
"""

import contextlib
import gzip
import http.client
import json
import select
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks import served_model
from benchmarks.load import Load
from benchmarks.serving import own_memory_mb, processes
from components.deploy.bento.server import serving
from components.deploy.service.gateway.upload import BODY_SECONDS

MIB = 2**20
FORM = "multipart/form-data; boundary=cut"
END = b"--cut--\r\n"
NUM_AT_ONCE = 500
RECOVERY_SECONDS = 10.0
MAX_GROWTH_MB = 40.0
"""Allowed growth for thread pools and memory that the allocator keeps; one body left in memory would exceed it."""


@dataclass(frozen=True)
class Bait:
    """A photo and an address that bad requests may contain."""

    photo: bytes
    address: str
    """An address that the service must never connect to."""


@dataclass(frozen=True)
class Harm:
    """A bad request and its expected answer.

    Attributes:
        sends: yields the request in pieces.
        status: the HTTP status of the answer.
        code: the error code of the request or of its only photo; None if the photo is classified.
    """

    sends: Callable[[Bait], Iterator[bytes]]
    status: int
    code: str | None


def head(kind: str, *lines: str) -> bytes:
    return "\r\n".join(["POST /predict HTTP/1.1", "Host: x", f"Content-Type: {kind}", *lines, "", ""]).encode()


def request_of(body: bytes, kind: str = FORM, *lines: str) -> Iterator[bytes]:
    yield head(kind, f"Content-Length: {len(body)}", *lines) + body


def part(content: bytes, filename: str | None = "0", name: str = "files") -> bytes:
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--cut\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"


def announced_gigabyte(bait: Bait) -> Iterator[bytes]:
    yield head("image/jpeg", f"Content-Length: {2**30}")
    for _ in range(1024):
        yield bytes(MIB)


def gigabyte_in_chunks(bait: Bait) -> Iterator[bytes]:
    yield head(FORM, "Transfer-Encoding: chunked")
    yield b"%x\r\n%s\r\n" % (len(start := part(b"")[:-2]), start)
    for _ in range(1024):
        yield b"%x\r\n%s\r\n" % (MIB, bytes(MIB))


def slow_body(bait: Bait) -> Iterator[bytes]:
    yield head("image/jpeg", "Content-Length: 100000")
    while True:
        yield b"x"
        time.sleep(0.5)


def drawing(bait: Bait) -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{bait.address}/a.png"/></svg>'.encode()


BOMB = gzip.compress(bytes(64 * MIB))
SLOW = {"a gigabyte", "a gigabyte in chunks", "a slow body"}
HARMS = {
    "a gigabyte": Harm(announced_gigabyte, 413, "too_large"),
    "a gigabyte in chunks": Harm(gigabyte_in_chunks, 413, "too_large"),
    "a slow body": Harm(slow_body, 408, "too_slow"),
    "1,001 files": Harm(lambda bait: request_of(part(bait.photo[:100]) * 1001 + END), 400, "bad_form"),
    "1,001 fields": Harm(lambda bait: request_of(part(b"x", None, "note") * 1001 + END), 400, "bad_form"),
    "a decompression bomb": Harm(lambda bait: request_of(BOMB, "image/jpeg", "Content-Encoding: gzip"), 415, "encoded"),
    "a decompression bomb sent as a photo": Harm(
        lambda bait: request_of(part(BOMB, "a.jpg") + END), 400, "not_an_image"
    ),
    "a wrong content type": Harm(lambda bait: request_of(bait.photo, "application/json"), 415, "not_a_photo"),
    "a photo instead of a form": Harm(lambda bait: request_of(bait.photo), 400, "bad_form"),
    "a wrong field name": Harm(lambda bait: request_of(part(bait.photo, name="image") + END), 400, "no_files"),
    "an address as text": Harm(lambda bait: request_of(part(bait.address.encode(), None) + END), 400, "not_a_file"),
    "an address in a file": Harm(lambda bait: request_of(part(bait.address.encode()) + END), 400, "not_an_image"),
    "an address in an SVG drawing": Harm(
        lambda bait: request_of(part(drawing(bait), "a.svg") + END), 400, "format_not_allowed"
    ),
    "a path as text": Harm(lambda bait: request_of(part(b"/etc/passwd", None) + END), 400, "not_a_file"),
    "a path in a file": Harm(lambda bait: request_of(part(b"file:///etc/passwd") + END), 400, "not_an_image"),
    "a file name with ..": Harm(lambda bait: request_of(part(bait.photo, "../../../tmp/a.jpg") + END), 200, None),
    "a file name with NUL": Harm(lambda bait: request_of(part(bait.photo, "a.jpg\0.sh") + END), 200, None),
    "a long file name": Harm(lambda bait: request_of(part(bait.photo, "x" * 10_000) + END), 400, "bad_form"),
}


def send(url: str, pieces: Iterator[bytes]) -> tuple[int, dict[str, Any]]:
    """Sends the pieces until an answer arrives, and returns its status and content."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=2 * BODY_SECONDS) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                connection.sendall(piece)
                if select.select([connection], [], [], 0)[0]:
                    break
        with contextlib.closing(http.client.HTTPResponse(connection, method="POST")) as response:
            response.begin()
            return response.status, json.loads(response.read())


def leave(url: str, photo: bytes) -> None:
    """Disconnects in the middle of a body."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(next(request_of(part(photo) + END))[: -len(photo) // 2])


def assert_answered(url: str, harm: Harm, bait: Bait, *, may_shed: bool = False) -> None:
    status, answer = send(url, harm.sends(bait))
    if may_shed and status == 503:
        return
    assert status == harm.status, answer
    faults = [answer.get("error"), *(prediction.get("error") for prediction in answer["predictions"])]
    codes = {fault["code"] for fault in faults if fault} - {"no_photo"}
    assert codes == ({harm.code} if harm.code else set())


@contextlib.contextmanager
def nobody_calls() -> Iterator[str]:
    """Yields an address, and checks at the end that no one has connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert not select.select([listener], [], [], 0)[0], "no connection may be opened"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.proof) if name in SLOW else name for name in HARMS]
)
def test_a_bad_request_gets_the_expected_answer_and_makes_the_service_open_no_connection(url: str, name: str) -> None:
    with nobody_calls() as address:
        assert_answered(url, HARMS[name], Bait(served_model.photo(), address))


def test_photos_are_answered_while_other_clients_disconnect(url: str) -> None:
    photo = served_model.photo()
    for _ in range(5):
        leave(url, photo)
    assert send(url, request_of(part(photo) + END))[0] == 200


@pytest.mark.proof
def test_the_service_survives_all_bad_requests_at_the_same_time(tmp_path: Path) -> None:
    served_model.build(tmp_path)
    with serving(tmp_path) as url, nobody_calls() as address, contextlib.ExitStack() as stack:
        bait = Bait(served_model.photo(), address)
        load = stack.enter_context(contextlib.closing(Load(url, photos_per_request=1)))
        load.capacity(5)
        workers = {process.pid for process in processes(tmp_path)}
        memory, usual_seconds = own_memory_mb(tmp_path), statistics.median(load.ask()[1] for _ in range(50))
        with ThreadPoolExecutor(2 * len(HARMS)) as attackers, foreign_connections(workers) as strangers:
            harms = [attackers.submit(assert_answered, url, harm, bait, may_shed=True) for harm in HARMS.values()]
            leaving = [attackers.submit(leave, url, bait.photo) for _ in range(50)]
            statuses = at_once(url, bait.photo)
            for request in (*harms, *leaving):
                request.result()
        end_time = time.monotonic()
        while statistics.median(load.ask()[1] for _ in range(10)) > 1.5 * usual_seconds:
            assert time.monotonic() - end_time < RECOVERY_SECONDS
        growth_mb = own_memory_mb(tmp_path) - memory
        print(
            f"usually {usual_seconds * 1000:.1f} ms, recovered after {time.monotonic() - end_time:.1f} s; "
            f"{memory:.0f} MB, growth {growth_mb:+.0f} MB; {statuses.count(200)} of {NUM_AT_ONCE} answered"
        )
        assert set(statuses) <= {200, 503}
        assert 200 in statuses
        assert growth_mb < MAX_GROWTH_MB
        assert {process.pid for process in processes(tmp_path)} == workers, "no process may die"
        assert not strangers


def at_once(url: str, photo: bytes) -> list[int]:
    """Sends many requests at the same time and returns their statuses."""
    ready = threading.Barrier(NUM_AT_ONCE)

    def ask(_: int) -> int:
        ready.wait()
        return send(url, request_of(part(photo) + END))[0]

    with ThreadPoolExecutor(NUM_AT_ONCE) as clients:
        return list(clients.map(ask, range(NUM_AT_ONCE)))


@contextlib.contextmanager
def foreign_connections(pids: set[int]) -> Iterator[list[object]]:
    """Collects the remote addresses of these processes' connections to other machines, polling 20 times per second."""
    strangers: list[object] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for pid in pids:
                with contextlib.suppress(psutil.Error):
                    strangers.extend(
                        connection.raddr
                        for connection in psutil.Process(pid).net_connections("inet")
                        if connection.raddr and connection.raddr.ip not in ("127.0.0.1", "::1")
                    )

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield strangers
    finally:
        over.set()
        watcher.join()
