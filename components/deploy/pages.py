"""What the service shows beside /predict: the model, its OpenAPI document, and a page to try it on."""

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from components.deploy.openapi import complete

if TYPE_CHECKING:
    from bentoml import Service

    from components.contract.deployment import ServiceFacts

# BentoML's own page at / loads a tracker from the network; this one shows the same, from this machine alone.
DOCS = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Darkroom</title>
<link rel="stylesheet" href="static_content/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="static_content/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "docs.json", dom_id: "#swagger-ui"})</script>
</body>
</html>
"""


async def show_model(request: Request) -> Response:
    """`GET /model`."""
    facts: ServiceFacts = request.app.state.facts
    return JSONResponse(facts.model_dump(mode="json"))


async def show_openapi(request: Request) -> Response:
    """`GET /docs.json`."""
    service: Service[object] = request.app.state.service
    return JSONResponse(complete(service.openapi_spec.asdict()))


async def show_docs(request: Request) -> Response:
    """`GET /docs`."""
    return HTMLResponse(DOCS)


async def show_start(request: Request) -> Response:
    """`GET /`."""
    return RedirectResponse("docs")


pages = Starlette(
    routes=[
        Route("/", show_start),
        Route("/docs", show_docs),
        Route("/docs.json", show_openapi),
        Route("/model", show_model),
    ]
)
"""Mounted into the service, which sets `state.service` and `state.facts`."""
