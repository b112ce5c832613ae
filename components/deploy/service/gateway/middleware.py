"""The middleware for every request and response of the service.

It checks the API key, limits the requests and bytes in progress, and removes the version prefix. It adds security
headers to responses, and converts every error to JSON. It is plain ASGI, because the body of a rejected request must
not be read.
"""

import asyncio
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.deploy.service.gateway.upload import RefusedUpload
from components.deploy.service.metrics import instruments
from components.deploy.service.protocol import VERSION_PREFIX
from components.deploy.service.settings import ServiceSettings

MAX_REQUESTS = 256
"""The maximum number of POST requests in progress. To make room for another, a request whose body is still arriving is
aborted; if there is none, the new request is rejected before its body is read."""
MAX_HELD_BYTES = 96 * 2**20
"""The maximum total size of all bodies in progress, in bytes."""
LARGE_SHARE = 0.75
"""The share of MAX_HELD_BYTES that large bodies may use; the rest is reserved for small ones."""
MAX_SMALL_BYTES = 4 * 2**20
RETRY_SECONDS = 1

PICKLED: Final = "application/vnd.bentoml"
"""The prefix of BentoML's own content types, which include pickles; a pickle can run code when it is loaded."""

OPEN_PATHS: Final = ("/", "/docs", "/docs.json", "/livez", "/readyz", "/healthz", "/v2/health/live", "/v2/health/ready")
KNOWN_PATHS: Final = (*OPEN_PATHS, "/predict", "/explain", "/feedback", "/model", "/metrics", "/samples.json")
"""The paths that the metrics count separately; counting arbitrary paths would fill the memory."""
OPEN_FOLDERS: Final = ("/page/",)
"""Folders that require no API key, like OPEN_PATHS: the files of the page, which asks for the key."""

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
REASONS: Final = {
    400: ("bad_request", "The request is malformed."),
    404: ("not_found", "This address does not exist; see /docs."),
    405: ("method_not_allowed", "This address does not support the method; see /docs."),
    503: ("not_ready", "The service is not ready. Try again in a moment."),
    504: ("too_slow", "The request took too long. Send fewer photos in one request."),
}
ABORTED: Final = "The service is overloaded, and the body was still arriving; try again."
OURS: Final = ("internal", "The service failed because of an internal error.")


@dataclass(eq=False)
class _Body:
    """A body that is being received.

    Attributes:
        num_bytes: number of bytes received so far.
        deadline: the deadline for the next chunk; set only while the service waits for it.
        is_aborted: whether its request is being rejected to make room for others.
    """

    num_bytes: int = 0
    deadline: asyncio.Timeout | None = None
    is_aborted: bool = False


