"""A real server refuses malicious requests with a reason, and continues to answer good ones."""

import contextlib
import gzip
import http.client
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.serving import memory_mb, processes
from components.deploy.bento.server import serving
from components.deploy.client import encode_form
from components.deploy.parity import golden_photos
from components.deploy.service.settings import API_KEY
from tests.e2e.service.conftest import Deployed

KEY = "0123456789abcdef0123"
NORMAL_SECONDS = 10
"""The time within which the server must answer good requests again after each attack."""


@pytest.fixture(scope="module")
def bento_dir(deployed: Deployed) -> Path:
    return deployed.bento_dir


@pytest.fixture(scope="module")
def photo(deployed: Deployed) -> bytes:
    return golden_photos(deployed.dataset_dir)[0].read_bytes()


@pytest.fixture(autouse=True)
def _good_photos_are_answered_afterwards(url: str, photo: bytes) -> Iterator[None]:
    yield
    deadline = time.monotonic() + NORMAL_SECONDS
    while post(url, *encode_form([photo]))[0] != 200:
        assert time.monotonic() < deadline, "the server must still answer good photos"
        time.sleep(0.2)


def address(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


def post(
    url: str, content_type: str, body: bytes, path: str = "/predict", **headers: str
) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(*address(url), timeout=40)
    with contextlib.closing(connection):
        connection.request("POST", path, body, {"Content-Type": content_type, **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def code(answer: dict[str, object]) -> str:
    error = answer["error"]
    assert isinstance(error, dict)
    for inside in ("components", "Traceback", "/tmp", "site-packages", "0x"):
        assert inside not in str(error["message"]), "messages must not reveal internals"
    return str(error["code"])


def part(disposition: str, content: bytes = b"x") -> bytes:
    return f"--cut\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"


FORM = "multipart/form-data; boundary=cut"
END = b"--cut--\r\n"


@pytest.mark.parametrize(
    ("content_type", "body", "status", "reason"),
    [
        (FORM, part('name="files"; filename="a"') * 1001 + END, 400, "bad_form"),
        (FORM, part('name="note"') * 1001 + END, 400, "bad_form"),
        (FORM, part('name="files"', b"http://127.0.0.1:9/cat.jpg") + END, 400, "not_a_file"),
        (FORM, part('name="files"; filename="a"', b"http://127.0.0.1:9/cat.jpg") + END, 400, "no_photo"),
        (FORM, part('name="files"', b"/etc/passwd") + END, 400, "not_a_file"),
        (FORM, part('name="image"; filename="a"') + END, 400, "no_files"),
        (FORM, part('name="files"; filename="../../../etc/passwd"') + END, 400, "no_photo"),
        (FORM, part('name="files"; filename="a\0b"') + END, 400, "no_photo"),
        (FORM, part('name="files"; filename="a"')[:-9], 400, "no_files"),
        (FORM, b"--cut\r\n" + b"X-Long: " + b"x" * 10**6, 400, "bad_form"),
        (FORM, b"--cut\r\n" + b"A: b\r\n" * 10**5, 400, "bad_form"),
        ("multipart/form-data", b"x", 400, "bad_form"),
        ("multipart/form-data; boundary=" + "x" * 5000, b"x", 400, "bad_form"),
        ("application/json", b'{"files": ["/etc/passwd"]}', 415, "not_a_photo"),
        ("application/x-www-form-urlencoded", b"files=x", 415, "not_a_photo"),
        ("application/vnd.bentoml+pickle", b"cos\nsystem\n", 415, "not_a_photo"),
        ("", b"", 400, "no_files"),
        ("application/json", b"", 400, "no_files"),
        ("", b"no photo", 400, "no_photo"),
        ("image/png", b"", 400, "no_files"),
    ],
    ids=range(20),
)
def test_an_invalid_request_is_refused_with_a_reason(
    url: str, content_type: str, body: bytes, status: int, reason: str
) -> None:
    answer_status, answer = post(url, content_type, body)
    assert (answer_status, code(answer)) == (status, reason)


def test_a_decompression_bomb_is_not_decompressed(url: str) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    status, answer = post(url, FORM, bomb, **{"Content-Encoding": "gzip"})
    assert (status, code(answer)) == (415, "encoded")
    status, answer = post(url, "application/octet-stream", bomb)
    assert (status, code(answer)) == (400, "no_photo")


def test_a_body_of_a_gigabyte_is_refused_early_and_not_kept_in_memory(url: str, bento_dir: Path) -> None:
    before = memory_mb(bento_dir)
    head = (f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    chunk = b"%x\r\n" % 2**20 + bytes(2**20) + b"\r\n"
    num_chunks = 0
    with socket.create_connection(address(url), timeout=30) as connection:
        connection.sendall(head)
        start = part('name="files"; filename="a"')[:-3]
        connection.sendall(b"%x\r\n" % len(start) + start + b"\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while num_chunks < 1024:
                connection.sendall(chunk)
                num_chunks += 1
    assert num_chunks < 128, "the server must not accept the rest of the body"
    time.sleep(1)
    assert memory_mb(bento_dir) < before + 200


def test_a_client_that_disconnects_does_not_affect_others(url: str, photo: bytes) -> None:
    content_type, body = encode_form([photo] * 8)
    head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(20):
        with socket.create_connection(address(url), timeout=10) as connection:
            connection.sendall(head.encode() + body[: len(body) // 2])
    assert post(url, content_type, body)[0] == 200


def test_concurrent_requests_are_answered_or_refused_with_503(url: str, photo: bytes) -> None:
    content_type, body = encode_form([photo] * 4)
    with ThreadPoolExecutor(100) as clients:
        answers = list(clients.map(lambda _: post(url, content_type, body), range(300)))
    statuses = {status for status, _ in answers}
    assert statuses <= {200, 503}
    assert 200 in statuses
    assert {code(answer) for status, answer in answers if status == 503} <= {"overloaded"}


def test_the_service_opens_no_connection_to_other_machines(url: str, bento_dir: Path, photo: bytes) -> None:
    post(url, FORM, part('name="files"; filename="a"', b"http://127.0.0.1:9/cat.jpg") + END)
    for process in processes(bento_dir):
        for connection in process.net_connections("inet"):
            assert (
                not connection.raddr
                or connection.laddr.port == address(url)[1]
                or (connection.raddr.ip == connection.laddr.ip == "127.0.0.1")
            ), connection


def test_a_service_with_a_key_answers_only_requests_with_that_key(bento_dir: Path, photo: bytes) -> None:
    content_type, body = encode_form([photo])
    with serving(bento_dir, settings={API_KEY: KEY}) as url:
        assert post(url, content_type, body)[0] == 401
        assert post(url, content_type, body, **{"X-API-Key": KEY})[0] == 200
        assert post(url, content_type, body, **{"Authorization": f"Bearer {KEY}"})[0] == 200
