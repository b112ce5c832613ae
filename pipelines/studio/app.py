"""The page's server: routes, and what becomes of errors."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from components.contract.errors import DarkroomError
from components.contract.foreign.documents import DocumentError, parse_json
from components.contract.text import json_text
from pipelines.studio.access import Guard
from pipelines.studio.settings import MAX_JSON_BYTES, Settings, StudioError
from pipelines.studio.studio import Studio

log = logging.getLogger(__name__)


class AnyTextResponse(JSONResponse):
    """JSON that can hold names of files that are not UTF-8."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return json_text(content, allow_nan=False, separators=(",", ":")).encode()


STATIC_DIR: Final = Path(__file__).parent / "static"
STEP_SECONDS: Final = 0.5
Endpoint = Callable[[Request], Awaitable[Response]]


def asked(work: Callable[[Studio, Mapping[str, str]], Any]) -> Endpoint:
    """A GET that answers with JSON, or with the response that `work` gives."""

    async def endpoint(request: Request) -> Response:
        given = {**request.query_params, **request.path_params}
        return answer(await to_thread.run_sync(work, request.app.state.studio, given))

    return endpoint


def told(work: Callable[[Studio, dict[str, Any]], Any]) -> Endpoint:
    """A changing request with a JSON object as its body; names in the path are added to it."""

    async def endpoint(request: Request) -> Response:
        body = await read_json(request)
        return answer(await to_thread.run_sync(work, request.app.state.studio, body | dict(request.path_params)))

    return endpoint


def answer(found: Any) -> Response:
    """What `work` gave, as a response."""
    if isinstance(found, Response):
        return found
    dumped = found.model_dump(mode="json") if hasattr(found, "model_dump") else found
    return AnyTextResponse(dumped)


async def read_json(request: Request) -> dict[str, Any]:
    """The body of a request.

    Raises:
        StudioError: it is too large, or no JSON object.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_JSON_BYTES:
            raise StudioError(f"A request may have at most {MAX_JSON_BYTES:,} bytes.", 413)
    try:
        body = parse_json(bytes(content) or b"{}")
    except DocumentError as error:
        raise StudioError(f"A request must hold a JSON object; {error}.") from None
    if not isinstance(body, dict):
        raise StudioError("A request must hold a JSON object.")
    return body


async def explain(request: Request, error: Exception) -> Response:
    """What a person can mend, in a sentence."""
    status = error.status if isinstance(error, StudioError) else 400
    return JSONResponse({"error": str(error)}, status)


async def explain_http(request: Request, error: Exception) -> Response:
    """What there is not."""
    assert isinstance(error, HTTPException), "it is registered for these"
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)


async def gone(request: Request, error: Exception) -> Response:
    """The browser has left in the middle; nobody reads this."""
    return Response(status_code=499)


async def bug(request: Request, error: Exception) -> Response:
    """A fault of ours; the traceback is in the server's log."""
    return JSONResponse({"error": f"A fault of Darkroom's own: {type(error).__name__}. The studio's log tells more."},
                        500)  # fmt: skip


async def start_page(request: Request) -> Response:
    """`GET /`."""
    return FileResponse(STATIC_DIR / "index.html")


def create_app(settings: Settings) -> Starlette:
    """The application.

    Raises:
        StudioError: the folder cannot be used.
    """
    from pipelines.studio.routes import data, follow, model, results, runs

    studio = Studio(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        stepping = asyncio.create_task(_keep_stepping(studio))
        try:
            yield
        finally:
            stepping.cancel()
            studio.close()

    app = Starlette(
        routes=[
            Route("/", start_page),
            *data.ROUTES, *model.ROUTES, *runs.ROUTES, *results.ROUTES, *follow.ROUTES,
            Mount("/static", StaticFiles(directory=STATIC_DIR)),
        ],
        middleware=[Middleware(Guard, hosts=settings.hosts, token=settings.token)],
        exception_handlers={DarkroomError: explain, HTTPException: explain_http, ClientDisconnect: gone, 500: bug},
        lifespan=lifespan,
    )  # fmt: skip
    app.state.studio = studio
    return app


async def _keep_stepping(studio: Studio) -> None:
    """Starts jobs when their turn has come."""
    while True:
        try:
            await to_thread.run_sync(studio.queue.step)
        except OSError:
            log.exception("The queue could not go on; it tries again.")
        await asyncio.sleep(STEP_SECONDS)
