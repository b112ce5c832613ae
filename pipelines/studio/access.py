"""Access control: checks the host, the origin of requests that change something, and the token if one is set.

Without these checks, a page from another origin in the same browser could start jobs: browsers send such requests, and
only hide the response. With DNS rebinding, where another host name resolves to this address, such a page would even
have the same origin as the studio.
"""

import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "darkroom_studio"
SAFE: Final = ("GET", "HEAD")
POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Rejects requests to other hosts, requests of other sites for changes, and requests without the required token."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], token: str | None, public_url: str | None = None):
        """Creates the middleware.

        Args:
            app: the protected app.
            hosts: the hosts (name and port) that requests may be addressed to; empty for any host (requires a token).
            token: the required token; None if none is required.
            public_url: the studio's address at a reverse proxy, which may keep or remove the path of this address; None
            without a proxy.
        """
        assert hosts or token, "without hosts, a token must protect the page"
        self._app = app
        self._hosts = hosts
        self._token = token
        public = urlsplit(public_url or "")
        self._public_host = public.netloc
        self._prefix = public.path.rstrip("/")
        self._is_encrypted = public.scheme == "https"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes an allowed request to the app, and rejects any other."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        scope = {**scope, "root_path": self._prefix}
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, _add_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        else:
            await refusal(scope, receive, _add_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "").lower()
        if self._hosts and host not in self._hosts:
            return PlainTextResponse(
                f"The studio must be opened at {sorted(self._hosts)[0]}; the request was for {host!r}.", 421
            )
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE
        if changes and not _is_same_origin(headers, {host, self._public_host}):
            return PlainTextResponse(
                "Only the studio's page may change anything; this request came from another site.", 403
            )
        return self._ask_for_token(scope, headers) if self._token else None

    def _ask_for_token(self, scope: Scope, headers: Headers) -> Response | None:
        assert self._token is not None, "only called if a token is set"
        bearer_token = headers.get("authorization", "")[len("Bearer ") :]
        if matches(self._token, _read_cookie(headers)) or matches(self._token, bearer_token):
            return None
        query_token = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if scope["type"] == "http" and scope["method"] == "GET" and matches(self._token, query_token):
            answer = RedirectResponse(
                "./", 303
            )  # keeps the token out of the browser's history; relative, so that it works under a path prefix
            answer.set_cookie(
                COOKIE,
                self._token,
                path=f"{self._prefix}/",
                httponly=True,
                samesite="strict",
                secure=self._is_encrypted or scope["scheme"] == "https",
            )
            return answer
        return PlainTextResponse(
            "This studio requires its token: open the address that it printed when it started.", 401
        )


def _is_same_origin(headers: Headers, hosts: set[str]) -> bool:
    """Whether a request comes from one of these hosts, or does not state its origin.

    Browsers send the origin with each request that changes something and each WebSocket; other programs may omit it.
    """
    origin = headers.get("origin")
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin_host = urlsplit(origin or "").netloc.lower()
    return origin is None or (origin_host != "" and origin_host in hosts)


def matches(token: str, candidate: str) -> bool:
    """Whether a candidate is the token; the time that this takes does not depend on how much of it is correct."""
    return hmac.compare_digest(token.encode(), candidate.encode())


def _read_cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _add_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            header_names = {name.lower() for name, _ in message["headers"]}
            extra = {**HEADERS, "Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
            message["headers"] = [
                *message["headers"],
                *(
                    (name.lower().encode(), text.encode())
                    for name, text in extra.items()
                    if name.lower().encode() not in header_names
                ),
            ]
        await send(message)

    return send_with_headers
