"""The routes of the Training and Live screens: the draft, its commands, and the queue."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from components.contract.params.pipeline import json_schema
from components.contract.params.resolve import Resolution
from pipelines.option_values import parse_deployment
from pipelines.runners.cluster.client import check_address
from pipelines.studio.data.file_browser import data_within, model_within
from pipelines.studio.draft.params_text import format_draft
from pipelines.studio.draft.presets import Preset, apply, find_preset, follow_network, list_presets
from pipelines.studio.draft.store import Draft, check
from pipelines.studio.endpoints import answer_get, answer_post
from pipelines.studio.jobs.estimate import Estimate, estimate
from pipelines.studio.jobs.queue import PARAMS
from pipelines.studio.routes.bodies import DraftChange, DraftImport, JobAction, NewJob
from pipelines.studio.settings import StudioError
from pipelines.studio.studio import Studio, job_view

FILE = "studio.yaml"
"""The name of the params file in the commands that the page shows."""
LAYER = re.compile(r"train\.model\.layers\[(\d+)\] ")
"""How messages name a layer of a custom network, counting from 0; the page counts layers from 1."""


def show_draft(studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/draft`: the values that are set, the resolved params, the errors, and the equivalent commands."""
    return draft_view(studio, studio.draft.read())


def draft_view(studio: Studio, draft: Draft) -> dict[str, Any]:
    """Returns the draft as the page shows it."""
    faults = check(draft.params)
    resolution = studio.draft.resolve(draft)
    data_fault = studio.album.view(draft.data).fault if draft.data else "Choose photos first."
    resolved = isinstance(resolution, Resolution)
    reasons = [f"{fault.where}: {fault.what}." for fault in faults]
    if not reasons and data_fault:
        reasons = [data_fault]
    if not reasons and resolution is not None and not isinstance(resolution, Resolution):
        reasons = [LAYER.sub(lambda match: f"Layer {int(match[1]) + 1}, ", resolution.what)]
    return {
        "revision": draft.revision,
        "params": draft.params,
        "faults": [fault.model_dump() for fault in faults],
        "reasons": reasons,
        "resolved": resolution.params.model_dump(mode="json") if isinstance(resolution, Resolution) else None,
        "decisions": list(resolution.decisions) if isinstance(resolution, Resolution) else [],
        "yaml": format_draft(draft.params),
        "commands": _commands(draft),
        "ready": resolved and not reasons,
    }


def _commands(draft: Draft) -> dict[str, str]:
    data = shlex.quote(draft.data) if draft.data else "PHOTOS"
    return {
        "data": f"darkroom audit {data} --params {FILE}",
        "model": f"darkroom model summary --params {FILE}",
        "training": f"darkroom run --params {FILE}",
        "rate": f"darkroom lr-find --params {FILE}",
    }


def change_draft(studio: Studio, body: DraftChange) -> Any:
    """`POST /api/draft`: sets params, and resets params to their defaults."""
    if any(key.startswith("data.") for key in (*body.set, *body.unset)):
        raise StudioError("Choose the data on the Data screen.")
    draft = studio.draft.change(
        body.revision, body.set, body.unset, lambda tree: model_within(studio.settings.allowed, tree)
    )
    followed = follow_network(draft.params, _list_presets(studio, draft))
    if followed is not None:
        draft = studio.draft.replace(draft.revision, followed)
    return draft_view(studio, draft)


def export_draft(studio: Studio, _query: Mapping[str, str]) -> Response:
    """`GET /api/draft/params.yaml`: the draft as a file."""
    return PlainTextResponse(
        format_draft(studio.draft.read().params),
        media_type="application/yaml",
        headers={"Content-Disposition": f'attachment; filename="{FILE}"'},
    )


def import_draft(studio: Studio, body: DraftImport) -> Any:
    """`POST /api/draft/import`: replaces the draft with the params of a params.yaml or a command."""
    text = body.text.strip()
    if not text:
        raise StudioError("Paste a params.yaml or a command; the text is empty.")
    allowed = studio.settings.allowed
    is_command = body.kind == "command" or text.startswith("darkroom ")
    tree = studio.workers.ask(
        "parse_params",
        "The text",
        text.encode("utf-8", "surrogatepass"),
        is_command=is_command,
        roots=list(map(str, allowed)),
    ).value
    uri = tree.get("data", {}).get("uri")
    if uri:
        tree["data"]["uri"] = data_within(allowed, uri)
    model_within(allowed, tree)
    draft = studio.draft.replace(body.revision, tree)
    studio.touch()
    return draft_view(studio, draft)


