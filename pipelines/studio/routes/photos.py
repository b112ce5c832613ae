"""The routes of the Data screen for viewing photos, changing the splits, and saving snapshots."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from components.contract.artifacts.dataset import SplitName
from components.contract.params.pipeline import PreprocessParams, parse_section
from pipelines.studio.data.photo_list import Division, PhotoPage, divide_again, list_photos
from pipelines.studio.endpoints import answer_get, answer_post
from pipelines.studio.routes.bodies import OnRevision
from pipelines.studio.routes.data import CACHED, set_data
from pipelines.studio.settings import StudioError
from pipelines.studio.studio import Studio, parse_whole


def show_photo(studio: Studio, query: Mapping[str, str]) -> Response:
    """`GET /api/data/photo?path=…&side=…`: a scaled-down photo from the data."""
    data = studio.draft.read().data
    if data is None:
        raise StudioError("No data is selected.", 404)
    side = max(8, parse_whole(query.get("side"), 160, most=1600))
    photo = studio.album.bytes_of(data, query.get("path", ""))
    answer = studio.workers.ask("make_thumbnail", "The photo", photo, side=side)
    return Response(answer.content, media_type=answer.value, headers=CACHED)


def show_augmentation(studio: Studio, query: Mapping[str, str]) -> Response:
    """`GET /api/data/augmentation`: eight augmented variants of a photo; 204 if there is nothing to show yet."""
    from pipelines.studio.augmentation_preview import render_augmentation

    picture = render_augmentation(studio.album, studio.draft, studio.workers, query)
    return Response(status_code=204) if picture is None else Response(picture, media_type="image/jpeg")


def take_snapshot(studio: Studio, body: OnRevision) -> dict[str, Any]:
    """`POST /api/data/snapshot`: stores the current state of the data as a version."""
    data = studio.draft.read().data
    if data is None:
        raise StudioError("Choose photos first.", 409)
    own = studio.settings.photos_dir.resolve()
    version = studio.versions.snapshot(data, lambda file: file.location.absolute().is_relative_to(own))
    return set_data(studio, body.revision, version.uri) | {"version": version.model_dump()}


def show_photos(studio: Studio, query: Mapping[str, str]) -> PhotoPage:
    """`GET /api/data/photos?class=…&text=…&finding=…&split=…&offset=…`: one page of the matching photos."""
    draft = studio.draft.read()
    if draft.data is None:
        raise StudioError("Choose photos first.", 409)
    audit_dir = studio.audits.report_dir(studio.audits.key(draft))
    return list_photos(studio.album.files(draft.data), audit_dir, query, parse_whole(query.get("offset"), 0))


def preview_splits(studio: Studio, query: Mapping[str, str]) -> Division:
    """`GET /api/data/splits?validation=…&test=…`: the splits for these fractions, and the photos that would move."""
    draft = studio.draft.read()
    if draft.data is None:
        raise StudioError("Choose photos first.", 409)
    given = studio.album.view(draft.data).splits
    values = {f"{split}_fraction": _parse_share(query[split]) for split in ("validation", "test") if split in query}
    params = parse_section(PreprocessParams, json.dumps(draft.params.get("preprocess", {}) | values))
    fractions: dict[SplitName, float] = {"validation": params.validation_fraction, "test": params.test_fraction}
    return divide_again(studio.audits.report_dir(studio.audits.key(draft)), fractions, params.seed, given)


def _parse_share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise StudioError(f"A fraction must be a number such as 0.15; found {text[:80]!r}.") from None


ROUTES = [
    Route("/api/data/photos", answer_get(show_photos)),
    Route("/api/data/photo", answer_get(show_photo)),
    Route("/api/data/augmentation", answer_get(show_augmentation)),
    Route("/api/data/splits", answer_get(preview_splits)),
    Route("/api/data/snapshot", answer_post(take_snapshot, OnRevision), methods=["POST"]),
]
