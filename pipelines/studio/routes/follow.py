"""The websocket: every tab is told what happens, as it happens.

The page says what it watches: {"job": id, "log": bytes of the log that it has}. It is told {"jobs": […], "revision": …,
"changed": …} whenever one of them is another than before, and {"live": LiveView} as the job goes on.
"""

import asyncio
import contextlib
from typing import Any, Final

from anyio import to_thread
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from components.contract.foreign.documents import parse_json
from pipelines.studio.jobs.live import watch
from pipelines.studio.settings import StudioError
from pipelines.studio.studio import Studio, job_view

LOOK_SECONDS: Final = 0.4


async def follow(socket: WebSocket) -> None:
    """`/follow`."""
    await socket.accept()
    watched: dict[str, Any] = {"job": None, "log": 0}
    listening = asyncio.create_task(_listen(socket, watched))
    try:
        await _tell(socket, watched, listening)
    except (WebSocketDisconnect, RuntimeError):
        pass  # the tab was closed; uvicorn raises the one or starlette the other
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
            await listening


async def _listen(socket: WebSocket, watched: dict[str, Any]) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            try:
                asked = parse_json(await socket.receive_text())
                watched.update(
                    job=str(asked["job"]) if asked.get("job") else None, log=int(asked.get("log", 0)), told=None
                )
            except (ValueError, TypeError, KeyError, AttributeError):
                continue


async def _tell(socket: WebSocket, watched: dict[str, Any], listening: "asyncio.Task[None]") -> None:
    studio: Studio = socket.app.state.studio
    known = None
    while not listening.done():
        state = await to_thread.run_sync(_state, studio)
        if state != known:
            known = state
            await socket.send_json(state)
        if watched["job"] is not None:
            live = await to_thread.run_sync(_live, studio, watched["job"], watched["log"])
            told = live | {"log": ""}
            if live.get("log") or told != watched.get("told"):
                watched["told"] = told
                watched["log"] = live.get("log_to", 0)
                await socket.send_json({"live": live})
        await asyncio.sleep(LOOK_SECONDS)


def _state(studio: Studio) -> dict[str, Any]:
    return {
        "jobs": [job_view(job) for job in studio.queue.all()[:60]],
        "revision": studio.draft.read().revision,
        "changed": studio.changed,
    }


def _live(studio: Studio, job_id: str, log_from: int) -> dict[str, Any]:
    try:
        return watch(studio.queue.find(job_id), log_from).model_dump(mode="json")
    except StudioError as error:
        return {"id": job_id, "error": str(error), "state": "lost"}


ROUTES = [WebSocketRoute("/follow", follow)]
