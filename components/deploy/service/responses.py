"""Responses other than predictions (errors and the model card), and the log line of each request."""

import sys
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse

from components.contract.inference.cam import Explainer
from components.contract.text import json_text
from components.deploy.service.classifier import Classifier
from components.deploy.service.gateway.upload import RefusedUpload
from components.deploy.service.metrics import instruments
from components.deploy.service.protocol import ModelCard


def model_card(classifier: Classifier, explainer: Explainer, *, logs_predictions: bool) -> ModelCard:
    """The response to `GET /model`."""
    calibration = classifier.calibration.facts if classifier.calibration else None
    return ModelCard(
        **dict(classifier.facts),
        explanation=explainer.method,
        temperature=calibration.temperature if calibration else None,
        abstention=calibration.abstention if calibration else None,
        predictions_logged=logs_predictions,
    )


def log_request(event: str, predictions: list[dict[str, Any]], seconds: float) -> None:
    """Writes one line of JSON per request to standard output, with the ids of its predictions."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "event": event,
        "ms": round(1000 * seconds, 1),
        "predictions": [
            {name: prediction[name] for name in ("id", "label", "confidence", "abstained")}
            if "id" in prediction
            else {"error": prediction["error"]["code"]}
            for prediction in predictions
        ],
    }
    sys.stdout.write(json_text(line) + "\n")


def respond_refusal(refused: RefusedUpload) -> JSONResponse:
    """Counts a rejected request, and returns the response to it."""
    instruments().refused_requests.labels(refused.code).inc()
    return JSONResponse({"error": fault(refused.code, str(refused)), "predictions": []}, refused.status)


def fault(code: str, message: str) -> dict[str, str]:
    """An error in the format of the service's responses."""
    return {"code": code, "message": message}
