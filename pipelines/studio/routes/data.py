"""The routes of the Data screen for choosing, uploading, auditing and relabeling photos."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from components.contract.foreign import archive
from components.contract.params.data import ColumnNames
from components.contract.params.pipeline import parse_section
from components.contract.system import launcher
from components.contract.text import is_utf8
from components.preprocess.sources.remote.addresses import is_remote
from pipelines.studio.data import dataset_editor
from pipelines.studio.data.audits import AuditView
from pipelines.studio.data.file_browser import Place, data_within, list_folder
from pipelines.studio.data.uploads import receive
from pipelines.studio.data.versions import dvc_versions
from pipelines.studio.endpoints import answer_get, answer_post
from pipelines.studio.routes.bodies import (
    ChangedClass,
    ChosenData,
    Decisions,
    NamedColumns,
    NewClass,
    NewDataSet,
    Nothing,
    OnRevision,
)
from pipelines.studio.settings import MAX_PHOTO_BYTES, StudioError
from pipelines.studio.studio import Studio, parse_whole

CACHED = {"Cache-Control": "private, max-age=600"}
REPORT_POLICY = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
}
"""Prevents reports, which are self-contained, from sending requests and from sharing the page's origin."""


def browse(studio: Studio, query: Mapping[str, str]) -> Place:
    """`GET /api/places`: the content of a folder on this machine."""
    return list_folder(studio.settings.roots, query.get("path"))


def show_data(studio: Studio, _query: Mapping[str, str]) -> dict[str, Any]:
    """`GET /api/data`: the chosen data, its versions, and the data sets that were created in the studio."""
    draft = studio.draft.read()
    own = studio.settings.photos_dir
    return {
        "data": studio.album.view(draft.data).model_dump(mode="json") if draft.data else None,
        "versions": [version.model_dump() for version in studio.versions.list_for(draft.data)] if draft.data else [],
        "own": sorted(path.name for path in own.iterdir() if path.is_dir() and not path.name.startswith("."))
        if own.is_dir()
        else [],
        "max_upload_bytes": studio.settings.max_upload_bytes,
        "max_photo_bytes": MAX_PHOTO_BYTES,
    }


def choose(studio: Studio, body: ChosenData) -> dict[str, Any]:
    """`POST /api/data/choose`: uses a folder, table or archive on this machine, or remote data."""
    text = data_within(studio.settings.allowed, body.uri)
    if not is_remote(text):
        path = Path(text)
        if not path.exists():
            raise StudioError(f"There is nothing at {path}.", 404)
        if path.is_file() and archive.is_archive(path):
            path = dataset_editor.unpack(path, studio.settings.photos_dir, studio.workers)
        text = str(path.resolve())
    return set_data(studio, body.revision, text)


def set_data(studio: Studio, revision: int, uri: str) -> dict[str, Any]:
    """Sets the data of the draft.

    Args:
        studio: the studio that contains the draft.
        revision: the revision of the draft that the change is based on.
        uri: the address of the photos.

    Raises:
        StudioError: the path is not UTF-8, or the draft has changed in the meantime.
    """
    if not is_utf8(uri):
        raise StudioError(f"The path of the data must be valid UTF-8; {uri!r} is not. Rename the folder.")
    current = studio.draft.read().data
    is_version = current is not None and uri in studio.versions.family(current)
    draft = studio.draft.switch(revision, uri, inherit=is_version)
    studio.touch()
    return {"uri": draft.data, "revision": draft.revision}


def name_columns(studio: Studio, body: NamedColumns) -> dict[str, Any]:
    """`POST /api/data/columns`: assigns the columns of a label file; unassigned columns are detected again."""
    columns = parse_section(ColumnNames, json.dumps(body.columns))
    values = {f"data.columns.{role}": column for role, column in columns.model_dump(exclude_none=True).items()}
    draft = studio.draft.change(body.revision, values, ["data.columns"])
    studio.touch()
    return {"revision": draft.revision}


def choose_demo(studio: Studio, body: OnRevision) -> dict[str, Any]:
    """`POST /api/data/demo`: uses the handwritten digits that come with scikit-learn."""
    folder = studio.settings.photos_dir / "digits"
    if not folder.exists():
        process = launcher.run(launcher.python("components.preprocess.demo", "--output", str(folder)))
        if process.returncode:
            raise StudioError((process.stderr.strip().splitlines() or ["The digits could not be written."])[-1])
    return set_data(studio, body.revision, str(folder.resolve()))


def make_data_set(studio: Studio, body: NewDataSet) -> dict[str, Any]:
    """`POST /api/data/make`: creates an empty data set."""
    folder = dataset_editor.make_data_set(studio.settings.photos_dir, body.name)
    return set_data(studio, body.revision, str(folder.resolve()))


def _own_folder(studio: Studio) -> Path:
    data = studio.draft.read().data
    if data is None or not Path(data).is_relative_to(studio.settings.photos_dir.resolve()) or not Path(data).is_dir():
        raise StudioError(
            "Photos can only be added to data sets that belong to the studio. Your photos stay unchanged; create a new "
            "data set, or upload a copy.",
            409,
        )
    return Path(data)


def add_class(studio: Studio, body: NewClass) -> dict[str, Any]:
    """`POST /api/data/classes`: creates a class."""
    path = dataset_editor.make_class(_own_folder(studio), body.name)
    studio.touch()
    return {"name": path.name}


