"""Requests and responses of the inference protocol: JSON that contains the tensors, or JSON followed by their bytes.

The second form is the binary tensor data extension, which clients use by default. The header
`Inference-Header-Content-Length` contains the length of the JSON; the tensors follow it in order.
"""

import base64
import binascii
import itertools
import json
import math
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from pydantic import Field, ValidationError

from components.contract.record import BaseRecord
from components.contract.validation_messages import faults
from components.deploy.service.gateway.upload import RefusedUpload
from components.deploy.service.protocol import MAX_FILES

JSON_LENGTH: Final = "inference-header-content-length"
MAX_JSON_BYTES: Final = 16 * 2**20
MAX_VALUES: Final = 2**20
"""The maximum number of values in JSON: enough for six photos of 224 × 224 px. Parsing each needs up to 200 bytes."""
MAX_QUICK_VALUES: Final = 2**14
"""Up to this many values are parsed within a few milliseconds."""
MAX_LENGTH_DIGITS: Final = 9
NUMPY_TYPES: Final = {"FP32": np.float32, "BOOL": np.bool_}
OUTPUTS: Final = {"label": "BYTES", "confidence": "FP32", "probabilities": "FP32", "abstained": "BOOL"}
UNFAMILIAR: Final = "unfamiliar"
"""The additional output of models whose evaluation measured familiarity."""


class _Record(BaseRecord, extra="ignore"):
    """A record that ignores unknown parameters, as the protocol requires."""


class TensorParameters(_Record):
    """The parameters of a tensor."""

    binary_data_size: int | None = Field(None, ge=0)
    binary_data: bool | None = None


class RequestInput(_Record):
    """An input tensor of a request; `data` is None if the tensor's bytes follow the JSON."""

    name: str
    datatype: str
    shape: tuple[Annotated[int, Field(ge=0)], ...] = Field(max_length=4)
    parameters: TensorParameters = TensorParameters()
    data: list[Any] | None = None


class RequestOutput(_Record):
    """A requested output tensor."""

    name: str
    parameters: TensorParameters = TensorParameters()


class RequestParameters(_Record):
    """The parameters of a request."""

    binary_data_output: bool = False


class InferenceRequest(_Record):
    """The JSON of a request."""

    id: str = Field("", max_length=1000)
    inputs: tuple[RequestInput, ...] = Field(min_length=1, max_length=1)
    outputs: tuple[RequestOutput, ...] = Field((), max_length=10)
    parameters: RequestParameters = RequestParameters()


@dataclass(frozen=True)
class Inference:
    """A parsed request.

    Attributes:
        request: the JSON of the request, without the tensors.
        photos: the contents of files, or pixels: uint8 (height, width, 3), RGB.
    """

    request: InferenceRequest
    photos: list[bytes | np.ndarray]


def parse_inference(body: bytes, json_length: str | None, image_size: tuple[int, int]) -> Inference:
    """Parses a request.

    Args:
        body: the body of the HTTP request.
        json_length: the value of the header JSON_LENGTH; None if the whole body is JSON.
        image_size: (height, width) of the model's input.

    Raises:
        RefusedUpload: the request is malformed, or its tensor is not one of the model's inputs.
    """
    num_bytes = find_json_length(body, json_length)
    num_values = count_values(body, num_bytes)
    if num_bytes > MAX_JSON_BYTES or num_values > MAX_VALUES:
        raise RefusedUpload(
            413,
            "too_large",
            f"The JSON of a request must have at most {MAX_JSON_BYTES // 2**20} MiB and {MAX_VALUES:,} values; this "
            f"one has {num_bytes / 2**20:.1f} MiB and {num_values:,}. Send tensors as binary data.",
        )
    try:
        request = InferenceRequest.model_validate_json(body[:num_bytes])
    except ValidationError as error:
        text = "; ".join(
            f"{where}: {message}" if where else message for where, message in faults(error, InferenceRequest)
        )
        raise _refusal(f"The request must follow the Open Inference Protocol v2; found {text[:500]}.") from None
    _require_outputs(request, (*OUTPUTS, UNFAMILIAR))
    tensor, payload = request.inputs[0], memoryview(body)[num_bytes:]
    has_data, num_expected = tensor.data is not None, tensor.parameters.binary_data_size
    if (num_expected or payload) if has_data else num_expected != len(payload):
        raise _refusal(
            f"The input {tensor.name[:40]!r} must have data, or binary_data_size and the same number of bytes after "
            f"the JSON; found {'data' if has_data else 'no data'}, {len(payload)} bytes and "
            f"binary_data_size {num_expected}."
        )
    photos: list[bytes | np.ndarray]
    if (tensor.name, tensor.datatype) == ("image", "BYTES"):
        photos = [*_read_files(tensor, payload)]
    elif (tensor.name, tensor.datatype) == ("pixels", "UINT8"):
        photos = [*_read_pixels(tensor, payload, image_size)]
    else:
        raise _refusal(
            f"The input must be image (BYTES [n]) or pixels (UINT8 [n, {image_size[0]}, {image_size[1]}, 3]); "
            f"found {tensor.name[:40]} ({tensor.datatype[:40]})."
        )
    return Inference(request.model_copy(update={"inputs": ()}), photos)


def find_json_length(body: bytes, json_length: str | None) -> int:
    """Returns the number of bytes of a body that are JSON.

    Raises:
        RefusedUpload: the header JSON_LENGTH is invalid, or exceeds the length of the body.
    """
    if json_length is None:
        return len(body)
    is_number = json_length.isdecimal() and len(json_length) <= MAX_LENGTH_DIGITS
    num_bytes = int(json_length) if is_number else -1
    if not 0 <= num_bytes <= len(body):
        raise _refusal(f"{JSON_LENGTH} must not exceed the length of the body, {len(body)}; found {json_length[:40]}.")
    return num_bytes


