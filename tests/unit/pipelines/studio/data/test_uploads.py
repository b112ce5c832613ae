"""Uploads from a browser: archives and photos are stored completely or not at all."""

import asyncio
import errno
import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.studio.app import create_app
from tests.unit.pipelines.studio.conftest import HOST, Client, settings_of
from tests.unit.pipelines.studio.data.conftest import png, read_view


def archive_of(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, png(number))
    return file.getvalue()


def send_archive(client: Client, content: bytes, name: str = "pets.zip") -> Any:
    return client.put(f"/api/data/archive?name={name}&revision={client.revision}", content)


def test_an_archive_is_unpacked_and_becomes_the_chosen_data(client: Client) -> None:
    answer = send_archive(client, archive_of("pets/cat/1.png", "pets/cat/2.png", "pets/dog/1.png"))
    assert answer.status_code == 200
    view = read_view(client)
    assert [(each["name"], each["num_photos"]) for each in view["classes"]] == [("cat", 2), ("dog", 1)]
    assert view["editable"]
    assert not list((client.studio.settings.home / "uploads").iterdir())


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "cat/../../../evil.png", "C:\\evil.png"])
def test_an_archive_with_paths_outside_its_folder_leaves_no_files(client: Client, tmp_path: Path, name: str) -> None:
    answer = send_archive(client, archive_of("cat/1.png", name))
    assert answer.status_code == 400
    assert "leads outside" in answer.json()["error"]
    assert client.revision == 0
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".png"]


def test_a_zip_bomb_is_rejected_and_leaves_nothing_behind(client: Client) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("cat/1.png", "w") as member:
        for _ in range(1100):
            member.write(bytes(10**6))
    answer = send_archive(client, file.getvalue())
    assert answer.status_code == 400
    assert "times its size" in answer.json()["error"]
    assert not list(client.studio.settings.photos_dir.iterdir())
    assert not list((client.studio.settings.home / "uploads").iterdir())


@pytest.mark.parametrize(("content", "name"), [(b"no archive at all", "pets.zip"), (b"", "pets.zip"), (b"x", "a.exe")])
def test_a_file_that_is_not_an_archive_is_rejected(client: Client, content: bytes, name: str) -> None:
    answer = send_archive(client, content, name)
    assert answer.status_code == 400
    assert "archive" in answer.json()["error"]


def test_a_full_disk_is_reported_and_leaves_no_partial_file(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    answer = client.put("/api/data/photos?class=oak&name=1.png", png(1))
    assert answer.status_code == 507
    assert "A photo needs 500 MB of disk space" in answer.json()["error"]
    assert not list((client.studio.settings.photos_dir / "leaves" / "oak").iterdir())


def test_a_disk_that_fills_up_midway_leaves_no_partial_file(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    answer = client.put("/api/data/photos?class=oak&name=1.png", png(1))
    assert answer.status_code == 507
    assert "No space left" in answer.json()["error"]
    assert not list((client.studio.settings.photos_dir / "leaves" / "oak").iterdir())


def test_an_upload_that_is_too_large_is_aborted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.studio.routes.data.MAX_PHOTO_BYTES", 100)
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})
    assert client.put("/api/data/photos?class=oak&name=1.png", png(1) + bytes(500)).status_code == 413


def test_an_upload_leaves_nothing_behind_if_the_browser_disconnects(client: Client) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})
    for path, query in (
        ("/api/data/photos", b"class=oak&name=1.png"),
        ("/api/data/archive", b"name=a.zip"),
        ("/api/model/upload", b"name=a.keras"),
    ):
        messages = [{"type": "http.request", "body": png(1), "more_body": True}, {"type": "http.disconnect"}]
        scope = {
            "type": "http",
            "method": "PUT",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "root_path": "",
            "scheme": "http",
            "headers": [(b"host", HOST.encode()), (b"content-length", b"999999")],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 1),
            "http_version": "1.1",
        }

        async def receive(messages: list[dict[str, Any]] = messages) -> dict[str, Any]:
            return messages.pop(0)

        async def send(message: dict[str, Any]) -> None:
            pass

        asyncio.run(client.app(scope, receive, send))
        assert messages == []
    home = client.studio.settings.home
    assert not [path for path in home.rglob("*") if path.suffix in (".partial", ".png", ".zip", ".keras")]


@pytest.mark.proof
def test_five_thousand_photos_can_be_uploaded(client: Client) -> None:
    client.post("/api/data/make", {"name": "many", "revision": 0})
    for name in ("light", "dark"):
        client.post("/api/data/classes", {"name": name})

    async def sending() -> None:
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as browser:

            async def send(numbers: range) -> None:
                for number in numbers:
                    place = {"class": ("light", "dark")[number % 2], "name": f"{number}.png"}
                    answer = await browser.put("/api/data/photos", params=place, content=png(number))
                    assert answer.status_code == 200

            await asyncio.gather(*(send(range(start, 5000, 4)) for start in range(4)))

    asyncio.run(sending())
    client.post("/api/data/uploaded")
    view = read_view(client)
    assert (view["num_photos"], view["fault"]) == (5000, None)
    assert len(view["classes"][0]["samples"]) == 12, "the page must show only some of the photos"


def test_partial_uploads_of_a_killed_studio_are_removed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = settings_of(tmp_path)
    for name in ("uploads/.0123456789abcdef.partial", "photos/cats/red/.0123456789abcdef.partial"):
        (settings.home / name).parent.mkdir(parents=True, exist_ok=True)
        (settings.home / name).touch()
    (settings.home / "photos" / ".dogs.partial-x" / "red").mkdir(parents=True)
    (settings.home / "photos" / "cats" / "red" / "a.png").touch()
    with create_app(settings).state.studio._lock:
        remaining_files = sorted(
            path.name for path in settings.home.rglob("*") if path.is_file() and path.name != "lock"
        )
        assert remaining_files == ["a.png"]
        assert not (settings.home / "photos" / ".dogs.partial-x").exists()
