"""A real BentoML server answers each photo separately over HTTP, and refuses everything else with a reason."""

import io
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from components.deploy.client import Client, Failure, Prediction, encode_form, predict
from components.deploy.parity import golden_photos, read_expected
from tests.cases.bad_photos import BAD_PHOTOS, needs_heic
from tests.e2e.service.client import photos, post, request
from tests.e2e.service.conftest import Deployed
from tests.support.artifacts import CLASS_NAMES


def test_a_photo_gets_its_label_and_sorted_probabilities(deployed: Deployed, url: str) -> None:
    for path in golden_photos(deployed.dataset_dir)[::5]:
        status, answer = post(url, [path.read_bytes()])
        expected = read_expected(deployed.evaluation_dir)[path.stem]
        assert status == 200
        assert answer["model"] == deployed.info.tag
        (prediction,) = answer["predictions"]
        assert prediction["label"] == CLASS_NAMES[expected.label]
        shares = [entry["probability"] for entry in prediction["probabilities"]]
        assert shares == sorted(shares, reverse=True)
        assert prediction["confidence"] == shares[0]
        assert {entry["label"] for entry in prediction["probabilities"]} == set(CLASS_NAMES)
        assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_good_and_broken_photos_are_answered_in_order(deployed: Deployed, url: str) -> None:
    good_photos = photos(deployed, 2)
    jpeg = b"\xff\xd8\xff\xe0" + bytes(200)
    status, answer = post(url, [good_photos[0], b"", b"no photo", good_photos[1], jpeg, good_photos[0][:-30]])
    assert status == 200
    kinds = ["label" if "label" in entry else entry["error"]["code"] for entry in answer["predictions"]]
    assert kinds[:4] == ["label", "empty", "not_an_image", "label"]
    assert set(kinds[4:]) <= {"corrupt", "truncated", "not_an_image"}
    single_predictions = [post(url, [photo])[1]["predictions"][0] for photo in good_photos]
    for prediction, expected in zip(
        (answer["predictions"][0], answer["predictions"][3]), single_predictions, strict=True
    ):
        assert {**prediction, "id": None} == {**expected, "id": None}, "broken photos must not affect the others"


def test_a_request_with_only_broken_photos_gets_400_and_a_reason_per_photo(url: str) -> None:
    status, answer = post(url, [b"", b"no photo"])
    assert status == 400
    assert answer["error"]["code"] == "no_photo"
    assert [entry["error"]["code"] for entry in answer["predictions"]] == ["empty", "not_an_image"]


SAMPLED = 12
"""The approximate number of bad photos that each test run sends to the server; `make proof` sends all of them."""


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.proof), len(BAD_PHOTOS) // SAMPLED])
def test_each_bad_photo_gets_the_same_verdict_as_in_a_scan(url: str, step: int) -> None:
    names = [name for name in list(BAD_PHOTOS)[::step] if not needs_heic(name)]
    for start in range(0, len(names), 16):
        batch = names[start : start + 16]
        start_time = time.monotonic()
        _, answer = post(url, [BAD_PHOTOS[name].make() for name in batch])
        assert time.monotonic() - start_time < 2 * len(batch)
        verdicts = [entry["error"]["code"] if "error" in entry else None for entry in answer["predictions"]]
        assert dict(zip(batch, verdicts, strict=True)) == {name: BAD_PHOTOS[name].verdict for name in batch}


@pytest.mark.parametrize(
    ("field", "value", "status", "message_parts"),
    [
        ("image", None, 400, ("'files'", "'image'")),
        ("files", b"https://example.org/cat.jpg", 400, ("'files'", "text")),
        (None, b"{}", 415, ("'files'", "application/json")),
        (None, b"", 400, ("'files'", "multipart/form-data", "it is missing")),
    ],
)
def test_a_request_without_files_gets_a_description_of_the_expected_body(
    deployed: Deployed, url: str, field: str | None, value: bytes | None, status: int, message_parts: tuple[str, ...]
) -> None:
    content_type, body = encode_form([value or photos(deployed, 1)[0]])
    body = body.replace(b'name="files"', f'name="{field}"'.encode())
    if value is not None:
        body = body.replace(b'; filename="0"', b"")
    if field is None:
        content_type, body = "application/json" if value else "", value or b""
    answer_status, answer = request(url, "POST", "/predict", body, Content_Type=content_type)
    assert answer_status == status
    assert all(text in answer["error"]["message"] for text in message_parts)