def change_class(studio: Studio, body: ChangedClass) -> dict[str, Any]:
    """`POST /api/data/classes/{name}`: renames or removes a class."""
    folder = _own_folder(studio)
    if body.remove:
        dataset_editor.remove_class(folder, body.name)
    elif body.to is not None:
        dataset_editor.rename_class(folder, body.name, body.to)
    else:
        raise StudioError("A class can be renamed or removed; the request asks for neither.")
    studio.touch()
    return {}


async def add_photo(request: Request) -> Response:
    """`PUT /api/data/photos?class=…&name=…`: adds the uploaded photo to a class."""
    studio: Studio = request.app.state.studio
    query = request.query_params
    folder = dataset_editor.class_folder(_own_folder(studio), query.get("class", ""))
    target = folder / dataset_editor.file_name(query.get("name", "photo"))
    path = await receive(
        request.stream(), target, max_bytes=MAX_PHOTO_BYTES, content_length=content_length(request), subject="A photo"
    )
    studio.album.forget()
    return JSONResponse({"path": f"{folder.name}/{path.name}"})


async def add_archive(request: Request) -> Response:
    """`PUT /api/data/archive?name=…&revision=…`: unpacks the uploaded archive, and uses its photos."""
    studio: Studio = request.app.state.studio
    query = request.query_params
    name = dataset_editor.file_name(query.get("name", ""))
    if not archive.is_archive(Path(name)):
        raise StudioError(f"The name of an archive must end in one of {', '.join(archive.SUFFIXES)}; found {name!r}.")
    path = await receive(
        request.stream(),
        studio.settings.home / "uploads" / name,
        content_length=content_length(request),
        max_bytes=studio.settings.max_upload_bytes,
        subject="An archive",
    )
    try:
        folder = await to_thread.run_sync(dataset_editor.unpack, path, studio.settings.photos_dir, studio.workers)
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
    revision = parse_whole(query.get("revision"), studio.draft.read().revision)
    return JSONResponse(set_data(studio, revision, str(folder.resolve())))


def content_length(request: Request) -> int | None:
    """The size that the browser announced for the body; None if it did not."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 20 else None


def finish_upload(studio: Studio, _body: Nothing) -> dict[str, Any]:
    """`POST /api/data/uploaded`: reports that all photos have been uploaded."""
    studio.touch()
    return {}


def start_audit(studio: Studio, _body: Nothing) -> AuditView:
    """`POST /api/audit`: starts an audit of the data."""
    draft = studio.draft.read()
    if draft.data is None:
        raise StudioError("Choose photos first.", 409)
    view = studio.album.view(draft.data)
    if view.fault:
        raise StudioError(view.fault, 409)
    studio.audits.start(draft)
    return studio.audits.view(draft)


def show_audit(studio: Studio, _query: Mapping[str, str]) -> AuditView:
    """`GET /api/audit`: the state of the audit, and its findings."""
    return studio.audits.view(studio.draft.read())


def show_audit_report(studio: Studio, _query: Mapping[str, str]) -> Response:
    """`GET /audit.html`: the report of the audit."""
    draft = studio.draft.read()
    path = studio.audits.report_dir(studio.audits.key(draft)) / "audit.html"
    if draft.data is None or not path.is_file():
        raise StudioError("This data has not been audited yet.", 404)
    return FileResponse(path, headers=REPORT_POLICY)


def decide(studio: Studio, body: Decisions) -> dict[str, Any]:
    """`POST /api/data/decide`: relabels or removes photos in a new version of the data."""
    data = studio.draft.read().data
    if data is None:
        raise StudioError("Choose photos first.", 409)
    version = studio.versions.make(data, body.decisions)
    return set_data(studio, body.revision, version.uri) | {"version": version.model_dump()}


def show_changes(studio: Studio, query: Mapping[str, str]) -> Any:
    """`GET /api/data/changes?before=…&now=…`: the differences between two versions of the data."""
    data = studio.draft.read().data
    version_uris = studio.versions.family(data) if data else frozenset()
    if query.get("before") not in version_uris or query.get("now") not in version_uris:
        raise StudioError("Choose two versions of the data.", 404)
    return studio.versions.changes(query["before"], query["now"])


def show_dvc(_studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/data/dvc`: the versions of data that DVC tracks."""
    return dvc_versions()


ROUTES = [
    Route("/api/places", answer_get(browse)),
    Route("/api/data", answer_get(show_data)),
    Route("/api/data/choose", answer_post(choose, ChosenData), methods=["POST"]),
    Route("/api/data/demo", answer_post(choose_demo, OnRevision), methods=["POST"]),
    Route("/api/data/columns", answer_post(name_columns, NamedColumns), methods=["POST"]),
    Route("/api/data/make", answer_post(make_data_set, NewDataSet), methods=["POST"]),
    Route("/api/data/classes", answer_post(add_class, NewClass), methods=["POST"]),
    Route("/api/data/classes/{name}", answer_post(change_class, ChangedClass), methods=["POST"]),
    Route("/api/data/photos", add_photo, methods=["PUT"]),
    Route("/api/data/archive", add_archive, methods=["PUT"]),
    Route("/api/data/uploaded", answer_post(finish_upload, Nothing), methods=["POST"]),
    Route("/api/data/decide", answer_post(decide, Decisions), methods=["POST"]),
    Route("/api/data/changes", answer_get(show_changes)),
    Route("/api/data/dvc", answer_get(show_dvc)),
    Route("/api/audit", answer_post(start_audit, Nothing), methods=["POST"]),
    Route("/api/audit", answer_get(show_audit)),
    Route("/audit.html", answer_get(show_audit_report)),
]
