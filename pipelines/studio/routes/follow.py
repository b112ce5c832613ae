"""The WebSocket that keeps every tab up to date.

The page sends the job that it watches: {"job": id, "log": number of bytes of the log that it already has}. It receives
{"jobs": […], "revision": …, "changed": …} whenever one of these values changes, {"progress": Progress or null} when the
progress of the training run changes, and {"live": LiveView} when the watched job changes.
"""

import asyncio
import contextlib
from typing import Any, Final

from anyio import to_thread
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from components.contract.foreign.documents import parse_json
from pipelines.studio.jobs.live import show_progress, watch
from pipelines.studio.settings import StudioError
from pipelines.studio.studio import Studio, job_view

LOOK_SECONDS: Final = 0.4
SHOWN_JOBS: Final = 60


async def follow(socket: WebSocket) -> None:
    """Serves the WebSocket `/follow`."""
    await socket.accept()
    subscription: dict[str, Any] = {"job": None, "log": 0}
    is_changed = asyncio.Event()
    listener = asyncio.create_task(_listen(socket, subscription, is_changed))
    try:
        await _send_changes(socket, subscription, is_changed, listener)
    except (WebSocketDisconnect, RuntimeError):
        pass  # the tab was closed; uvicorn and starlette raise different errors for this
    finally:
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await listener


async def _listen(socket: WebSocket, subscription: dict[str, Any], is_changed: asyncio.Event) -> None:
    try:
        while True:
            try:
                request = parse_json(await socket.receive_text())
                subscription.update(
                    job=str(request["job"]) if request.get("job") else None, log=int(request.get("log", 0)), status=None
                )
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
            is_changed.set()
    except WebSocketDisconnect:
        is_changed.set()


async def _send_changes(
    socket: WebSocket, subscription: dict[str, Any], is_changed: asyncio.Event, listener: "asyncio.Task[None]"
) -> None:
    studio: Studio = socket.app.state.studio
    sent_state, sent_progress = None, None
    while not listener.done():
        state, progress = await to_thread.run_sync(_state, studio)
        if state != sent_state:
            sent_state = state
            await socket.send_json(state)
        if progress != sent_progress:
            sent_progress = progress
            await socket.send_json({"progress": progress})
        if subscription["job"] is not None:
            live = await to_thread.run_sync(_live, studio, subscription["job"], subscription["log"])
            status = live | {"log": ""}
            if live.get("log") or status != subscription.get("status"):
                subscription["status"] = status
                subscription["log"] = live.get("log_to", 0)
                await socket.send_json({"live": live})
        # A new subscription is answered at once.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(is_changed.wait(), LOOK_SECONDS)
        is_changed.clear()


def _state(studio: Studio) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The facts that every tab shows, and the progress of the current training run."""
    jobs = studio.queue.all()[:SHOWN_JOBS]
    state = {
        "jobs": [job_view(job) for job in jobs],
        "revision": studio.draft.read().revision,
        "changed": studio.num_changes,
    }
    progress = next((progress for job in jobs if (progress := show_progress(job)) is not None), None)
    return state, progress.model_dump() if progress is not None else None


def _live(studio: Studio, job_id: str, log_from: int) -> dict[str, Any]:
    try:
        return watch(studio.queue.find(job_id), log_from).model_dump(mode="json")
    except StudioError as error:
        return {"id": job_id, "error": str(error), "state": "lost"}


ROUTES = [WebSocketRoute("/follow", follow)]
