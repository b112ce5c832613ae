"""Protects connections: adds time limits to uvicorn's HTTP/1.1 protocol, and rejects ambiguous requests.

If two programs parse a request differently, one request can hide inside another (request smuggling: RFC 9112, 11.2),
so ambiguous requests are rejected. Clients that send headers slowly, or do not read a response, are disconnected.
"""

import asyncio
import contextlib
import functools
import json
import os
import re
import socket
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import h11
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS: Final = 10.0
"""The maximum time to receive a request line and the headers."""
WRITE_SECONDS: Final = 30.0
"""The maximum time for a client to read enough of a response that the service can continue to write it."""
MAX_HEADER_BYTES: Final = 32 * 2**10
MAX_HEADERS: Final = 100
MAX_CONNECTIONS: Final = 800
"""Below the usual limit of 1,024 open files. With more connections, the one that has been idle longest is closed."""
MAX_LENGTH_DIGITS: Final = 15
SINGLE_HEADERS: Final = (b"content-length", b"transfer-encoding", b"host", b"content-type")
END_OF_HEADER: Final = re.compile(rb"\n\r?\n")
"""The same pattern as in h11; `header_fault` then rejects a header without CR."""


def install() -> None:
    """Makes `GuardedProtocol` uvicorn's default protocol."""
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{GuardedProtocol.__name__}"


@functools.cache
def listeners(port: int | None) -> list[socket.socket]:
    """Returns duplicates of this process's listening sockets for a port.

    BentoML's supervisor also holds these sockets. If they stayed open while this process answers its last requests, new
    clients could connect, but would get no answer.
    """
    copies = []
    sockets = [entry for entry in Path("/dev/fd").iterdir() if entry.is_socket()]
    for entry in sockets:
        with contextlib.suppress(OSError):
            copy = socket.socket(fileno=os.dup(int(entry.name)))
            if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) and copy.getsockname()[1] == port:
                copies.append(copy)
            else:
                copy.close()
    return copies


class GuardedProtocol(H11Protocol):
    """One connection to a client."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.conn = _StrictConnection(h11.SERVER, MAX_HEADER_BYTES)
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self.idle_since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the header time limit; if there are too many connections, closes the one that is idle longest."""
        super().connection_made(transport)
        listeners(self._port())
        self._await_header()
        if len(self.connections) > MAX_CONNECTIONS:
            idle = [other for other in self.connections if isinstance(other, GuardedProtocol) and other.is_idle()]
            min(idle, key=lambda other: other.idle_since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the time limits when the connection is lost."""
        self._stop_timers()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Accepts no new connections, and closes this one after its response."""
        for listener in listeners(self._port()):
            with contextlib.suppress(OSError):  # another connection may have shut it down
                listener.shutdown(socket.SHUT_RDWR)
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Starts the time limit for the header when a new request begins."""
        if self._header_timer is None and self.is_idle():
            self._await_header()
        super().data_received(data)

    def handle_events(self) -> None:
        """Handles received data, and stops the time limit when the header is complete."""
        super().handle_events()
        if self._header_timer is not None and not self.is_idle():
            self._header_timer.cancel()
            self._header_timer = None

    def send_400_response(self, _msg: str) -> None:
        """Rejects a malformed request."""
        self._refuse(400, "bad_request", "The request is malformed or ambiguous.")

    def pause_writing(self) -> None:
        """Starts the time limit for a client that does not read its answer."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stops the time limit when the client reads again."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def on_response_complete(self) -> None:
        """Records when the connection becomes idle, and continues with the next request."""
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def is_idle(self) -> bool:
        """Whether no complete header has arrived since the last answer."""
        return self.conn.their_state is h11.IDLE

    def _port(self) -> int | None:
        return self.server[1] if self.server else None

    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(HEADER_SECONDS, self._refuse_slow_header)

    def _refuse_slow_header(self) -> None:
        self._header_timer = None
        if not self.transport.is_closing():
            text = f"The header must arrive within {HEADER_SECONDS:.0f} s; it took longer."
            self._refuse(408, "too_slow", text)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Sends an error in the service's format, and closes the connection."""
        body = json.dumps({"error": {"code": code, "message": message}, "predictions": []}).encode()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
                ("X-Content-Type-Options", "nosniff"),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _stop_timers(self) -> None:
        for timer in (self._header_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        self._header_timer = self._write_timer = None


class _StrictConnection(h11.Connection):
    """Also rejects ambiguous requests that RFC 9112 allows a recipient to accept, or that h11 repairs."""

    def next_event(self) -> Any:
        if self.their_state is h11.IDLE:
            data = self.trailing_data[0]
            end = END_OF_HEADER.search(data)
            fault = header_fault(data[: end.end()]) if end else None
            if fault is not None:
                raise h11.RemoteProtocolError(fault)
        return super().next_event()


def header_fault(header: bytes) -> str | None:
    """The reason why a request is ambiguous or too large; None if it is neither.

    Args:
        header: the request line and the header lines, including the empty line at the end.
    """
    lines = header.removesuffix(b"\r\n\r\n").split(b"\r\n")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.lower() in SINGLE_HEADERS and name.lower() in fields:
            return f"{name.decode()} is repeated"
        fields[name.lower()] = value.strip()
    length = fields.get(b"content-length", b"0")
    faults = {
        "the header is too large": len(header) > MAX_HEADER_BYTES or len(lines) > MAX_HEADERS + 1,
        "a line ends with a bare CR or LF": any(b"\r" in line or b"\n" in line for line in lines),
        "a header line is folded": any(line[:1] in (b" ", b"\t") for line in lines),
        "Content-Length and Transfer-Encoding together": {b"content-length", b"transfer-encoding"} <= fields.keys(),
        "Content-Length is not one number": not (length.isdigit() and len(length) <= MAX_LENGTH_DIGITS),
        "Transfer-Encoding in HTTP/1.0": b"transfer-encoding" in fields and lines[0].endswith(b"HTTP/1.0"),
    }
    return next((fault for fault, is_present in faults.items() if is_present), None)
