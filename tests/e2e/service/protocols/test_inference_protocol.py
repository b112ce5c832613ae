"""A real service implements version 2 of the Open Inference Protocol for Triton's client and for plain requests."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton

from components.contract.image.decode import decode
from components.deploy.parity import golden_photos, read_expected
from tests.e2e.service.conftest import Deployed

OUTPUTS = {"label": "BYTES", "confidence": "FP32", "probabilities": "FP32", "abstained": "BOOL", "unfamiliar": "FP32"}


@pytest.fixture(scope="module")
def client(url: str) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(url.removeprefix("http://"))


@pytest.fixture(scope="module")
def photos(deployed: Deployed) -> list[Path]:
    return golden_photos(deployed.dataset_dir)[:5]


def as_files(photos: list[Path], *, binary: bool) -> triton.InferInput:
    import base64

    contents = [photo.read_bytes() for photo in photos]
    values = np.array(contents if binary else [base64.b64encode(data).decode() for data in contents], object)
    tensor = triton.InferInput("image", [len(photos)], "BYTES")
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def as_pixels(photos: list[Path], deployed: Deployed, *, binary: bool) -> triton.InferInput:
    info = deployed.dataset
    pixels = np.stack(
        [decode(photo.read_bytes(), info.image_size, info.resize, info.pixel_range).pixels for photo in photos]
    )
    tensor = triton.InferInput("pixels", list(pixels.shape), "UINT8")
    tensor.set_data_from_numpy(pixels, binary_data=binary)
    return tensor


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize("kind", ["image", "pixels"])
def test_tritons_client_gets_the_predictions_of_evaluation(
    client: triton.InferenceServerClient, deployed: Deployed, photos: list[Path], kind: str, binary: bool
) -> None:
    name, _, version = deployed.info.tag.partition(":")
    tensor = as_files(photos, binary=binary) if kind == "image" else as_pixels(photos, deployed, binary=binary)
    outputs = None if binary else [triton.InferRequestedOutput(output, binary_data=False) for output in OUTPUTS]
    answer = client.infer(name, [tensor], model_version=version, outputs=outputs, request_id="7")
    assert answer.get_response()["id"] == "7"
    expected = read_expected(deployed.evaluation_dir)
    probabilities = np.stack([expected[photo.stem].probabilities for photo in photos])
    np.testing.assert_allclose(answer.as_numpy("probabilities"), probabilities, atol=1e-4)
    np.testing.assert_allclose(answer.as_numpy("confidence"), probabilities.max(axis=1), atol=1e-4)
    labels = [label.decode() if isinstance(label, bytes) else label for label in answer.as_numpy("label")]
    assert labels == [deployed.dataset.class_names[row.argmax()] for row in probabilities]
    assert answer.as_numpy("abstained").dtype == bool
    assert (answer.as_numpy("unfamiliar") >= 0).all()


def test_the_server_and_the_model_describe_themselves(client: triton.InferenceServerClient, deployed: Deployed) -> None:
    name, _, version = deployed.info.tag.partition(":")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(name)
    assert client.is_model_ready(name, version)
    assert not client.is_model_ready("another")
    assert not client.is_model_ready(name, "another")
    metadata = client.get_model_metadata(name)
    assert metadata["versions"] == [version]
    assert {output["name"]: output["datatype"] for output in metadata["outputs"]} == OUTPUTS
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["image", "pixels"]
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]


def test_an_unknown_model_is_an_error_that_tritons_client_can_show(
    client: triton.InferenceServerClient, photos: list[Path]
) -> None:
    with pytest.raises(triton.InferenceServerException, match=r"\[404\] This address does not exist"):
        client.infer("another", [as_files(photos, binary=True)])


@pytest.mark.parametrize(
    ("status", "message", "change"),
    [
        (400, "must follow the Open Inference Protocol", {"inputs": []}),
        (400, "must follow the Open Inference Protocol", {"inputs": [{}]}),
        (400, "must follow the Open Inference Protocol", {"inputs": "image"}),
        (400, "image (BYTES [n]) or pixels (UINT8", {"name": "photo"}),
        (400, "image (BYTES [n]) or pixels (UINT8", {"datatype": "FP32"}),
        (400, "base64 strings", {"data": ["no base64!"]}),
        (400, "base64 strings", {"data": [1.5]}),
        (400, "must match the number of files", {"shape": [2]}),
        (400, "must match the number of files", {"data": [], "shape": [0]}),
        (400, "at most 64 photos", {"shape": [65]}),
        (400, "Photo 0: ", {"data": ["AAAA"]}),
        (400, "must have data, or binary_data_size", {"data": None}),
        (400, "outputs must be among label, confidence", {"outputs": [{"name": "logits"}]}),
        (400, "must have the shape [n, 16, 16, 3]", {"name": "pixels", "datatype": "UINT8", "data": [0]}),
        (
            400,
            "from 0 to 255",
            {"name": "pixels", "datatype": "UINT8", "shape": [1, 16, 16, 3], "data": [256] * 768},
        ),
        (
            400,
            "must match the data",
            {"name": "pixels", "datatype": "UINT8", "shape": [2, 16, 16, 3], "data": [1] * 768},
        ),
    ],
)
def test_an_invalid_request_is_rejected_with_the_unmet_requirement(
    url: str, deployed: Deployed, status: int, message: str, change: dict[str, Any]
) -> None:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["AAAA"]}
    whole = {key: change[key] for key in ("inputs", "outputs") if key in change}
    request = {"inputs": [tensor | {key: value for key, value in change.items() if key not in whole}]} | whole
    answer_status, answer = post(url, deployed, json.dumps(request).encode())
    assert (answer_status, type(answer["error"])) == (status, str)
    assert message in answer["error"]


@pytest.mark.parametrize(
    ("body", "length"),
    [(b"", "0"), (b"{}", "3"), (b"{}", "-1"), (b"{}", "x"), (b"[" * 100_000, "100000"), (b'{"inputs":', "10")],
)
def test_a_malformed_body_is_refused(url: str, deployed: Deployed, body: bytes, length: str) -> None:
    status, answer = post(url, deployed, body, length)
    assert status == 400, answer


def test_a_compressed_body_is_refused(
    client: triton.InferenceServerClient, deployed: Deployed, photos: list[Path]
) -> None:
    name = deployed.info.tag.partition(":")[0]
    with pytest.raises(triton.InferenceServerException, match=r"\[415\] The body must not be compressed"):
        client.infer(name, [as_files(photos, binary=True)], request_compression_algorithm="gzip")


def test_a_tensor_with_a_wrong_length_is_rejected(url: str, deployed: Deployed) -> None:
    for payload in (b"\xff\xff\xff\xffAB", b"\x01", b""):
        tensor = {"name": "image", "datatype": "BYTES", "shape": [1]}
        tensor |= {"parameters": {"binary_data_size": len(payload)}}
        text = json.dumps({"inputs": [tensor]}).encode()
        status, answer = post(url, deployed, text + payload, str(len(text)))
        assert status == 400, answer


def post(url: str, deployed: Deployed, body: bytes, length: str | None = None) -> tuple[int, dict[str, Any]]:
    name = deployed.info.tag.partition(":")[0]
    headers = {"Content-Type": "application/json"}
    headers |= {} if length is None else {"Inference-Header-Content-Length": length}
    request = urllib.request.Request(f"{url}/v2/models/{name}/infer", body, headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
