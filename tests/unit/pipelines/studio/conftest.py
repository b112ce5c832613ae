"""Provides each test with a separate studio in a temporary folder; requests need no socket."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from pipelines.studio.app import create_app
from pipelines.studio.settings import Settings
from tests.support.artifacts import make_photos

HOST = "127.0.0.1:8000"


class Client:
    """Sends requests to the application as a browser would."""

    def __init__(self, app: Starlette):
        self.app = app
        self.studio = app.state.studio

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"host": HOST, **options.pop("headers", {})}

        async def send_request() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(send_request())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, body: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        return self.ask("POST", path, json=body or {}, **options)

    def put(self, path: str, content: bytes, **options: Any) -> httpx.Response:
        return self.ask("PUT", path, content=content, **options)

    @property
    def revision(self) -> int:
        return self.studio.draft.read().revision

    def choose(self, uri: Path) -> httpx.Response:
        return self.post("/api/data/choose", {"uri": str(uri), "revision": self.revision})


def settings_of(folder: Path, **options: Any) -> Settings:
    defaults = {"home": folder / "studio", "roots": (folder.resolve(),), "hosts": frozenset({HOST})}
    return Settings(**defaults | options)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.chdir(tmp_path)
    app = create_app(settings_of(tmp_path))
    yield Client(app)
    app.state.studio.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "colors", per_class=4)
