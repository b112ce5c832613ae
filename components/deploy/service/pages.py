"""The routes other than /predict and /explain: pages, the model card, samples, metrics and the OpenAPI document."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from components.contract.pages.theme import THEME_PATH
from components.deploy.service.docs_page import render_docs
from components.deploy.service.inference_protocol.routes import routes as inference_routes
from components.deploy.service.metrics import render_metrics
from components.deploy.service.openapi import complete_document
from components.deploy.service.predictions.routes import routes as feedback_routes

if TYPE_CHECKING:
    from bentoml import Service

    from components.deploy.service.protocol import ModelCard

PAGE_DIR = Path(__file__).parent / "page"
INDEX = "samples.json"


async def show_start(_request: Request) -> Response:
    """`GET /`: the page for trying the service."""
    return FileResponse(PAGE_DIR / "index.html", headers={"Cache-Control": "no-cache"})


def show_docs(request: Request) -> Response:
    """`GET /docs`: the API page; BentoML's own page loads a tracker and cannot be used with a screen reader."""
    return HTMLResponse(render_docs(_make_document(request), str(request.base_url).rstrip("/")))


async def show_theme(_request: Request) -> Response:
    """`GET /page/theme.css`: the colors and fonts that all Darkroom pages share."""
    return FileResponse(THEME_PATH)


async def show_openapi(request: Request) -> Response:
    """`GET /docs.json`: the OpenAPI document."""
    return JSONResponse(_make_document(request))


def _make_document(request: Request) -> dict[str, Any]:
    service: Service[object] = request.app.state.service
    return complete_document(service.openapi_spec.asdict(), request.app.state.card)


async def show_model(request: Request) -> Response:
    """`GET /model`: the model card."""
    card: ModelCard = request.app.state.card
    return JSONResponse(card.model_dump(mode="json"))


async def show_sample_list(request: Request) -> Response:
    """`GET /samples.json`: the list of sample photos."""
    return FileResponse(request.app.state.samples_dir / INDEX)


async def show_sample(request: Request) -> Response:
    """`GET /samples/{name}`: a sample photo."""
    folder: Path = request.app.state.samples_dir
    path = next((path for path in folder.iterdir() if path.name == request.path_params["name"]), None)
    if path is None:
        raise HTTPException(404)
    return FileResponse(path)


def show_metrics(_request: Request) -> Response:
    """`GET /metrics`: the metrics. Not async, so that reading the files of all workers runs in a separate thread."""
    content, kind = render_metrics()
    return Response(content, headers={"Content-Type": kind})


pages = Starlette(
    routes=[
        Route("/", show_start),
        Route("/docs", show_docs),
        Route("/docs.json", show_openapi),
        Route("/model", show_model),
        Route("/metrics", show_metrics),
        Route("/samples.json", show_sample_list),
        Route("/samples/{name}", show_sample),
        *inference_routes,
        *feedback_routes,
        Route("/page/theme.css", show_theme),
        Mount("/page", StaticFiles(directory=PAGE_DIR)),
    ]
)
"""The service mounts this app, and sets `state.service`, `state.predictor`, `state.card` and `state.samples_dir`."""
