"""The routes of the Results and Try screens."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from components.contract.errors import ServiceError
from components.contract.pages.pictures import data_uri
from components.contract.text import printable
from components.deploy.bento.server import answers, free_address
from pipelines.comparison.compare import PAGE
from pipelines.runners.run_notes import write_notes
from pipelines.studio.data.photos import encode
from pipelines.studio.data.uploads import read_body
from pipelines.studio.endpoints import answer_get, answer_post
from pipelines.studio.phone import qr_modules
from pipelines.studio.playground import PACKAGE, bento_dir
from pipelines.studio.results import find_finished_run
from pipelines.studio.routes.bodies import ComparedRuns, Model, ModelFormat, Nothing, RunNotes
from pipelines.studio.routes.data import CACHED, REPORT_POLICY
from pipelines.studio.settings import MAX_PHOTO_BYTES, StudioError
from pipelines.studio.studio import Studio, job_view, parse_whole

READY_SECONDS = 2.0
SERVICE_PORT = 3000
"""The default port of `darkroom serve`."""
FILES = {"report.html": "text/html", "report.pdf": "application/pdf", "model_card.md": "text/plain; charset=utf-8"}


def show_runs(studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/runs`: all runs, the leaderboards, and the packaged networks."""
    return {
        "runs": studio.results.all(),
        "boards": studio.results.leaderboard(),
        "packages": studio.playground.models(),
    }


def show_run(studio: Studio, query: Mapping[str, str]) -> Any:
    """`GET /api/runs/{run}`: everything that the page shows about a run."""
    return studio.results.run(query["run"])


def note_run(_studio: Studio, body: RunNotes) -> Any:
    """`POST /api/runs/{run}`: stores the name and the notes of a run."""
    run_dir = find_finished_run(body.run)
    return write_notes(run_dir, printable(body.name), printable(body.notes, lines=True))


def show_cell(studio: Studio, query: Mapping[str, str]) -> Any:
    """`GET /api/runs/{run}/cell?label=…&predicted=…`: the photos in a cell of the confusion matrix."""
    return studio.results.cell(query["run"], parse_whole(query.get("label"), 0), parse_whole(query.get("predicted"), 0))


def show_map(studio: Studio, query: Mapping[str, str]) -> Any:
    """`GET /api/runs/{run}/map`: the photos in the embedding map."""
    return {"photos": studio.results.photo_map(query["run"])}


def show_image(studio: Studio, query: Mapping[str, str]) -> Response:
    """`GET /api/runs/{run}/photos/{split}/{image}`: a preprocessed photo or, with `class_name`, its explanation."""
    split = studio.results.split(query["run"], query["split"])
    if query["image"] not in split.index_of:
        raise StudioError(f"There is no photo {query['image'][:80]!r} in this split.", 404)
    pixels = split.image(split.index_of[query["image"]])
    if "class_name" in query:
        content, _ = studio.playground.explain_pixels(query["run"], pixels, query["class_name"])
        return Response(content, media_type="image/png", headers=CACHED)
    content, kind = encode(pixels, 512)
    return Response(content, media_type=kind, headers=CACHED)


def show_comparison(studio: Studio, query: Mapping[str, str]) -> Any:
    """`GET /api/compare?runs=a,b`: the metrics and the differing params of several runs."""
    names = [name for name in query.get("runs", "").split(",") if name]
    if not 2 <= len(names) <= 6:
        raise StudioError("Select two to six runs to compare.")
    return studio.results.compare(names)


def compare(studio: Studio, body: ComparedRuns) -> Any:
    """`POST /api/compare`: starts `darkroom compare`, which recommends one of these runs."""
    names = [find_finished_run(name).name for name in body.runs]
    output = comparison_dir(studio, names)
    command = ["compare", *names, "--output", str(output), "--json"]
    return job_view(studio.queue.add("compare", f"Compare {len(names)} runs", command, about={"page": output.name}))


