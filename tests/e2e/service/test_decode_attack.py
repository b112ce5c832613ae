"""The service answers ordinary photos even while it receives forms full of photos that are expensive to decode."""

import contextlib
import functools
import http.client
import json
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import served_model
from benchmarks.decode_attack import attack, peak_memory
from benchmarks.load import Load
from benchmarks.serving import memory_mb, processes
from components.deploy.bento.server import serving
from components.deploy.client import encode_form
from components.deploy.service.protocol import MAX_FILES
from tests.cases.decode_bombs import HEADER_BOMBS, encoded, jpeg_of_many_scans
from tests.e2e.service.client import photos
from tests.e2e.service.conftest import Deployed

MAX_MEMORY_MB = 700
"""Enough for the service with MobileNetV2, plus decoding, plus the bodies of two forms; the container has 1,024 MiB."""
BOMBS = {
    "PNGs of 89 megapixels": lambda: encoded("1", 9433, "PNG"),
    "PNGs of 24 megapixels": lambda: encoded("RGB", 4900, "PNG"),
    "JPEGs with 180 scans": lambda: jpeg_of_many_scans(3000, 180),
    "progressive JPEGs of 49 megapixels": lambda: encoded("RGB", 7000, "JPEG", progressive=True, quality=10),
    "WebPs of 12 megapixels": lambda: encoded("RGB", 3450, "WEBP", lossless=True, method=0),
    "GIFs of 25 megapixels": lambda: encoded("L", 5000, "GIF"),
    "run-length encoded BMPs": lambda: run_lengths(3000),
}


def run_lengths(side: int) -> bytes:
    """Returns a run-length encoded BMP, which Pillow decodes in Python."""
    rows = (b"\xff\0" * (side // 255) + bytes((side % 255, 0, 0, 0))) * side + b"\0\1"
    plain = bytearray(encoded("L", 4, "BMP")[:1078])
    plain[2:6] = (1078 + len(rows)).to_bytes(4, "little")
    plain[18:26] = side.to_bytes(4, "little") * 2
    plain[30:34] = (1).to_bytes(4, "little")
    return bytes(plain) + rows


def ask(url: str, files: list[bytes], path: str = "/predict") -> tuple[int, dict[str, Any], str | None]:
    """Sends files and returns the status, the answer and the Retry-After header."""
    content_type, body = encode_form(files)
    with contextlib.closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=90)) as connection:
        connection.request("POST", path, body, {"Content-Type": content_type})
        response = connection.getresponse()
        return response.status, json.loads(response.read()), response.headers["Retry-After"]


@pytest.mark.parametrize("path", ["/predict", "/explain"])
def test_a_photo_that_is_too_large_is_refused_based_on_its_header_alone(url: str, path: str) -> None:
    start_time = time.process_time()
    status, answer, _ = ask(url, [BOMBS["PNGs of 89 megapixels"]()], path)
    entry = answer["predictions"][0] if path == "/predict" else answer
    assert (status, entry["error"]["code"]) == (400, "too_large")
    assert "192 MiB of memory; a PNG of 9,433 × 9,433 pixels needs" in entry["error"]["message"]
    assert time.process_time() - start_time < 5


def test_a_form_whose_photos_would_take_too_long_to_decode_is_rejected(url: str) -> None:
    status, answer, _ = ask(url, [BOMBS["PNGs of 24 megapixels"]()] * MAX_FILES)
    assert (status, answer["error"]["code"]) == (413, "too_large")


def test_photos_with_slow_headers_do_not_affect_other_photos(deployed: Deployed, url: str) -> None:
    (honest_photo,) = photos(deployed, 1)
    status, answer, _ = ask(url, [honest_photo, *(make() for make in HEADER_BOMBS.values()), honest_photo])
    assert status == 200
    first, *refusals, last = answer["predictions"]
    assert first["label"] == last["label"]
    assert {entry["error"]["code"] for entry in refusals} == {"corrupt"}


def test_a_normal_photo_is_answered_before_large_forms_of_other_clients(deployed: Deployed, url: str) -> None:
    (honest_photo,) = photos(deployed, 1)
    bomb = encoded("RGB", 2500, "PNG")
    answers: list[int] = []
    attackers = [threading.Thread(target=lambda: answers.append(ask(url, [bomb] * 12)[0])) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    while not answers and ask(url, [honest_photo])[0] != 200:
        time.sleep(0.01)
    statuses = [ask(url, [honest_photo])[0] for _ in range(3)]
    is_under_attack = any(attacker.is_alive() for attacker in attackers)
    for attacker in attackers:
        attacker.join()
    assert statuses == [200] * 3, answers
    assert is_under_attack, f"the photos must be answered before the forms: {answers}"
    assert set(answers) <= {200, 503}


def test_request_smuggling_is_refused(url: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        lines = [
            "POST /predict HTTP/1.1",
            "Host: x",
            "Content-Length: 4",
            "Transfer-Encoding: chunked",
            "",
            "0",
            "",
            "GET /model HTTP/1.1",
            "Host: x",
            "",
            "",
        ]
        connection.sendall("\r\n".join(lines).encode())
        with contextlib.closing(http.client.HTTPResponse(connection)) as response:
            response.begin()
            assert (response.status, json.loads(response.read())["error"]["code"]) == (400, "bad_request")
            assert connection.recv(1000) == b""


@pytest.mark.proof
@pytest.mark.parametrize("name", BOMBS)
def test_under_attack_no_normal_photo_fails_and_memory_stays_below_its_limit(tmp_path: Path, name: str) -> None:
    served_model.build(tmp_path)
    with serving(tmp_path) as url, contextlib.closing(Load(url, photos_per_request=1)) as load:
        assert load.ask()[0] == 200
        measure = functools.partial(memory_mb, tmp_path)
        with attack(url, BOMBS[name]()) as statuses, peak_memory(measure) as peak:
            honest = [load.ask() for _ in range(50)]
        slowest = max(seconds for _, seconds in honest)
        print(f"{name}: {max(peak):.0f} MB, slowest answer {slowest:.2f} s, attackers got {sorted(set(statuses))}")
        assert {status for status, _ in honest} == {200}
        assert set(statuses) <= {200, 400, 413, 503}
        assert max(peak) < MAX_MEMORY_MB
        assert load.ask()[0] == 200


@pytest.mark.proof
def test_requests_in_progress_are_answered_while_the_service_stops(tmp_path: Path) -> None:
    served_model.build(tmp_path)
    answers: list[int] = []
    form = [encoded("RGB", 4900, "PNG")] * 6
    with serving(tmp_path) as url:
        client = threading.Thread(target=lambda: answers.append(ask(url, form)[0]))
        client.start()
        time.sleep(1)
        supervisor = next(
            process for process in processes(tmp_path) if process.cmdline()[1:5] == ["-P", "-m", "bentoml", "serve"]
        )
        supervisor.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert client.is_alive()
        with pytest.raises(ConnectionRefusedError):
            ask(url, form)
        client.join()
    assert answers == [200]
