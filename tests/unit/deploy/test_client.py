"""The client says what is wrong when there is no service at the other end."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from components.contract.errors import ServiceError
from components.deploy.client import ServiceClient, predict
from components.deploy.server import free_address


@pytest.fixture
def web_page() -> Iterator[str]:
    """A server that is no Darkroom service."""

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
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(ServiceError, match="address must be such as"):
        ServiceClient(url)


def test_nobody_there_is_told_with_the_address() -> None:
    host, port = free_address("127.0.0.1", None)
    with pytest.raises(ServiceError, match=f"A service must answer at http://{host}:{port}"):
        predict(f"http://{host}:{port}", [b"photo"])


def test_another_kind_of_server_is_told_with_its_answer(web_page: str) -> None:
    with pytest.raises(ServiceError, match="it answered 200: <html>welcome"):
        predict(web_page, [b"photo"])
