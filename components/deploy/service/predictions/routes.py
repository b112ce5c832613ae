"""`POST /feedback`: the correct label of a photo that was classified."""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.contract.validation_messages import faults, nearest
from components.deploy.service.gateway.upload import RefusedUpload, read_body
from components.deploy.service.metrics import instruments
from components.deploy.service.protocol import Feedback, FeedbackAnswer
from components.deploy.service.responses import respond_refusal

if TYPE_CHECKING:
    from components.deploy.service.predictions.prediction_log import PredictionLog
    from components.deploy.service.protocol import ModelCard

JSON_TYPE: Final = "application/json"
MAX_BODY_BYTES: Final = 2**13


class Predictor(Protocol):
    """The part of the service that this route needs."""

    prediction_log: "PredictionLog | None"


async def take_feedback(request: Request) -> Response:
    """`POST /feedback`: stores the correct label."""
    try:
        feedback = await _read_feedback(request)
        predicted_label = await _keep(feedback, request.app.state.predictor)
    except RefusedUpload as refused:
        return respond_refusal(refused)
    instruments().feedback.labels("right" if feedback.label == predicted_label else "wrong").inc()
    return JSONResponse(FeedbackAnswer(**dict(feedback), predicted=predicted_label).model_dump())


async def _read_feedback(request: Request) -> Feedback:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON_TYPE:
        raise RefusedUpload(415, "not_json", f"Feedback must have the Content-Type {JSON_TYPE}; found {kind[:40]!r}.")
    body = await read_body(request, MAX_BODY_BYTES)
    try:
        feedback = Feedback.model_validate_json(body)
    except ValidationError as error:
        what = "; ".join(f"{where}: {text}" if where else text for where, text in faults(error, Feedback))
        raise RefusedUpload(
            400, "bad_feedback", f'Feedback must look like {{"id": "…", "label": "…"}}; found {what[:500]}.'
        ) from None
    card: ModelCard = request.app.state.card
    if feedback.label not in card.class_names:
        raise RefusedUpload(
            400,
            "unknown_class",
            f"label must be one of the classes that GET /model lists; found {feedback.label[:100]!r}"
            f"{nearest(feedback.label[:100], card.class_names)}.",
        )
    return feedback


async def _keep(feedback: Feedback, predictor: Predictor) -> str:
    if predictor.prediction_log is None:
        raise RefusedUpload(
            409, "no_log", "Feedback requires a prediction log, but this service has none (--prediction-log FOLDER)."
        )
    return await asyncio.wrap_future(predictor.prediction_log.add_feedback(feedback))


routes: Final = [Route("/feedback", take_feedback, methods=["POST"])]