def comparison_dir(studio: Studio, names: list[str]) -> Path:
    """The folder for the comparison of these runs."""
    digest = hashlib.sha256(" ".join(sorted(names)).encode()).hexdigest()
    return studio.settings.home / "comparisons" / digest[:16]


def show_comparison_page(studio: Studio, query: Mapping[str, str]) -> Response:
    """`GET /comparisons/{name}`: the page of a comparison."""
    path = studio.settings.home / "comparisons" / query["name"] / PAGE
    if not query["name"].isalnum() or not path.is_file():
        raise StudioError("There is no such comparison.", 404)
    return FileResponse(path, headers=REPORT_POLICY)


def show_file(_studio: Studio, query: Mapping[str, str]) -> Response:
    """`GET /runs/{run}/{file}`: the report of a run, as a page or a PDF, or its model card."""
    if query["file"] not in FILES:
        raise StudioError("There is no such file.", 404)
    name = query["file"]
    path = find_finished_run(query["run"]) / "evaluation" / name
    if not path.is_file():
        raise StudioError(f"The run has no {name}.", 404)
    # Browsers do not show a PDF in a sandbox, so it is downloaded instead.
    attachment = {"Content-Disposition": f'attachment; filename="{name}"'}
    return FileResponse(path, media_type=FILES[name], headers=attachment if name.endswith(".pdf") else REPORT_POLICY)


async def predict(request: Request) -> Response:
    """`PUT /api/models/{model}/predict`: classifies the uploaded photo."""
    studio: Studio = request.app.state.studio
    photo = await _read_photo(request)
    return JSONResponse(await to_thread.run_sync(studio.playground.predict, request.path_params["model"], photo))


async def explain(request: Request) -> Response:
    """`PUT /api/models/{model}/explain?class_name=…`: shows where in the uploaded photo the model saw a class."""
    studio: Studio = request.app.state.studio
    photo = await _read_photo(request)
    picture, method = await to_thread.run_sync(
        studio.playground.explain, request.path_params["model"], photo, request.query_params.get("class_name", "")
    )
    return JSONResponse({"overlay": data_uri("png", picture), "method": method})


def open_phone(studio: Studio, _body: Nothing) -> Any:
    """`POST /api/phone`: opens the page for a phone on the same network."""
    if studio.settings.public_url is not None:
        raise StudioError("This studio is behind a proxy: open its address on the phone, and take photos there.", 409)
    url = studio.phone.open()
    return {"url": url, "modules": qr_modules(url)}


def next_phone_photo(studio: Studio, _body: Nothing) -> Any:
    """`POST /api/phone/photo`: waits briefly for the next photo; each photo is returned only once."""
    photo = studio.phone.next_photo()
    return Response(status_code=204) if photo is None else Response(photo, media_type="application/octet-stream")


def close_phone(studio: Studio, _body: Nothing) -> Any:
    """`POST /api/phone/close`: closes the page for the phone."""
    studio.phone.close()
    return {}


async def _read_photo(request: Request) -> bytes:
    refusal = f"A photo may have at most {MAX_PHOTO_BYTES / 1e6:,.0f} MB; this one has more."
    return await read_body(request.stream(), MAX_PHOTO_BYTES, refusal)


def serve(studio: Studio, body: Model) -> Any:
    """`POST /api/models/{model}/serve`: starts the service of a model."""
    name = body.model
    folder = bento_dir(name)
    if not (folder / "bento" / "bento.yaml").is_file():
        raise StudioError("Only a finished model can be served.", 404)
    for job in studio.queue.all():
        if job.job.kind == "serve" and not job.is_over:
            raise StudioError(
                f"Only one service can run at a time; {job.job.about['model']} is being served. Stop it first.", 409
            )
    target = str(folder.parent) if name.startswith(PACKAGE) else name
    host, port = _find_service_address()
    about = {"model": name, "url": f"http://{host}:{port}"}
    return job_view(studio.queue.add("serve", f"Serve {name}", ["serve", target, "--port", str(port)], about=about))


