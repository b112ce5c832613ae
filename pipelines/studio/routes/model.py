"""The routes of the Model screen."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.contract.layers.backbones import BACKBONES
from components.contract.params.base import MAX_SIZE, MIN_SIZE
from components.contract.params.resolve import Resolution
from pipelines.studio.data.dataset_editor import file_name
from pipelines.studio.data.uploads import receive
from pipelines.studio.draft.store import Draft, check
from pipelines.studio.endpoints import answer_get, answer_post
from pipelines.studio.jobs.job_folder import JobFolder
from pipelines.studio.model import gallery, networks
from pipelines.studio.model.layer_forms import describe_layers
from pipelines.studio.model.network_templates import TEMPLATES
from pipelines.studio.routes.bodies import Backbone, Backbones, Network, UploadedModel
from pipelines.studio.routes.data import content_length
from pipelines.studio.settings import MAX_MODEL_BYTES, StudioError
from pipelines.studio.studio import Studio, job_view

PLAIN_SIZE = (128, 128)
PLAIN_CLASSES = 10
"""The image size and the number of classes with which a network is checked while the real ones are unknown."""


def show_catalog(_studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/layers`: the kinds of layers with their arguments, and the templates."""
    return {"layers": describe_layers(), "templates": TEMPLATES}


def inspect_network(studio: Studio, body: Network) -> dict[str, Any]:
    """`POST /api/network`: checks the current list of layers, which may be invalid."""
    size, num_classes = find_network_input(studio)
    view = networks.inspect_network(body.layers, size, num_classes, body.batch_size)
    return view.model_dump() | {"image_size": size, "num_classes": num_classes}


def find_network_input(studio: Studio) -> tuple[tuple[int, int], int]:
    """The (height, width) of photos for a custom network, and the number of classes."""
    draft = studio.draft.read()
    image_size = draft.params.get("preprocess", {}).get("image_size")
    tree = {key: value for key, value in draft.params.items() if key in ("data", "preprocess")}
    resolution = studio.draft.resolve(Draft(params=tree | {"train": {"model": {"layers": ["Flatten"]}}}))
    num_classes = len(studio.album.view(draft.data).classes) if draft.data else 0
    if isinstance(resolution, Resolution):
        size = resolution.params.preprocess.size
    else:
        sides = image_size if isinstance(image_size, list) else [image_size, image_size]
        is_valid = len(sides) == 2 and all(isinstance(side, int) and MIN_SIZE <= side <= MAX_SIZE for side in sides)
        size = (sides[0], sides[1]) if is_valid else PLAIN_SIZE
    return size, num_classes if num_classes > 1 else PLAIN_CLASSES


def show_gallery(studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/gallery`: the pretrained backbones."""
    return [card.model_dump() for card in gallery.list_cards(studio.settings.home)]


def measure(studio: Studio, body: Backbones) -> Any:
    """`POST /api/gallery/measure`: measures the speed of backbones on this machine."""
    names = body.names
    if not all(name in BACKBONES for name in names):
        raise StudioError(f"Choose backbones from {', '.join(BACKBONES)}.")
    command = ["model", "speed", *names, "--output", str(gallery.speeds_path(studio.settings.home))]
    return job_view(studio.queue.add("speed", f"Measure {', '.join(names)}", command))


def package(studio: Studio, body: Backbone) -> Any:
    """`POST /api/gallery/package`: packages a backbone with ImageNet's classes, without training it."""
    name = body.name
    if name not in BACKBONES:
        raise StudioError(f"A backbone must be one of {', '.join(BACKBONES)}; found {name[:80]!r}.")
    return job_view(
        studio.queue.add(
            "package",
            f"{name} with ImageNet's classes",
            ["package", "--pretrained", name],
            about={"model": f"package-{name}"},
        )
    )


async def upload(request: Request) -> Response:
    """`PUT /api/model/upload?name=…`: stores the uploaded model file, and starts a job that checks it."""
    studio: Studio = request.app.state.studio
    name = file_name(request.query_params.get("name", "model"))
    if not name.lower().endswith((".h5", ".hdf5", ".keras", ".zip")):
        raise StudioError(f"The name of a model file must end in .keras, .h5, .hdf5 or .zip; found {name!r}.")
    path = await receive(
        request.stream(),
        studio.settings.home / "models" / name,
        max_bytes=MAX_MODEL_BYTES,
        subject="A model",
        content_length=content_length(request),
    )
    return JSONResponse(job_view(_check(studio, path, None)))


def check_upload(studio: Studio, body: UploadedModel) -> Any:
    """`POST /api/model/check`: checks an uploaded file again, for example as the weights of a backbone."""
    path = studio.settings.home.resolve() / "models" / file_name(body.name)
    if not path.is_file():
        raise StudioError(f"There is no uploaded model {path.name!r}.", 404)
    architecture = body.architecture
    if architecture is not None and architecture not in BACKBONES:
        raise StudioError(f"A network must be one of {', '.join(BACKBONES)}; found {architecture[:80]!r}.")
    return job_view(_check(studio, path, architecture))


def _check(studio: Studio, path: Path, architecture: str | None) -> JobFolder:
    command = ["model", "check", str(path.resolve()), "--json"]
    if architecture:
        command += ["--architecture", architecture]
    about = {"file": str(path.resolve()), "name": path.name, "architecture": architecture or ""}
    return studio.queue.add("check", f"Check {path.name}", command, about=about)


def show_uploads(studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/model/uploads`: the uploaded model files and their checks, the newest first."""
    jobs_by_name: dict[str, Any] = {}
    for job in studio.queue.all():
        name = job.job.about.get("name", "")
        if job.job.kind == "check" and name not in jobs_by_name:
            jobs_by_name[name] = job_view(job) | {"report": job.output}
    return list(jobs_by_name.values())


def show_layers(studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/model/layers`: the names and blocks of the layers that can be trained, once a job has read them."""
    draft = studio.draft.read()
    model = draft.params.get("train", {}).get("model", {})
    key = model.get("name") if set(model) <= {"kind", "name", "weights", "head"} else None
    if key is None or check(draft.params):
        return {"state": "none", "layers": []}
    path = studio.settings.home / "layers" / f"{key}.json"
    if path.is_file():
        import json

        return {"state": "done", "layers": json.loads(path.read_text(encoding="utf-8"))}
    job = next((job for job in studio.queue.all() if job.job.about.get("layers") == key), None)
    if job is None or job.state in ("lost", "stopped"):
        job = studio.queue.add(
            "layers",
            f"Read the layers of {key}",
            ["model", "layers", key, "--output", str(path)],
            about={"layers": key},
        )
    return {"state": job.state, "layers": [], "error": job.error}


ROUTES = [
    Route("/api/layers", answer_get(show_catalog)),
    Route("/api/network", answer_post(inspect_network, Network), methods=["POST"]),
    Route("/api/gallery", answer_get(show_gallery)),
    Route("/api/gallery/measure", answer_post(measure, Backbones), methods=["POST"]),
    Route("/api/gallery/package", answer_post(package, Backbone), methods=["POST"]),
    Route("/api/model/upload", upload, methods=["PUT"]),
    Route("/api/model/check", answer_post(check_upload, UploadedModel), methods=["POST"]),
    Route("/api/model/uploads", answer_get(show_uploads)),
    Route("/api/model/layers", answer_get(show_layers)),
]
