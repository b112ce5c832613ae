"""Requests of the Open Inference Protocol that try to exhaust memory, or that contradict themselves."""

import json
import unittest.mock
from typing import Any

import pytest

from components.deploy.service.gateway.upload import RefusedUpload
from components.deploy.service.inference_protocol import tensors
from components.deploy.service.inference_protocol.tensors import JSON_LENGTH, parse_inference

SIZE = (4, 4)


def make_request(**change: Any) -> bytes:
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["AAAA"]} | change
    return json.dumps({"inputs": [tensor]}).encode()


def test_nested_data_is_read_in_row_major_order() -> None:
    data = [[["AAAA"], ["BBBB"]], [["CCCC"], ["DDDD"]]]
    photos = parse_inference(make_request(data=data, shape=[2, 2, 1]), None, SIZE).photos
    assert photos == [b"\x00\x00\x00", b"\x04\x10\x41", b"\x08\x20\x82", b"\x0c\x30\xc3"]


@pytest.mark.parametrize(
    ("body", "json_length", "status", "message"),
    [
        (b"{}", "9" * 5000, 400, f"{JSON_LENGTH} must not exceed"),
        (b"{}", "\N{SUPERSCRIPT TWO}", 400, f"{JSON_LENGTH} must not exceed"),
        (make_request(shape=[-1, -1]), None, 400, "greater than or equal to 0"),
        (make_request(shape=[2], data=["AAAA"] * 3), None, 400, "the number of files; found more"),
        (make_request(shape=[2], data=[[], []]), None, 400, "the number of files; found 0"),
        (make_request(data=[{}]), None, 400, "base64 strings"),
        (make_request(parameters={"binary_data_size": 3}), None, 400, "found data, 0 bytes and binary_data_size 3"),
        (make_request() + b"abc", str(len(make_request())), 400, "found data, 3 bytes and binary_data_size None"),
        (make_request(shape=[1, 65], data=["AAAA"] * 65), None, 400, "at most 64 photos; found 65"),
        (
            make_request(name="pixels", datatype="UINT8", shape=[65, 4, 4, 3]),
            None,
            400,
            "with n from 1 to 64; found [65",
        ),
        (b"\x1f\x8b\x08\x00", None, 400, "found invalid JSON: expected value at line 1"),
    ],
)
def test_a_contradictory_or_oversized_request_is_rejected(
    body: bytes, json_length: str | None, status: int, message: str
) -> None:
    with pytest.raises(RefusedUpload) as refused:
        parse_inference(body, json_length, SIZE)
    assert refused.value.status == status
    assert message in str(refused.value)


def test_reading_stops_one_element_after_the_declared_shape() -> None:
    payload = bytes(4 * 10**6)  # a million length prefixes of 0, each of an empty file
    tensor = make_request(data=None, shape=[3], parameters={"binary_data_size": len(payload)})
    with (
        unittest.mock.patch.object(tensors.struct, "unpack_from", wraps=tensors.struct.unpack_from) as reads,
        pytest.raises(RefusedUpload, match="the number of files; found more"),
    ):
        parse_inference(tensor + payload, str(len(tensor)), SIZE)
    assert reads.call_count == 4


def test_values_that_need_too_much_memory_are_rejected_before_they_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "MAX_VALUES", 60)
    values = list(range(48))
    pixels = make_request(name="pixels", datatype="UINT8", shape=[1, 4, 4, 3], data=values)
    assert len(parse_inference(pixels, None, SIZE).photos) == 1
    for data in (values + values, [[]] * 64, [{}] * 64):
        with pytest.raises(RefusedUpload, match="at most 16 MiB and 60 values") as refused:
            parse_inference(make_request(data=data), None, SIZE)
        assert refused.value.status == 413
    with pytest.raises(RefusedUpload, match="at most 16 MiB and 60 values"):
        parse_inference(json.dumps({"unknown": values + values}).encode(), None, SIZE)


def test_a_parsed_request_does_not_keep_its_json() -> None:
    inference = parse_inference(make_request(), None, SIZE)
    assert (inference.request.inputs, inference.photos) == ((), [b"\x00\x00\x00"])
