"""The phone's page opens only with the code in its address, accepts only photos, and closes when it is not used."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from pipelines.studio import phone
from pipelines.studio.phone import PhoneCamera, qr_modules
from pipelines.studio.settings import StudioError
from tests.unit.pipelines.studio.conftest import Client

PHOTO = b"\xff\xd8 a photo"


@pytest.fixture(autouse=True)
def _this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone, "_local_address", lambda: "127.0.0.1")
    monkeypatch.setattr(phone, "POLL_SECONDS", 0.2)


@pytest.fixture
def camera() -> Iterator[PhoneCamera]:
    camera = PhoneCamera()
    yield camera
    camera.close()


def ask(url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Sends a request, retrying until the server has started; returns the status and the body of the answer."""
    request = urllib.request.Request(url, body, headers, method="GET" if body is None else "PUT")
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except urllib.error.URLError:  # the server is starting
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_each_photo_from_the_phone_arrives_once_and_in_order(camera: PhoneCamera) -> None:
    url = camera.open()
    assert camera.open() == url
    assert b"phone.js" in ask(url)[1]
    for name in ("phone.js", "phone.css", "theme.css"):
        assert ask(f"{url}{name}")[0] == 200
    assert camera.next_photo() is None
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(camera.next_photo)
        assert ask(f"{url}photos", PHOTO)[0] == 200
        assert waiting.result(10) == PHOTO
    assert ask(f"{url}photos", b"1")[0] == ask(f"{url}photos", b"2")[0] == 200
    assert [camera.next_photo() for _ in range(3)] == [b"1", b"2", None]


def test_requests_without_the_code_or_from_another_site_are_refused(camera: PhoneCamera) -> None:
    url = camera.open()
    root = url.rsplit("/", 2)[0]
    for path in ("/", "/wrong-code/", "/wrong-code/photos", f"{url.removeprefix(root)}../access.py", "/static/app.js"):
        assert ask(f"{root}{path}")[0] == 404
    assert ask(f"{root}/wrong-code/photos", PHOTO)[0] == 404
    assert ask(f"{url}photos", PHOTO, Origin="http://elsewhere.example")[0] == 403
    assert ask(f"{url}photos", PHOTO, Host="elsewhere.example")[0] == 421
    assert camera.next_photo() is None


def test_photos_are_refused_if_they_are_too_large_or_too_many_are_waiting(
    camera: PhoneCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone, "MAX_PHOTO_BYTES", 2**20)
    monkeypatch.setattr(phone, "MAX_WAITING", 2)
    url = camera.open()
    status, answer = ask(f"{url}photos", b"0" * (2**20 + 1))
    assert status == 413
    assert b"at most 1 MiB" in answer
    assert [ask(f"{url}photos", PHOTO)[0] for _ in range(3)] == [200, 200, 503]


def test_the_page_closes_when_the_studio_stops_asking_for_photos(
    camera: PhoneCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phone, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(phone, "NOTIFY_SECONDS", 1)
    url = camera.open()
    deadline = time.monotonic() + 20
    while True:
        try:
            camera.next_photo()
        except StudioError as error:
            assert "closed" in str(error)
            break
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert camera.open() != url


def test_the_qr_code_contains_the_address() -> None:
    url = "http://192.168.178.21:43211/abcDEF_-1234567890abcd/"
    dark = np.array([[module == "1" for module in row] for row in qr_modules(url)])
    picture = np.where(np.pad(dark, 4), 0, 255).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == url


def test_the_studio_opens_the_page_and_passes_on_the_photos(client: Client) -> None:
    answer = client.post("/api/phone", {}).json()
    assert answer["modules"] == qr_modules(answer["url"])
    assert client.post("/api/phone/photo", {}).status_code == 204
    assert ask(f"{answer['url']}photos", PHOTO)[0] == 200
    assert client.post("/api/phone/photo", {}).content == PHOTO
    assert client.post("/api/phone/close", {}).status_code == 200
    assert client.post("/api/phone/photo", {}).status_code == 409
