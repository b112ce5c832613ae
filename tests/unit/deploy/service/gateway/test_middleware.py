"""What the middleware does for every request: API key, limits, version prefix, headers, and errors as JSON."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from components.deploy.service.gateway import middleware
from components.deploy.service.gateway.middleware import GatewayMiddleware
from components.deploy.service.gateway.upload import RefusedUpload
from components.deploy.service.settings import ServiceSettings

KEY = "a key of 24 characters!!"


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


class App:
    """An app that reads the body, answers with `status` and the body `text`, and records the requested paths."""

    def __init__(self, status: int = 200, kind: str = "text/plain"):
        self.status, self.kind = status, kind
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        try:
            while (await receive()).get("more_body"):
                pass
        except RefusedUpload as refused:
            self.status = refused.status
        headers = [(b"content-type", self.kind.encode()), (b"server", b"secret 1.0"), (b"content-length", b"4")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"text"})


def ask(
    gateway: GatewayMiddleware,
    method: str = "GET",
    path: str = "/model",
    headers: dict[str, str] | None = None,
    body: Iterable[bytes] = (b"",),
) -> Answer:
    chunks = [*body]
    messages = iter(
        [
            {"type": "http.request", "body": chunk, "more_body": number + 1 < len(chunks)}
            for number, chunk in enumerate(chunks)
        ]
    )
    answer = Answer()

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert answer.status == 0, "an answer must start only once"
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": raw}
    asyncio.run(gateway(scope, receive, send))
    return answer


def guard(app: App, **settings: Any) -> GatewayMiddleware:
    return GatewayMiddleware(app, lambda: ServiceSettings(**settings))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer  {KEY}"}, 200),
        ({"X-API-Key": KEY}, 200),
        ({"X-API-Key": KEY[:-1]}, 401),
        ({"X-API-Key": ""}, 401),
        ({"Authorization": f"Basic {KEY}"}, 401),
        ({"Authorization": KEY}, 401),
        ({"X-API-Key": "ü" * 24}, 401),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/model"), ("POST", "/predict"), ("GET", "/v1/metrics")])
def test_an_api_key_is_required_if_one_is_set(headers: dict[str, str], status: int, method: str, path: str) -> None:
    app = App()
    answer = ask(guard(app, api_key=KEY), method, path, headers)
    assert answer.status == status
    assert len(app.paths) == (status == 200), "a request without the key must not reach the app"
    if status == 401:
        assert answer.code == "unauthorized"


@pytest.mark.parametrize("path", ["/", "/docs", "/readyz", "/livez", "/page/page.js", "/v1/", "/v1"])
def test_health_checks_and_pages_need_no_key(path: str) -> None:
    assert ask(guard(App(), api_key=KEY), "GET", path).status == 200


@pytest.mark.parametrize(
    ("path", "app_path"), [("/v1/predict", "/predict"), ("/v1", "/"), ("/v12", "/v12"), ("/predict", "/predict")]
)
def test_only_the_version_prefix_is_removed_from_a_path(path: str, app_path: str) -> None:
    app = App()
    ask(guard(app), "POST", path)
    assert app.paths == [app_path]


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "not_found"), (405, "method_not_allowed"), (500, "internal"), (503, "not_ready"), (418, "bad_request")],
)
def test_an_error_that_is_not_json_becomes_json(status: int, code: str) -> None:
    answer = ask(guard(App(status)))
    assert (answer.status, answer.code) == (status, code)
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "settings", "headers"),
    [(404, {}, {}), (500, {}, {}), (401, {"api_key": KEY}, {}), (415, {}, {"Content-Type": "application/vnd.bentoml"})],
)
def test_the_error_in_an_inference_protocol_answer_is_a_string(
    status: int, settings: dict[str, str], headers: dict[str, str]
) -> None:
    for path in ("/v2/models/another/infer", "/v1/v2/models/another/infer", "/v2"):
        answer = ask(guard(App(status), **settings), "POST", path, headers)
        assert (answer.status, type(json.loads(answer.body)["error"])) == (status, str)
    assert ask(guard(App(status), **settings), "POST", "/v2x", headers).code


def test_an_error_that_is_already_json_is_unchanged() -> None:
    assert ask(guard(App(400, "application/json"))).body == b"text"


def test_every_response_has_security_headers_and_no_server_name() -> None:
    for answer in (ask(guard(App())), ask(guard(App(404))), ask(guard(App(), api_key=KEY))):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    ("origin", "is_allowed"), [("https://a.example", True), ("https://b.example", False), (None, False)]
)
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_cross_origin_requests_are_allowed_only_from_configured_origins(
    origin: str | None, is_allowed: bool, method: str
) -> None:
    headers = {"Origin": origin} if origin else {}
    if method == "OPTIONS":
        headers["Access-Control-Request-Method"] = "POST"
    answer = ask(guard(App(), allowed_origins=("https://a.example",), api_key=KEY), method, "/predict", headers)
    assert answer.headers.get("access-control-allow-origin") == (origin if is_allowed else None)
    assert answer.status == (204 if method == "OPTIONS" else 401)


def test_requests_beyond_the_limit_are_rejected_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_REQUESTS", 0)
    app = App()
    answer = ask(guard(app), "POST", "/predict")
    assert (answer.status, answer.code) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    assert app.paths == []
    assert ask(guard(app), "GET", "/readyz").status == 200, "only requests with a body are limited"


def test_the_bytes_held_for_all_requests_are_limited_and_released(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_HELD_BYTES", 100)
    app = App()
    gateway = guard(app)
    assert ask(gateway, "POST", "/predict", body=[b"x" * 60, b"x" * 60]).status == 503
    for _ in range(3):
        app.status = 200
        assert ask(gateway, "POST", "/predict", body=[b"x" * 60]).status == 200


def test_the_slowest_body_is_rejected_in_favor_of_a_new_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_REQUESTS", 2)
    assert statuses_of(slow=[10, 10], last_size=10) == [503, 0, 200]


def test_the_largest_slow_body_is_rejected_if_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_HELD_BYTES", 100)
    assert statuses_of(slow=[20, 60], last_size=30) == [0, 503, 200]


def test_simultaneous_requests_displace_different_slow_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_REQUESTS", 3)
    assert statuses_of(slow=[10, 10, 10], last_size=10, num_last=2) == [503, 503, 0, 200, 200]


def test_simultaneous_bodies_displace_no_more_slow_requests_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_HELD_BYTES", 100)
    assert statuses_of(slow=[45, 40], last_size=30, num_last=2) == [503, 0, 200, 200]


def test_the_last_quarter_of_the_memory_is_reserved_for_small_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "MAX_HELD_BYTES", 100)
    monkeypatch.setattr(middleware, "MAX_SMALL_BYTES", 30)
    assert ask(guard(App()), "POST", "/predict", body=[b"x" * 74]).status == 200
    assert ask(guard(App()), "POST", "/predict", body=[b"x" * 76]).status == 503


def statuses_of(slow: list[int], last_size: int, num_last: int = 1) -> list[int]:
    """Returns the status of each request: first the slow ones, then `num_last` complete ones of `last_size` bytes.

    `slow` lists the number of bytes after which each slow request stalls. The slow requests arrive one after the other,
    and the complete ones all at once. A status of 0 means that the request has no answer yet.
    """

    async def run() -> list[int]:
        gateway, answers = guard(App()), [Answer() for _ in range(len(slow) + num_last)]

        async def ask_one(size: int, answer: Answer, *, is_whole: bool) -> None:
            pieces = [{"type": "http.request", "body": b"x" * size, "more_body": not is_whole}]

            async def receive() -> Message:
                if not pieces:
                    await asyncio.Event().wait()
                return pieces.pop()

            async def send(message: Message) -> None:
                answer.status = message.get("status", answer.status)

            gateway._app = App()  # a new app for each request, because an app keeps its state
            scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": []}
            await gateway(scope, receive, send)

        tasks = []
        for size, answer in zip(slow, answers, strict=False):
            tasks.append(asyncio.ensure_future(ask_one(size, answer, is_whole=False)))
            await asyncio.sleep(0.05)
        tasks += [asyncio.ensure_future(ask_one(last_size, answer, is_whole=True)) for answer in answers[len(slow) :]]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [answer.status for answer in answers]

    return asyncio.run(run())
