"""The client retries if a service is busy, and reports what is wrong if no Darkroom service answers."""

import http.server
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from components.contract.errors import ServiceError
from components.deploy.bento.server import free_address
from components.deploy.client import Client, predict


@pytest.fixture
def web_page() -> Iterator[str]:
    """A server that is not a Darkroom service."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>welcome</html>")

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "ftp://127.0.0.1", "", "http://", "file:///etc/passwd"])
def test_an_invalid_address_is_reported(url: str) -> None:
    with pytest.raises(ServiceError, match="must look like"):
        Client(url)


def test_a_missing_service_is_reported_with_the_address() -> None:
    host, port = free_address("127.0.0.1", None)
    with pytest.raises(ServiceError, match=f"No service answers at http://{host}:{port}"):
        predict(f"http://{host}:{port}", [b"photo"])


def test_another_kind_of_server_is_reported_with_its_answer(web_page: str) -> None:
    with pytest.raises(ServiceError, match="it answered 200: <html>welcome"):
        predict(web_page, [b"photo"])


class Moody(http.server.BaseHTTPRequestHandler):
    """A server that is overloaded at first, and closes each connection silently after its answer."""

    protocol_version = "HTTP/1.1"
    api_keys: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.api_keys.append(self.headers["X-API-Key"])
        busy = len(self.api_keys) == 1
        body = b'{"model": "m:1", "predictions": []}'
        self.send_response(503 if busy else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


def test_a_client_retries_if_the_service_is_busy_or_has_closed_an_idle_connection() -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Moody) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with Client(f"http://127.0.0.1:{server.server_port}", api_key="key") as client:
                assert client.predict([b"photo"]) == []
                assert client.predict([b"photo"]) == []
        finally:
            server.shutdown()
            thread.join()
    assert Moody.api_keys == ["key"] * 3