def show_schema(_studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/schema`: the JSON schema of the params, with the help for every value."""
    return json_schema()


def show_estimate(studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/estimate`: the estimated duration of a training run; null if the params of the draft are invalid."""
    return _estimate(studio, studio.draft.read())


def show_presets(studio: Studio, query: Mapping[str, str]) -> Any:
    """`GET /api/presets?times=…`: the presets, and the name of the chosen one; `times` adds time estimates."""
    draft = studio.draft.read()
    choices = _list_presets(studio, draft)
    presets = []
    for preset in choices:
        preset_draft = draft.model_copy(update={"params": apply(preset, draft.params)})
        time = _estimate(studio, preset_draft) if query.get("times") else None
        presets.append(preset.model_dump() | {"estimate": time.model_dump() if time is not None else None})
    return {"presets": presets, "chosen": find_preset(draft.params, choices)}


def _list_presets(studio: Studio, draft: Draft) -> tuple[Preset, ...]:
    """The presets for the network of a draft; they do not depend on its current preset."""
    tree = draft.params | {"train": draft.params.get("train", {}) | {"preset": "none"}}
    resolution = studio.draft.resolve(draft.model_copy(update={"params": tree}))
    model = resolution.params.train.model if isinstance(resolution, Resolution) else None
    return list_presets(draft.params, model)


def _estimate(studio: Studio, draft: Draft) -> Estimate | None:
    resolution = studio.draft.resolve(draft)
    if draft.data is None or not isinstance(resolution, Resolution):
        return None
    share = 1 - resolution.params.preprocess.validation_fraction - resolution.params.preprocess.test_fraction
    num_photos = studio.album.view(draft.data).num_photos or 1000
    return estimate(resolution.params, max(1, round(num_photos * share)))


def start_job(studio: Studio, body: NewJob) -> Any:
    """`POST /api/jobs`: starts a learning rate range test, or a training run on this machine or a cluster."""
    draft = studio.draft.read()
    view = draft_view(studio, draft)
    if body.kind != "submit" and not view["ready"]:
        raise StudioError(" ".join(view["reasons"]) or "The data cannot be read.", 409)
    name = Path(draft.data or "").name
    text = format_draft(draft.params)
    if body.kind == "run":
        job = studio.queue.add("run", f"Train on {name}", ["run", "--params", PARAMS, "--json"], params=text)
    elif body.kind == "rate":
        output = str(studio.settings.home / "rates" / "lr-find.html")
        job = studio.queue.add(
            "rate", f"Range test on {name}", ["lr-find", "--params", PARAMS, "--output", output, "--json"], params=text
        )
    else:
        if check(draft.params) or draft.data is None:
            raise StudioError(" ".join(view["reasons"]), 409)
        host = body.host.strip()
        check_address(host)
        job = studio.queue.add(
            "submit",
            f"Train {name} on {host}",
            ["submit", "--params", PARAMS, "--host", host, *_rollout_option(body.rollout.strip()), "--json"],
            params=text,
            about={"host": host},
        )
    return job_view(job)


def _rollout_option(deployment: str) -> list[str]:
    if not deployment:
        return []
    try:
        return ["--rollout", parse_deployment(deployment)]
    except ValueError as error:
        raise StudioError(f"Roll out to: {error}.") from None


def show_jobs(studio: Studio, _query: Mapping[str, str]) -> Any:
    """`GET /api/jobs`: all jobs, the newest first."""
    return [job_view(job) for job in studio.queue.all()]


def show_job(studio: Studio, query: Mapping[str, str]) -> Any:
    """`GET /api/jobs/{job}`: a job, and the result that its command printed."""
    job = studio.queue.find(query["job"])
    return job_view(job) | {"output": job.output}


def act_on_job(studio: Studio, body: JobAction) -> Any:
    """`POST /api/jobs/{job}`: stops a job, ends its training with the best epoch so far, or runs it again."""
    job = studio.queue.find(body.job)
    if body.action == "stop":
        job.stop()
    elif body.action == "finish":
        from pipelines.runners.runs import ask_to_finish

        run = job.run_folder
        if run is None or job.is_over:
            raise StudioError("Only a training run in progress can be finished early.", 409)
        ask_to_finish(run.path.name)
    else:
        params = job.path / "params.yaml"
        command = [PARAMS if word == str(params) else word for word in job.job.command]
        job = studio.queue.add(
            job.job.kind,
            job.job.title,
            command,
            about=job.job.about,
            params=params.read_text(encoding="utf-8") if params.exists() else None,
        )
    return job_view(job)


ROUTES = [
    Route("/api/draft", answer_get(show_draft)),
    Route("/api/draft", answer_post(change_draft, DraftChange), methods=["POST"]),
    Route("/api/draft/params.yaml", answer_get(export_draft)),
    Route("/api/draft/import", answer_post(import_draft, DraftImport), methods=["POST"]),
    Route("/api/schema", answer_get(show_schema)),
    Route("/api/estimate", answer_get(show_estimate)),
    Route("/api/presets", answer_get(show_presets)),
    Route("/api/jobs", answer_get(show_jobs)),
    Route("/api/jobs", answer_post(start_job, NewJob), methods=["POST"]),
    Route("/api/jobs/{job}", answer_get(show_job)),
    Route("/api/jobs/{job}", answer_post(act_on_job, JobAction), methods=["POST"]),
]
