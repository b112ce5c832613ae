"""The web application: routes, and responses for errors."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.contract.errors import DarkroomError
from components.contract.pages.theme import THEME_PATH
from pipelines.studio.access import Guard
from pipelines.studio.assets import Assets
from pipelines.studio.settings import Settings, StudioError
from pipelines.studio.studio import Studio

log = logging.getLogger(__name__)


STATIC_DIR: Final = Path(__file__).parent / "static"
STEP_SECONDS: Final = 0.5


async def answer_error(_request: Request, error: Exception) -> Response:
    """Responds with the message of an error that the user can fix."""
    status = error.status if isinstance(error, StudioError) else 400
    return JSONResponse({"error": str(error)}, status)


async def answer_http_error(_request: Request, error: Exception) -> Response:
    """Responds to an HTTP error, such as an unknown address."""
    assert isinstance(error, HTTPException), "this handler must be registered for HTTPException"
    return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)


async def answer_disconnect(_request: Request, _error: Exception) -> Response:
    """Responds to a browser that has disconnected; nobody reads the response."""
    return Response(status_code=499)


async def answer_internal_error(_request: Request, error: Exception) -> Response:
    """Responds to an internal error; the traceback is in the server's log."""
    return JSONResponse({"error": f"Internal error: {type(error).__name__}. See the studio's log for details."}, 500)


def create_app(settings: Settings) -> Starlette:
    """Creates the application.

    Raises:
        StudioError: the studio's folder cannot be used.
    """
    from pipelines.studio.routes import data, follow, model, photos, results, runs

    studio = Studio(settings)
    assets = Assets(STATIC_DIR, {"styles/theme.css": THEME_PATH})

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        stepping = asyncio.create_task(_keep_stepping(studio))
        try:
            yield
        finally:
            stepping.cancel()
            studio.close()

    app = Starlette(
        routes=[
            Route("/", assets.show_start_page),
            *data.ROUTES,
            *photos.ROUTES,
            *model.ROUTES,
            *runs.ROUTES,
            *results.ROUTES,
            *follow.ROUTES,
            Route("/static/{digest}/{name:path}", assets.show_asset),
        ],
        middleware=[
            Middleware(Guard, hosts=settings.hosts, token=settings.token, public_url=settings.public_url),
            Middleware(GZipMiddleware),
        ],
        exception_handlers={
            DarkroomError: answer_error,
            HTTPException: answer_http_error,
            ClientDisconnect: answer_disconnect,
            500: answer_internal_error,
        },
        lifespan=lifespan,
    )
    app.state.studio = studio
    return app


async def _keep_stepping(studio: Studio) -> None:
    """Starts the waiting jobs, in order, until this task is canceled."""
    while True:
        try:
            await to_thread.run_sync(studio.queue.step)
        except OSError:
            log.exception("Waiting jobs could not be started; the studio tries again.")
        await asyncio.sleep(STEP_SECONDS)