def count_values(body: bytes, num_bytes: int) -> int:
    """Returns an upper bound for the number of values in the JSON at the beginning of a body, by counting commas."""
    return body.count(b",", 0, num_bytes) + 1


def _require_outputs(request: InferenceRequest, names: Collection[str]) -> None:
    for output in request.outputs:
        if output.name not in names:
            raise _refusal(f"The outputs must be among {', '.join(names)}; found {output.name[:40]}.")


def _read_files(tensor: RequestInput, payload: memoryview) -> list[bytes]:
    """Reads the files in a BYTES tensor: base64 strings in the JSON, or binary data with each file after its length."""
    num_photos = math.prod(tensor.shape)
    if num_photos > MAX_FILES:
        raise _refusal(f"A request must have at most {MAX_FILES} photos; found {num_photos}.")
    elements = _split_elements(payload) if tensor.data is None else _decode_elements(tensor.data)
    files = list(itertools.islice(elements, num_photos + 1))
    if not 0 < len(files) == num_photos:
        raise _refusal(
            f"The shape {list(tensor.shape)} must match the number of files; found {_count_found(files, num_photos)}."
        )
    return files


def _split_elements(payload: memoryview) -> Iterator[bytes]:
    while payload:
        length = struct.unpack_from("<I", payload)[0] if len(payload) >= 4 else len(payload)
        if 4 + length > len(payload):
            raise _refusal("Each BYTES element must contain its length in four bytes, then its data; one is truncated.")
        yield bytes(payload[4 : 4 + length])
        payload = payload[4 + length :]


def _decode_elements(values: list[Any]) -> Iterator[bytes]:
    for text in _flatten(values):
        try:
            yield base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise _refusal("Photos in JSON must be base64 strings; one is not.") from None


def _count_found(files: Sequence[bytes], num_expected: int) -> str:
    return f"{len(files)}" if len(files) <= num_expected else "more"


def _flatten(values: list[Any]) -> Iterator[Any]:
    """Yields the values of nested lists, in order."""
    for value in values:
        if isinstance(value, list):
            yield from _flatten(value)
        else:
            yield value


def _read_pixels(tensor: RequestInput, payload: memoryview, image_size: tuple[int, int]) -> np.ndarray:
    """Reads the pixels in a tensor: uint8 (n, height, width, 3), RGB."""
    if tensor.shape[1:] != (*image_size, 3) or not 1 <= tensor.shape[0] <= MAX_FILES:
        raise _refusal(
            f"Pixels must have the shape [n, {image_size[0]}, {image_size[1]}, 3], with n from 1 to {MAX_FILES}; found "
            f"{list(tensor.shape)}."
        )
    try:
        values = np.frombuffer(payload, np.uint8) if tensor.data is None else np.asarray(tensor.data)
        if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 255:
            raise _refusal("Pixels must be integers from 0 to 255; found other values.")
        return values.astype(np.uint8).reshape(tensor.shape)
    except ValueError:
        raise _refusal(f"The shape {list(tensor.shape)} must match the data.") from None


def encode_answer(
    inference: Inference,
    model: tuple[str, str],
    predictions: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
) -> tuple[bytes, dict[str, str]]:
    """Encodes a response; returns its body and headers.

    Args:
        inference: the request.
        model: the name and version of the model.
        predictions: one per photo, as in /predict, with all classes.
        class_names: in the order of the model's outputs.

    Raises:
        RefusedUpload: the request names an output that the model does not have.
    """
    tensors = _make_tensors(predictions, class_names)
    request = inference.request
    _require_outputs(request, tensors)
    requested_outputs = request.outputs or tuple(RequestOutput(name=name) for name in tensors)
    outputs, chunks = [], []
    for output in requested_outputs:
        is_binary = output.parameters.binary_data
        is_binary = request.parameters.binary_data_output if is_binary is None else is_binary
        datatype, values = tensors[output.name]
        entry: dict[str, Any] = {"name": output.name, "datatype": datatype, "shape": list(values.shape)}
        if is_binary:
            chunks.append(_to_bytes(datatype, values))
            entry["parameters"] = {"binary_data_size": len(chunks[-1])}
        else:
            entry["data"] = values.ravel().tolist()
        outputs.append(entry)
    answer = {"model_name": model[0], "model_version": model[1], "outputs": outputs}
    text = json.dumps(answer | ({"id": request.id} if request.id else {}), ensure_ascii=False).encode()
    if not chunks:
        return text, {"Content-Type": "application/json"}
    return b"".join((text, *chunks)), {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(text))}


def _make_tensors(
    predictions: Sequence[Mapping[str, Any]], class_names: Sequence[str]
) -> dict[str, tuple[str, np.ndarray]]:
    columns: dict[str, list[Any]] = {
        name: [prediction[name] for prediction in predictions] for name in (*OUTPUTS, UNFAMILIAR)
    }
    tables = [{entry["label"]: entry["probability"] for entry in table} for table in columns["probabilities"]]
    columns["probabilities"] = [[table[name] for name in class_names] for table in tables]
    datatypes = OUTPUTS if None in columns[UNFAMILIAR] else OUTPUTS | {UNFAMILIAR: "FP32"}
    return {
        name: (datatype, np.array(columns[name], NUMPY_TYPES.get(datatype, object)))
        for name, datatype in datatypes.items()
    }


def _to_bytes(datatype: str, values: np.ndarray) -> bytes:
    if datatype != "BYTES":
        return values.tobytes()
    texts = [text.encode() for text in values.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _refusal(message: str) -> RefusedUpload:
    return RefusedUpload(400, "bad_tensor", message)
