"""The OpenAPI document of the service, with the schemas of requests and answers; it replaces BentoML's document."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from components.deploy.service.protocol import (
    API_VERSION,
    FIELD,
    MAX_FILES,
    VERSION_PREFIX,
    Answer,
    Explanation,
    Feedback,
    FeedbackAnswer,
    ModelCard,
    Options,
    Refusal,
    Sample,
)

REFERENCE = "#/components/schemas/{model}"
BINARY: Final = {"type": "string", "format": "binary"}
RAW_TYPES: Final = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
CODES: Final = {
    "400": "There are no files, the form field or an option is unknown, or none of the files is a usable photo.",
    "401": "The service requires an API key, and the key is missing or wrong.",
    "408": "The body arrived too slowly.",
    "413": "The body is too large.",
    "415": "The body is neither a multipart form nor a photo, or it is compressed.",
    "500": "An internal error occurred.",
    "503": "The service is too busy to answer in time; try again after Retry-After seconds.",
}
FEEDBACK_CODES: Final = {
    "400": "The class is unknown, or the feedback is invalid.",
    "401": CODES["401"],
    "404": "The prediction is not in this service's log.",
    "408": CODES["408"],
    "409": "The service has no prediction log, or the prediction already has the maximum number of labels.",
    "413": CODES["413"],
    "415": "The body is not application/json.",
    "503": "The log is full or cannot be written to.",
}
HEALTH: Final = {
    "/livez": "Whether the service is alive; if not, restart it.",
    "/readyz": "Whether the service can answer: the model is loaded, warmed up and not stuck.",
    "/healthz": "The same as /livez.",
}
DESCRIPTION: Final = f"""Classifies photos. Every endpoint is also available below `{VERSION_PREFIX}`, which will stay
compatible if there is a second version. If the service requires an API key, send it as `Authorization: Bearer KEY` or
`X-API-Key: KEY`."""


def complete_document(document: dict[str, Any], card: ModelCard) -> dict[str, Any]:
    """Makes the OpenAPI document of the service, with schemas and examples.

    Args:
        document: BentoML's document, of which only the list of servers is used.
        card: the card of the served model, for the examples.
    """
    models = (Answer, Refusal, Explanation, Feedback, FeedbackAnswer, ModelCard, Sample)
    _, definitions = models_json_schema([(model, "serialization") for model in models], ref_template=REFERENCE)
    return {
        # In 3.1, schemas are plain JSON Schema, which pydantic generates.
        "openapi": "3.1.0",
        "info": {"title": card.tag.partition(":")[0], "version": API_VERSION, "description": DESCRIPTION},
        "servers": document.get("servers", [{"url": "."}]),
        "paths": {
            "/predict": {
                "post": _describe_post(
                    "predict",
                    "Classifies one or more photos.",
                    _describe_parameters("top_k", "threshold"),
                    _describe_json(
                        "One entry per file, in order: a prediction or an error.",
                        "Answer",
                        _example_answer(card),
                    ),
                    MAX_FILES,
                )
            },
            "/explain": {
                "post": _describe_post(
                    "explain",
                    "Shows which parts of a photo indicate a class.",
                    _describe_parameters("class_name", class_name=card.class_names),
                    _describe_explanation(card),
                    1,
                )
            },
            "/feedback": {"post": _describe_feedback(card)},
            "/model": {
                "get": _describe_get(
                    "model",
                    "The model: its classes, accuracy and origin.",
                    "ModelCard",
                    card.model_dump(mode="json"),
                )
            },
            "/samples.json": {"get": _describe_samples()},
            **{path: {"get": _describe_plain(path[1:], text)} for path, text in HEALTH.items()},
            "/metrics": {"get": _describe_plain("metrics", "Metrics for Prometheus.")},
        },
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
        "security": [{}, {"bearer": []}, {"key": []}],
    }


def _describe_post(
    name: str, text: str, parameters: list[dict[str, Any]], answer: dict[str, Any], max_files: int
) -> dict[str, Any]:
    files = {
        "type": "array",
        "minItems": 1,
        "maxItems": max_files,
        "items": BINARY,
        "description": "Photo files.",
    }
    form = {"type": "object", "properties": {FIELD: files}, "required": [FIELD]}
    content = {"multipart/form-data": {"schema": form}} | {kind: {"schema": BINARY} for kind in RAW_TYPES}
    return {
        "operationId": name,
        "summary": text,
        "parameters": parameters,
        "requestBody": {"required": True, "content": content},
        "responses": {"200": answer} | _describe_refusals(CODES),
    }


def _describe_refusals(codes: Mapping[str, str]) -> dict[str, Any]:
    return {
        code: _describe_json(meaning, "Refusal", _example_refusal(code, meaning)) for code, meaning in codes.items()
    }


def _describe_feedback(card: ModelCard) -> dict[str, Any]:
    prediction = _example_answer(card)["predictions"][0]
    example = {"id": prediction["id"], "label": card.class_names[1]}
    schema = {"$ref": REFERENCE.format(model="Feedback")}
    answer = _describe_json("The feedback was logged.", "FeedbackAnswer", example | {"predicted": prediction["label"]})
    return {
        "operationId": "feedback",
        "summary": "Reports the correct label of a photo that was classified.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema, "example": example}}},
        "responses": {"200": answer} | _describe_refusals(FEEDBACK_CODES),
    }


def _describe_parameters(*names: str, **values: tuple[str, ...]) -> list[dict[str, Any]]:
    """Describes options in the query; `values` lists the allowed values of an option."""
    return [_describe_parameter(name, values.get(name)) for name in names]


def _describe_parameter(name: str, values: tuple[str, ...] | None) -> dict[str, Any]:
    schema = Options.model_json_schema()["properties"][name]
    (kind,) = (option for option in schema["anyOf"] if option.get("type") != "null")
    kind = kind if values is None else {"type": "string", "enum": list(values)}
    return {"name": name, "in": "query", "required": False, "description": schema["description"], "schema": kind}


def _describe_get(name: str, text: str, model: str, example: Any) -> dict[str, Any]:
    responses = {
        "200": _describe_json(text, model, example),
        **_describe_refusals({"401": CODES["401"]}),
    }
    return {"operationId": name, "summary": text, "responses": responses}


def _describe_samples() -> dict[str, Any]:
    text = "Example photos for the page."
    operation = _describe_get("samples", text, "Sample", [{"url": "samples/00.jpg", "class_name": "…"}])
    operation["responses"]["200"]["content"]["application/json"]["schema"] = {
        "type": "array",
        "items": {"$ref": REFERENCE.format(model="Sample")},
    }
    return operation


def _describe_plain(name: str, text: str) -> dict[str, Any]:
    answer = {"description": text, "content": {"text/plain": {"schema": {"type": "string"}}}}
    refusals = (
        _describe_refusals({"401": CODES["401"]})
        if name == "metrics"
        else {"503": _describe_json("The service is not ready.", "Refusal", _example_refusal("503", CODES["503"]))}
    )
    return {"operationId": name, "summary": text, "responses": {"200": answer, **refusals}}


def _describe_explanation(card: ModelCard) -> dict[str, Any]:
    example = {
        "model": card.tag,
        "label": card.class_names[0],
        "probability": 0.93,
        "method": card.explanation,
        "overlay": "data:image/png;base64,iVBORw0KGgo…",
    }
    response = _describe_json("The explanation, as JSON or as a picture only.", "Explanation", example)
    response["content"]["image/png"] = {"schema": BINARY}
    return response


def _describe_json(description: str, model: str, example: Any) -> dict[str, Any]:
    content = {"schema": {"$ref": REFERENCE.format(model=model)}, "example": example}
    return {"description": description, "content": {"application/json": content}}


def _example_answer(card: ModelCard) -> dict[str, Any]:
    first, second = card.class_names[:2]
    prediction = {
        "id": f"{card.tag.partition(':')[2]}-0199f0c2d3e4-5f6a7b8c9d0e",
        "label": first,
        "confidence": 0.93,
        "abstained": False,
        "unfamiliar": 0.41 if card.calibrated else None,
        "probabilities": [{"label": first, "probability": 0.93}, {"label": second, "probability": 0.07}],
    }
    failure = {"error": {"code": "truncated", "message": "The JPEG is truncated."}}
    return {"model": card.tag, "predictions": [prediction, failure]}


def _example_refusal(code: str, meaning: str) -> dict[str, Any]:
    return {"error": {"code": f"reason_{code}", "message": meaning}, "predictions": []}
