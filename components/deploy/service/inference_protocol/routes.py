"""The routes of the Open Inference Protocol v2, below /v2. Errors are `{"error": "…"}`, as the protocol requires."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.deploy.service.gateway.upload import RefusedUpload, read_body
from components.deploy.service.inference_protocol.tensors import (
    JSON_LENGTH,
    MAX_QUICK_VALUES,
    OUTPUTS,
    UNFAMILIAR,
    Inference,
    count_values,
    encode_answer,
    find_json_length,
    parse_inference,
)

if TYPE_CHECKING:
    from components.deploy.service.protocol import ModelCard

_long_json: Final = asyncio.Lock()
EXTENSIONS: Final = ("binary_tensor_data",)


class Predictor(Protocol):
    """The part of the service that these routes need."""

    async def infer(self, inference: Inference) -> list[dict[str, Any]]:
        """Returns the predictions for the photos, as in /predict."""

    def __is_ready__(self) -> bool:
        """Whether the service can answer."""


async def show_server(_request: Request) -> Response:
    """`GET /v2`: the server and its extensions."""
    return JSONResponse({"name": "darkroom", "version": "2", "extensions": EXTENSIONS})


async def show_live(_request: Request) -> Response:
    """`GET /v2/health/live`: whether the server is alive."""
    return JSONResponse({"live": True})


async def show_ready(request: Request) -> Response:
    """`GET /v2/health/ready` and `GET /v2/models/{model}/ready`: whether the service can answer."""
    if request.path_params:
        _find_model(request)
    is_ready = request.app.state.predictor.__is_ready__()
    return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)


async def show_metadata(request: Request) -> Response:
    """`GET /v2/models/{model}`: the inputs and outputs of the model."""
    card = _find_model(request)
    name, _, version = card.tag.partition(":")
    shapes = {"probabilities": [-1, len(card.class_names)]}
    outputs = OUTPUTS | ({UNFAMILIAR: "FP32"} if card.calibrated else {})
    return JSONResponse(
        {
            "name": name,
            "versions": [version],
            "platform": "openvino",
            "inputs": [
                {"name": "image", "datatype": "BYTES", "shape": [-1]},
                {"name": "pixels", "datatype": "UINT8", "shape": [-1, *card.image_size, 3]},
            ],
            "outputs": [
                {"name": output, "datatype": datatype, "shape": shapes.get(output, [-1])}
                for output, datatype in outputs.items()
            ],
        }
    )


async def infer(request: Request) -> Response:
    """`POST /v2/models/{model}/infer`: classifies photos."""
    card = _find_model(request)
    predictor: Predictor = request.app.state.predictor
    try:
        body = await read_body(request)
        inference = await _parse(body, request.headers.get(JSON_LENGTH), card.image_size)
        predictions = _require_answers(await predictor.infer(inference))
        name, _, version = card.tag.partition(":")
        content, headers = encode_answer(inference, (name, version), predictions, card.class_names)
    except RefusedUpload as refused:
        return JSONResponse({"error": str(refused)}, refused.status)
    return Response(content, headers=headers)


async def _parse(body: bytes, json_length: str | None, image_size: tuple[int, int]) -> Inference:
    """Parses a request; parses long JSON for one request at a time, because parsing needs more memory than the body."""
    num_values = count_values(body, find_json_length(body, json_length))
    async with _long_json if num_values > MAX_QUICK_VALUES else contextlib.nullcontext():
        return await asyncio.to_thread(parse_inference, body, json_length, image_size)


def _require_answers(predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Raises the first error: tensors cannot contain errors, so one invalid photo makes the whole request fail."""
    for number, prediction in enumerate(predictions):
        if "error" in prediction:
            code, message = prediction["error"]["code"], prediction["error"]["message"]
            raise RefusedUpload(500 if code == "internal" else 400, code, f"Photo {number}: {message}")
    return predictions


def _find_model(request: Request) -> "ModelCard":
    """Returns the model card if the path names the model and its version; responds with 404 otherwise."""
    card: ModelCard = request.app.state.card
    name, _, version = card.tag.partition(":")
    if request.path_params["model"] != name or request.path_params.get("version", version) != version:
        raise HTTPException(404)
    return card


_MODELS: Final = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
routes: Final = [
    Route("/v2", show_server),
    Route("/v2/health/live", show_live),
    Route("/v2/health/ready", show_ready),
    *(Route(path, show_metadata) for path in _MODELS),
    *(Route(f"{path}/ready", show_ready) for path in _MODELS),
    *(Route(f"{path}/infer", infer, methods=["POST"]) for path in _MODELS),
]