class GatewayMiddleware:
    """The middleware through which all requests and responses pass."""

    def __init__(self, app: ASGIApp, settings: Callable[[], ServiceSettings]):
        """Wraps an ASGI app.

        Args:
            app: the app that handles the accepted requests.
            settings: returns the settings; called when the service starts, not when the module is imported.
        """
        self._app = app
        self._settings = settings()
        self._num_requests = 0
        self._held_bytes = 0
        self._bodies: dict[_Body, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forwards requests that pass the checks, and rejects all others; only HTTP requests are checked."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = without_version(scope)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        sender = _ResponseSender(scope, send, self._cross_origin_headers(headers))
        try:
            await self._enter(scope, sender.watch(receive), sender.send, headers)
        finally:
            sender.note()

    async def _enter(self, scope: Scope, receive: Receive, send: Send, headers: Mapping[str, str]) -> None:
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await refuse(scope, send, 204, "", "")
        elif not self._may_enter(scope["path"], headers):
            await refuse(
                scope,
                send,
                401,
                "unauthorized",
                "The request must contain the API key, as `Authorization: Bearer KEY` or `X-API-Key: "
                "KEY`; it is missing or wrong.",
            )
        elif headers.get("content-type", "").startswith(PICKLED):
            await refuse(scope, send, 415, "not_a_photo", "The body must contain photos; pickles are rejected.")
        elif scope["method"] == "POST":
            await self._admit(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _may_enter(self, path: str, headers: Mapping[str, str]) -> bool:
        key = self._settings.api_key
        if key is None or path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        request_key = headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        return hmac.compare_digest(request_key.encode("utf-8", "replace"), key.encode())

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._num_requests >= MAX_REQUESTS:
            slowest = next((other for other in self._bodies if other.deadline is not None), None)
            if slowest is None:
                text = "The service is busy with as many requests as it can handle; try again in a moment."
                await refuse(scope, send, 503, "overloaded", text)
                return
            self._abort(slowest)
        body = _Body()
        self._num_requests += 1
        self._bodies[body] = None
        try:
            await self._app(scope, lambda: self._receive(receive, body), send)
        finally:
            self._bodies.pop(body, None)
            self._num_requests -= 1
            self._held_bytes -= body.num_bytes

    async def _receive(self, receive: Receive, body: _Body) -> Message:
        """Receives the next chunk of a body, within the limit on the total size of all bodies."""
        try:
            async with asyncio.timeout(None) as body.deadline:
                message = await receive()
        except TimeoutError:
            raise RefusedUpload(503, "overloaded", ABORTED) from None
        finally:
            body.deadline = None
        if body.is_aborted:  # the chunk arrived at the moment of the abort
            raise RefusedUpload(503, "overloaded", ABORTED)
        size = len(message.get("body", b""))
        body.num_bytes += size
        self._held_bytes += size
        if not message.get("more_body"):
            self._bodies.pop(body, None)
        if self._held_bytes > MAX_HELD_BYTES * (1 if body.num_bytes <= MAX_SMALL_BYTES else LARGE_SHARE):
            largest = max(self._bodies, key=lambda other: other.num_bytes, default=body)
            if largest.num_bytes <= body.num_bytes or largest.deadline is None:
                text = "The service's memory is full of photos; try again in a moment."
                raise RefusedUpload(503, "overloaded", text)
            self._abort(largest)
        return message

    def _abort(self, body: _Body) -> None:
        """Rejects a request whose body is still arriving, and stops counting the body's bytes.

        The rejected request ends a little later; until then, a request that needs room must abort a different body.
        """
        body.is_aborted = True
        self._bodies.pop(body, None)
        self._held_bytes -= body.num_bytes
        body.num_bytes = 0
        if body.deadline is not None:
            body.deadline.reschedule(asyncio.get_running_loop().time())

    def _cross_origin_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        origin = headers.get("origin")
        if origin is None or origin not in self._settings.allowed_origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, X-API-Key",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Vary": "Origin",
        }


class _ResponseSender:
    """Sends responses with the common headers; converts errors in other formats to JSON."""

    def __init__(self, scope: Scope, send: Send, extra: Mapping[str, str]):
        self._send = send
        self._headers = SECURITY_HEADERS | {"Content-Security-Policy": PAGE_POLICY} | dict(extra)
        self._is_replaced = False
        self._unread = scope["method"] not in ("GET", "HEAD", "OPTIONS")
        self._scope = scope
        self._path = scope["path"] if scope["path"] in KNOWN_PATHS else "other"
        self._start_time = time.perf_counter()
        self._status = 0

    def watch(self, receive: Receive) -> Receive:
        """Wraps `receive` to record whether the body is read completely."""

        async def receive_watched() -> Message:
            message = await receive()
            self._unread = self._unread and bool(message.get("more_body"))
            return message

        return receive_watched

    def note(self) -> None:
        """Counts the request; status 0 means that the client disconnected."""
        instruments().requests.labels(self._path, str(self._status)).inc()
        instruments().request_seconds.labels(self._path).observe(time.perf_counter() - self._start_time)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            status = self._status = message["status"]
            headers = [(name, value) for name, value in message["headers"] if name.lower() != b"server"]
            is_json = any(name.lower() == b"content-type" and b"json" in value for name, value in headers)
            if status >= 400 and not is_json:
                self._is_replaced = True
                code, text = REASONS.get(status, OURS if status >= 500 else REASONS[400])
                headers = [(name, value) for name, value in headers if name.lower() == b"allow"]
                message = {**message, "headers": headers}
                body = error_body(self._scope, code, text)
                message["headers"] += [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                ]
                await self._send(self._complete(message))
                await self._send({"type": "http.response.body", "body": body})
                return
            message = self._complete({**message, "headers": headers})
        elif self._is_replaced:
            return
        await self._send(message)

    def _complete(self, message: Message) -> Message:
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self._headers.items()]
        if message["status"] in (429, 503):
            headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
        if self._unread:
            # Otherwise the server would read the rest of the body to keep the connection open.
            headers.append((b"connection", b"close"))
        return {**message, "headers": [*message["headers"], *headers]}


def without_version(scope: Scope) -> Scope:
    """Removes the version prefix: `/v1/predict` becomes `/predict`."""
    path = scope["path"]
    if path != VERSION_PREFIX and not path.startswith(f"{VERSION_PREFIX}/"):
        return scope
    plain_path = path[len(VERSION_PREFIX) :] or "/"
    return {**scope, "path": plain_path, "raw_path": plain_path.encode("utf-8", "surrogateescape")}


def error_body(scope: Scope, code: str, message: str) -> bytes:
    """The body of an error, in the service's format or, below /v2, in that of the Open Inference Protocol."""
    if f"{scope['path']}/".startswith("/v2/"):
        return json.dumps({"error": message}).encode()
    return json.dumps({"error": {"code": code, "message": message}, "predictions": []}).encode()


async def refuse(scope: Scope, send: Send, status: int, code: str, message: str) -> None:
    """Responds with an error, without reading the body of the request."""
    body = error_body(scope, code, message) if code else b""
    headers = [(b"content-length", str(len(body)).encode())] if body else []
    if body:
        headers.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
