"""The OpenAPI document of the service: BentoML's own, with what it cannot know of our requests and answers."""

from typing import Any

from pydantic.json_schema import models_json_schema

from components.contract.deployment import ServiceFacts
from components.deploy.protocol import FIELD, MAX_FILES, Answer, Refusal

REFERENCE = "#/components/schemas/{model}"


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """BentoML's document with the true schemas of /predict and /model.

    Args:
        document: what BentoML generates; it is not changed.
    """
    _, definitions = models_json_schema(
        [(model, "serialization") for model in (Answer, Refusal, ServiceFacts)], ref_template=REFERENCE
    )
    paths = document["paths"]
    predict = paths["/predict"]["post"] | {"requestBody": _photos(), "responses": _predict_responses()}
    model = {
        "operationId": "model",
        "tags": predict["tags"],
        "description": "The classes, the image size, and where the model came from.",
        "responses": {"200": _json("The model that answers.", "ServiceFacts")},
    }
    return document | {
        # 3.1, because only there a schema is plain JSON Schema, which pydantic writes.
        "openapi": "3.1.0",
        "info": {key: value for key, value in document["info"].items() if key != "contact"},
        "paths": paths | {"/predict": {"post": predict}, "/model": {"get": model}},
        "components": {"schemas": definitions["$defs"]},
    }


def _photos() -> dict[str, Any]:
    files = {"type": "array", "minItems": 1, "maxItems": MAX_FILES, "items": {"type": "string", "format": "binary"},
             "description": "Photos, as they are."}  # fmt: skip
    form = {"type": "object", "properties": {FIELD: files}, "required": [FIELD]}
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}


def _predict_responses() -> dict[str, Any]:
    return {
        "200": _json("An entry per file, in order: a prediction, or what is wrong with the file.", "Answer"),
        "400": _json("No files, another field, or no usable photo among the files.", "Refusal"),
        "413": _json("The body is too large.", "Refusal"),
        "415": _json("The body is no multipart form.", "Refusal"),
        "500": _json("A fault of the service.", "Refusal"),
    }


def _json(description: str, model: str) -> dict[str, Any]:
    schema = {"$ref": REFERENCE.format(model=model)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
