"""Servers that never answer, never finish or send too much: each causes an error within seconds."""

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from components.contract.errors import DataError
from components.preprocess.sources.probe import probe
from components.preprocess.sources.remote import limits
from components.preprocess.sources.remote.files import list_files


class Hostile(http.server.BaseHTTPRequestHandler):
    """The path determines the answer; by default, the body never ends."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(head=True)

    def do_GET(self) -> None:
        self.answer(head=False)

    def answer(self, *, head: bool) -> None:
        try:
            if self.path == "/silent.zip":
                self.wait()
            elif self.path == "/header.zip":
                self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
                self.drip()
            elif self.path == "/loop.zip":
                self.send_response(302)
                self.send_header("Location", "/loop.zip")
                self.end_headers()
            else:
                self.send_response(206 if "partial" in self.path else 200)
                length = {"/more.zip": 1000, "/drip.zip": 10**6, "/partial.zip": 1000, "/large.zip": 10**15}
                if self.path in length:
                    self.send_header("Content-Length", str(length[self.path]))
                    self.send_header("Accept-Ranges", "bytes")
                self.end_headers()
                if not head:
                    self.drip() if self.path == "/drip.zip" else self.flood()
        except OSError:
            return  # the client has closed the connection

    def wait(self) -> None:
        while not self.server.is_over.wait(0.1):  # type: ignore[attr-defined]
            pass

    def drip(self) -> None:
        while not self.server.is_over.wait(0.1):  # type: ignore[attr-defined]
            self.wfile.write(b"P")
            self.wfile.flush()

    def flood(self) -> None:
        while not self.server.is_over.is_set():  # type: ignore[attr-defined]
            self.wfile.write(bytes(2**16))


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 2.0)
    monkeypatch.setattr(limits, "UNANNOUNCED_BYTES", 2**24)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        server.daemon_threads = True
        server.is_over = threading.Event()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.is_over.set()  # type: ignore[attr-defined]
        server.shutdown()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "endless.zip",
            r"must contain at most 16,777,216 bytes, since its server does not report its size; it contains more",
        ),
        ("more.zip", "must contain photos|cannot be read|as its server reports"),
        ("partial.zip", "must contain photos|cannot be read|as its server reports"),
        ("drip.zip", "must be read within 2 s"),
        ("silent.zip", "must answer within 2 s|cannot be read"),
        ("header.zip", "must answer within 2 s|cannot be read"),
        ("loop.zip", "cannot be read"),
        ("large.zip", "MB of disk space"),
    ],
)
def test_reading_from_a_malicious_server_fails_within_seconds(name: str, message: str, address: str) -> None:
    with pytest.raises(DataError, match=message):
        probe(f"{address}/{name}")


def test_an_endless_listing_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        """A file system whose list of files never ends."""

        def find(self, path: str, detail: bool) -> dict[str, object]:
            while True:
                time.sleep(0.1)

    monkeypatch.setattr(limits, "LIST_SECONDS", 0.5)
    with pytest.raises(DataError, match=r"must answer within [01] s"):
        list_files(Endless(), "bucket/photos", "s3://bucket/photos")


def test_listing_a_folder_may_take_longer_than_other_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        """A file system that lists a folder slowly, as a busy machine does."""

        def find(self, path: str, detail: bool) -> dict[str, object]:
            time.sleep(0.5)
            return {f"{path}/cat/1.jpg": {"size": 3}}

    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.1)
    assert list(list_files(Slow(), "bucket/photos", "s3://bucket/photos")) == ["cat/1.jpg"]


def test_the_first_part_of_a_file_may_take_as_long_as_any_later_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 1.0)
    budget = limits.fetch_budget("s3://bucket/photos.zip")
    time.sleep(0.7)
    budget.spend(3)
