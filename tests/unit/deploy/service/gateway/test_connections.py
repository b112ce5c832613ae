"""A real uvicorn server with our HTTP protocol class, and raw sockets that send what no HTTP library would send."""

import asyncio
import contextlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from components.deploy.service.gateway import connections
from components.deploy.service.gateway.connections import HEADER_SECONDS, MAX_HEADERS, install

GOOD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body; `/slow` waits first, and `/large` answers with 50 MB."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    body = b"x" * 50_000_000 if scope["path"] == "/large" else str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def running() -> Iterator[tuple[uvicorn.Server, int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", "")
        install()
        server = uvicorn.Server(uvicorn.Config(echo, lifespan="off", log_config=None))
        listener = socket.create_server(("127.0.0.1", 0))
        number = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield server, number
        finally:
            server.should_exit = True
            thread.join()
            for copy in connections.listeners(number):
                copy.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running() as (_, number):
        yield number


def test_only_listening_sockets_are_copied(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, (tmp_path / "file").open("w") as file:
        (copy,) = connections.listeners(listener.getsockname()[1])
        assert (count_descriptors(listener.fileno()), count_descriptors(file.fileno())) == (2, 1)
        copy.close()


def count_descriptors(descriptor: int) -> int:
    """How many descriptors of this process refer to the same file or socket as `descriptor`."""
    num = 0
    for path in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor that listed the folder is already closed
            num += os.path.sameopenfile(int(path.name), descriptor)
    return num


def exchange(port: int, request: bytes) -> bytes:
    """Sends a request and returns the start of the answer, or b"" if the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    with contextlib.closing(http.client.HTTPResponse(connection)) as response:
        response.begin()
        return response.status, response.read()


def header(*lines: bytes, version: bytes = b"1.1") -> bytes:
    return b"\r\n".join([b"POST /predict HTTP/" + version, b"Host: x", *lines, b"", b""])


AMBIGUOUS = {
    "a length and chunked encoding": header(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked encoding and a length": header(b"Transfer-Encoding: chunked", b"content-length: 5") + b"0\r\n\r\n",
    "two lengths": header(b"Content-Length: 2", b"Content-Length: 3") + b"hi",
    "the same length twice": header(b"Content-Length: 2", b"Content-Length: 2") + b"hi",
    "a list of lengths": header(b"Content-Length: 2, 2") + b"hi",
    "a signed length": header(b"Content-Length: +2") + b"hi",
    "a negative length": header(b"Content-Length: -2") + b"hi",
    "a hexadecimal length": header(b"Content-Length: 0x2") + b"hi",
    "a length of 30 digits": header(b"Content-Length: " + b"9" * 30),
    "an empty length": header(b"Content-Length: ") + b"hi",
    "chunked encoding twice": header(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunked and identity coding": header(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + b"0\r\n\r\n",
    "chunked encoding in HTTP/1.0": header(b"Transfer-Encoding: chunked", version=b"1.0") + b"0\r\n\r\n",
    "two Host headers": header(b"Host: y", b"Content-Length: 0"),
    "two content types": header(b"Content-Type: image/png", b"Content-Type: text/html", b"Content-Length: 0"),
    "a folded line": header(b"X-Note: a", b" b", b"Content-Length: 0"),
    "a folded line after a tab": header(b"X-Note: a", b"\tb", b"Content-Length: 0"),
    "a folded length": header(b"Content-Length:", b" 2") + b"hi",
    "lines without CR": b"POST / HTTP/1.1\nHost: x\nContent-Length: 0\n\n",
    "one line without CR": b"POST / HTTP/1.1\r\nHost: x\r\nX: a\nContent-Length: 0\r\n\r\n",
    "a header end without CR": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\n\n",
    "a space before the colon": header(b"Content-Length : 2") + b"hi",
    "a header name with a NUL": header(b"X-\0: 2", b"Content-Length: 0"),
    "a header value with a bare CR": header(b"X: a\rContent-Length: 2", b"Content-Length: 0"),
    "too many headers": header(*[b"X-%d: 1" % number for number in range(MAX_HEADERS + 1)], b"Content-Length: 0"),
    "a large header": header(b"X: " + b"a" * 40_000, b"Content-Length: 0"),
    "an overlong request line": b"GET /" + b"a" * 200_000,
    "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_an_ambiguous_or_oversized_request_is_refused_and_the_connection_is_closed(port: int, name: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(AMBIGUOUS[name] + GOOD)
        answer = connection.recv(65536)
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(65536):
                answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1, "the bytes that follow must not be treated as another request"
    assert json.loads(body)["error"]["code"] == "bad_request"


@pytest.mark.parametrize("size", [b"zz", b"-1", b"0x5", b"5 5", b"+5", b"f" * 30, b""])
def test_a_bad_chunk_size_ends_the_connection(port: int, size: bytes) -> None:
    answer = exchange(port, header(b"Transfer-Encoding: chunked") + size + b"\r\nhello\r\n0\r\n\r\n" + GOOD)
    assert b" 200 " not in answer


@pytest.mark.parametrize(
    ("request_bytes", "answer"),
    [
        (GOOD, b"2"),
        (header(b"Transfer-Encoding: chunked") + b"5;a=b\r\nhello\r\n0\r\n\r\n", b"5"),
        (header(b"Content-Length: 0", b"Accept: a", b"Accept: b", b"X:"), b"0"),
        (header(*[b"X-%d: 1" % number for number in range(MAX_HEADERS - 3)], b"Content-Length: 0"), b"0"),
        (header(b"Content-Length: 0", version=b"1.0"), b"0"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"0"),
    ],
)
def test_valid_requests_are_answered(port: int, request_bytes: bytes, answer: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request_bytes)
        assert read_answer(connection) == (200, answer)


def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(GOOD * 3)
        answer = b""
        while answer.count(b"HTTP/1.1 200") < 3 or not answer.endswith(b"\r\n2"):
            piece = connection.recv(65536)
            assert piece
            answer += piece


def drip(connection: socket.socket, text: bytes) -> bytes:
    """Sends a byte every 0.05 seconds until an answer arrives."""
    connection.settimeout(0.05)
    for byte in text:
        with contextlib.suppress(TimeoutError):
            return connection.recv(65536)
        connection.sendall(bytes([byte]))
    connection.settimeout(10)
    return connection.recv(65536)


@pytest.mark.parametrize("before", [b"", GOOD], ids=["first request", "kept-alive connection"])
def test_a_slow_header_is_rejected(monkeypatch: pytest.MonkeyPatch, before: bytes) -> None:
    assert HEADER_SECONDS <= 15
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    with running() as (_, port), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        if before:
            connection.sendall(before)
            assert read_answer(connection) == (200, b"2")
        assert drip(connection, b"GET / HTTP/1.1\r\nHost: " + b"x" * 200).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_sends_nothing_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    with running() as (_, port):
        assert exchange(port, b"").startswith(b"HTTP/1.1 408 ")


def test_a_client_that_reads_nothing_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WRITE_SECONDS", 0.3)
    with running() as (server, port), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + 10
        while server.server_state.total_requests == 0 and (
            time.monotonic() < deadline - 9 or server.server_state.tasks
        ):
            assert time.monotonic() < deadline, "the server must stop writing the answer"
            time.sleep(0.05)


def test_idle_connections_are_closed_to_accept_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 10)
    with running() as (server, port), contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            assert exchange(port, GOOD).startswith(b"HTTP/1.1 200 ")
        assert len(server.server_state.connections) <= 11


def test_a_stopping_server_answers_accepted_requests_and_rejects_others() -> None:
    with running() as (server, port), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        while not server.server_state.tasks:
            time.sleep(0.01)
        server.should_exit = True
        with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
            while True:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