def test_a_body_with_a_too_large_content_length_is_refused_before_it_is_sent(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=cut\r\n"
            b"Content-Length: 1000000000\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_too_many_files_in_one_request_are_rejected(deployed: Deployed, url: str) -> None:
    status, answer = post(url, photos(deployed, 1) * 65)
    assert (status, "at most 64 files" in answer["error"]["message"]) == (400, True)
    assert len(predict(url, photos(deployed, 1) * 65)) == 65, "the client must split the photos into two requests"


def test_concurrent_clients_get_their_own_answers(deployed: Deployed, url: str) -> None:
    with Client(url) as client:
        expected_predictions = {photo: client.predict([photo])[0] for photo in photos(deployed, 12)}

    def ask(photo: bytes) -> list[Prediction | Failure]:
        return predict(url, [photo, b"broken", photo])

    requested_photos = list(expected_predictions) * 5
    with ThreadPoolExecutor(16) as clients:
        for photo, (first, broken, last) in zip(requested_photos, clients.map(ask, requested_photos), strict=True):
            assert isinstance(broken, Failure)
            for prediction in (first, last):
                expected = expected_predictions[photo]
                assert isinstance(prediction, Prediction)
                assert isinstance(expected, Prediction)
                assert prediction.label == expected.label
                assert prediction.confidence == pytest.approx(expected.confidence, abs=1e-6)


def test_a_raw_photo_gets_the_same_answer_as_in_a_form(deployed: Deployed, url: str) -> None:
    (photo,) = photos(deployed, 1)
    status, raw = request(url, "POST", "/v1/predict", photo, Content_Type="image/png")
    assert status == 200
    assert {**raw["predictions"][0], "id": None} == {**post(url, [photo])[1]["predictions"][0], "id": None}


def test_options_shorten_the_answer_and_change_the_threshold(deployed: Deployed, url: str) -> None:
    (photo,) = photos(deployed, 1)
    (plain,) = post(url, [photo])[1]["predictions"]
    (short,) = post(url, [photo], "/predict?top_k=1&threshold=1")[1]["predictions"]
    assert short["probabilities"] == plain["probabilities"][:1]
    assert (plain["abstained"], short["abstained"]) == (False, True)
    assert short["label"] == plain["label"], "an answer that abstains must still contain the label"
    assert not post(url, [photo], "/predict?threshold=0")[1]["predictions"][0]["abstained"]
    status, refusal = post(url, [photo], "/predict?top_k=none")
    assert (status, refusal["error"]["code"]) == (400, "bad_option")


def test_confidence_is_calibrated_and_an_unusual_photo_is_unfamiliar(deployed: Deployed, url: str) -> None:
    strange = np.zeros((16, 16, 3), np.uint8)
    strange[..., 0] = strange[..., 2] = 255  # a color between two classes
    file = io.BytesIO()
    Image.fromarray(strange).save(file, "PNG")
    familiar, unfamiliar = post(url, [*photos(deployed, 1), file.getvalue()])[1]["predictions"]
    assert 0 <= familiar["unfamiliar"] <= 1 < unfamiliar["unfamiliar"]
    card = request(url, "GET", "/model")[1]
    assert (card["calibrated"], card["temperature"], card["abstention"]["threshold"]) == (True, 2.0, 0.6)
    assert card["test"]["accuracy"]["value"] == 1
    assert card["explanation"] == "class activation map"
