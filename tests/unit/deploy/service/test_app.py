"""The service's answers if its own code fails, or if a 16-bit photo is outside the pixel range."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.contract.artifacts.bundle import read_bundle
from components.contract.image.decode import Photo
from components.contract.image.decoding_cost import DecodeCost
from components.deploy.bento.build import lay_out
from components.deploy.parity import golden_photos
from components.deploy.service.gateway.upload import UploadRequest
from components.deploy.service.protocol import Options
from tests.cases.bad_photos.encoding import encoded
from tests.support.artifacts import CLASS_NAMES
from tests.unit.deploy.conftest import Artifacts

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # importing BentoML causes it
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def answer(artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Returns a function that sends files to a service in this process; the decoder fails on the bytes `crash`."""
    from components.deploy.service import app

    bundle = read_bundle(artifacts.bundle_dir).model_copy(update={"pixel_range": (0, 4095)})
    lay_out(tmp_path / "src", artifacts.bundle_dir, bundle, "colors")
    monkeypatch.setattr(app, "PACKED_DIR", tmp_path / "src")
    instance = app.PhotoClassifier.inner()
    open_photo = instance.classifier.open

    def crashing(data: bytes, admit: Callable[[DecodeCost], None]) -> Photo:
        if data == b"crash":
            raise MemoryError("at 0x7f00 in /opt/secret")
        return open_photo(data, admit)

    instance.classifier.open = crashing

    def ask(*files: bytes) -> tuple[int, dict[str, Any]]:
        predict = type(instance).__dict__["predict"].func
        response = asyncio.run(predict(instance, (UploadRequest(list(files), Options()), False)))
        return response.status_code, json.loads(response.body)

    return ask


def test_an_internal_error_does_not_affect_other_photos_or_leak_details(artifacts: Artifacts, answer: Ask) -> None:
    good = golden_photos(artifacts.dataset_dir)[0].read_bytes()
    status, body = answer(good, b"crash", good)
    assert status == 200
    first, failure, last = body["predictions"]
    assert {**first, "id": None} == {**last, "id": None}
    assert first["id"] != last["id"], "each prediction must have its own id"
    assert first["label"] in CLASS_NAMES
    assert failure["error"]["code"] == "internal"
    assert "0x7f00" not in json.dumps(body)
    assert "secret" not in json.dumps(body)


def test_a_16_bit_photo_brighter_than_the_range_is_clipped_counted_and_logged(
    artifacts: Artifacts, answer: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    from components.deploy.service.metrics import instruments

    def photo(white: int) -> bytes:
        picture = np.full((16, 16), white // 2, np.uint16)
        picture[:4] = white
        return encoded(Image.fromarray(picture), "PNG")

    caplog.set_level("INFO", "bentoml.darkroom")
    before = instruments().clipped_photos._value.get()
    status, body = answer(photo(4095), photo(60_000), golden_photos(artifacts.dataset_dir)[0].read_bytes())
    assert status == 200
    assert all("label" in prediction for prediction in body["predictions"])
    assert instruments().clipped_photos._value.get() == before + 1
    assert body["predictions"][0]["probabilities"] != body["predictions"][1]["probabilities"]
    (message,) = (record.getMessage() for record in caplog.records if "Clipped" in record.getMessage())
    assert message.startswith("Clipped 100.0 % of the values")


@pytest.mark.parametrize(("files", "expected_status"), [((b"crash",), 500), ((b"", b"crash"), 500), ((b"",), 400)])
def test_the_status_distinguishes_client_and_server_errors(
    answer: Ask, files: tuple[bytes, ...], expected_status: int
) -> None:
    status, body = answer(*files)
    assert status == expected_status
    assert len(body["predictions"]) == len(files)
