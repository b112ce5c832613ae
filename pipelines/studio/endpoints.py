"""Creates endpoints from plain functions that take the studio and the parsed request; results are sent as JSON."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from anyio import to_thread
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from components.contract.foreign.documents import DocumentError, parse_json
from components.contract.text import json_text
from components.contract.validation_messages import faults
from pipelines.studio.data.uploads import read_body
from pipelines.studio.settings import MAX_JSON_BYTES, StudioError
from pipelines.studio.studio import Studio

Endpoint = Callable[[Request], Awaitable[Response]]
Body = TypeVar("Body", bound=BaseModel)


class AnyTextResponse(JSONResponse):
    """A JSON response that can contain file names that are not UTF-8."""

    def render(self, content: Any) -> bytes:
        """Encodes the body."""
        return json_text(content, allow_nan=False, separators=(",", ":")).encode()


def answer_get(work: Callable[[Studio, Mapping[str, str]], Any]) -> Endpoint:
    """Creates a GET endpoint that returns the result of `work`, as JSON unless it is already a response."""

    async def endpoint(request: Request) -> Response:
        query = {**request.query_params, **request.path_params}
        return make_response(await to_thread.run_sync(work, request.app.state.studio, query))

    return endpoint


def answer_post(work: Callable[[Studio, Body], Any], body_type: type[Body]) -> Endpoint:
    """Creates a POST endpoint whose body is a JSON object; values in the path are added to it."""

    async def endpoint(request: Request) -> Response:
        body = parse_body(await read_json(request) | dict(request.path_params), body_type)
        return make_response(await to_thread.run_sync(work, request.app.state.studio, body))

    return endpoint


def parse_body(values: Mapping[str, Any], body_type: type[Body]) -> Body:
    """Parses the body of a request.

    Raises:
        StudioError: a value is missing, unknown or of the wrong type.
    """
    try:
        return body_type.model_validate(values)
    except ValidationError as error:
        texts = [f"{where}: {what}" for where, what in faults(error, body_type)]
        raise StudioError(f"The request is invalid: {'; '.join(texts)}.") from None


def make_response(result: Any) -> Response:
    """Converts the result of `work` to a JSON response, unless it is already a response."""
    if isinstance(result, Response):
        return result
    dumped = result.model_dump(mode="json") if hasattr(result, "model_dump") else result
    return AnyTextResponse(dumped)


async def read_json(request: Request) -> dict[str, Any]:
    """Reads the body of a request.

    Raises:
        StudioError: the body is too large, or not a JSON object.
    """
    refusal = f"A request may have at most {MAX_JSON_BYTES:,} bytes."
    content = await read_body(request.stream(), MAX_JSON_BYTES, refusal)
    try:
        body = parse_json(content or b"{}")
    except DocumentError as error:
        raise StudioError(f"A request must contain a JSON object; {error}.") from None
    if not isinstance(body, dict):
        raise StudioError("A request must contain a JSON object.")
    return body