def _find_service_address() -> tuple[str, int]:
    """Returns the default address, where programs expect the service, or a free port if that address is taken."""
    try:
        return free_address("127.0.0.1", SERVICE_PORT)
    except ServiceError:
        return free_address("127.0.0.1", None)


def show_exports(studio: Studio, query: Mapping[str, str]) -> Any:
    """`GET /api/models/{model}/exports`: the state of each format."""
    return studio.exports.states(query["model"])


def export(studio: Studio, body: ModelFormat) -> Any:
    """`POST /api/models/{model}/exports`: starts the export to a format."""
    return job_view(studio.exports.start(body.model, body.format))


def download(studio: Studio, query: Mapping[str, str]) -> Response:
    """`GET /models/{model}/{format}.zip`: downloads an exported model."""
    path = studio.exports.pack(query["model"], query["format"])
    return FileResponse(path, media_type="application/zip", filename=path.name)


def promote(studio: Studio, body: Model) -> Any:
    """`POST /api/models/{model}/promote`: makes a model the champion, if the quality gate's verdict allows it."""
    name = find_finished_run(body.model).name
    return job_view(studio.queue.add("promote", f"Promote {name}", ["promote", name, "--json"], about={"model": name}))


def open_mlflow(studio: Studio, _body: Nothing) -> Any:
    """`POST /api/mlflow`: starts MLflow's UI, unless it is already running."""
    for job in studio.queue.all():
        if job.job.kind == "ui" and not job.is_over:
            return job_view(job)
    host, port = free_address("127.0.0.1", None)
    return job_view(
        studio.queue.add("ui", "MLflow", ["ui", "--port", str(port)], about={"url": f"http://{host}:{port}"})
    )


def show_ready(studio: Studio, query: Mapping[str, str]) -> Any:
    """`GET /api/jobs/{job}/ready`: whether the server that a job started is ready."""
    job = studio.queue.find(query["job"])
    if job.job.kind not in ("serve", "ui"):
        raise StudioError(
            "Only jobs that start a service or MLflow's page report readiness; this one does neither.", 404
        )
    path = "/readyz" if job.job.kind == "serve" else "/"
    return {"ready": answers(job.job.about["url"], path, READY_SECONDS)}


ROUTES = [
    Route("/api/runs", answer_get(show_runs)),
    Route("/api/runs/{run}", answer_get(show_run)),
    Route("/api/runs/{run}", answer_post(note_run, RunNotes), methods=["POST"]),
    Route("/api/runs/{run}/cell", answer_get(show_cell)),
    Route("/api/runs/{run}/map", answer_get(show_map)),
    Route("/api/runs/{run}/photos/{split}/{image}", answer_get(show_image)),
    Route("/api/compare", answer_get(show_comparison)),
    Route("/api/compare", answer_post(compare, ComparedRuns), methods=["POST"]),
    Route("/comparisons/{name}", answer_get(show_comparison_page)),
    Route("/runs/{run}/{file}", answer_get(show_file)),
    Route("/api/models/{model}/predict", predict, methods=["PUT"]),
    Route("/api/models/{model}/explain", explain, methods=["PUT"]),
    Route("/api/phone", answer_post(open_phone, Nothing), methods=["POST"]),
    Route("/api/phone/photo", answer_post(next_phone_photo, Nothing), methods=["POST"]),
    Route("/api/phone/close", answer_post(close_phone, Nothing), methods=["POST"]),
    Route("/api/models/{model}/serve", answer_post(serve, Model), methods=["POST"]),
    Route("/api/models/{model}/exports", answer_get(show_exports)),
    Route("/api/models/{model}/exports", answer_post(export, ModelFormat), methods=["POST"]),
    Route("/models/{model}/{format}.zip", answer_get(download)),
    Route("/api/models/{model}/promote", answer_post(promote, Model), methods=["POST"]),
    Route("/api/jobs/{job}/ready", answer_get(show_ready)),
    Route("/api/mlflow", answer_post(open_mlflow, Nothing), methods=["POST"]),
]
