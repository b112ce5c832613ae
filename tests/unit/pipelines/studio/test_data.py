"""Choosing, making and changing data on the page."""

import asyncio
import errno
import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from pipelines.studio.app import create_app
from tests.support.artifacts import make_photos
from tests.unit.pipelines.studio.conftest import HOST, Client, settings_of


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (12, 10), (shade % 256, 90, 60)).save(file, "PNG")
    return file.getvalue()


def archive_of(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, png(number))
    return file.getvalue()


def send_archive(client: Client, content: bytes, name: str = "pets.zip") -> Any:
    return client.put(f"/api/data/archive?name={name}&revision={client.revision}", content)


def data(client: Client) -> dict[str, Any]:
    return client.get("/api/data").json()["data"]


def test_a_folder_of_this_machine_is_chosen_and_shown(client: Client, photos: Path) -> None:
    assert client.choose(photos).status_code == 200
    view = data(client)
    assert [(each["name"], each["num_photos"]) for each in view["classes"]] == [("blue", 4), ("green", 4), ("red", 4)]
    assert not view["editable"]
    picture = client.get("/api/data/photo", params={"path": view["classes"][0]["samples"][0]})
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (32, 40)


@pytest.mark.parametrize("path", ["/etc", "..", "../..", "/proc/self/root/etc", "~root", "colours/../..", "a\0b"])
def test_folders_outside_the_roots_are_neither_seen_nor_taken(client: Client, photos: Path, path: str) -> None:
    assert client.get("/api/places", params={"path": path}).status_code in (400, 403)
    assert client.post("/api/data/choose", {"uri": path, "revision": 0}).status_code in (400, 403)
    assert client.revision == 0


def test_a_link_leads_out_of_the_roots_for_nobody(client: Client, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc")
    assert client.get("/api/places", params={"path": str(tmp_path / "out")}).status_code == 403


def test_a_photo_is_shown_by_its_place_in_the_data_only(client: Client, photos: Path, tmp_path: Path) -> None:
    client.choose(photos)
    (tmp_path / "secret.png").write_bytes(png(1))
    for path in ("../secret.png", str(tmp_path / "secret.png"), "blue/../../secret.png"):
        assert client.get("/api/data/photo", params={"path": path}).status_code == 404


def test_variations_are_shown_once_the_draft_says_which_photos_and_what_size(client: Client, photos: Path) -> None:
    address = "/api/data/augmentation?augmentation=strong"
    assert client.get(address).status_code == 204
    client.choose(photos)
    picture = client.get(address)
    assert picture.headers["content-type"] == "image/jpeg"
    Image.open(io.BytesIO(picture.content)).verify()
    client.post("/api/draft", {"revision": client.revision, "set": {"train.epochs": "many"}, "unset": []})
    assert client.get(address).status_code == 204


def test_an_archive_is_unpacked_and_becomes_the_data(client: Client) -> None:
    answer = send_archive(client, archive_of("pets/cat/1.png", "pets/cat/2.png", "pets/dog/1.png"))
    assert answer.status_code == 200
    view = data(client)
    assert [(each["name"], each["num_photos"]) for each in view["classes"]] == [("cat", 2), ("dog", 1)]
    assert view["editable"]
    assert not list((client.studio.settings.home / "uploads").iterdir())


@pytest.mark.parametrize("name", ["../../evil.png", "/etc/evil.png", "cat/../../../evil.png", "C:\\evil.png"])
def test_an_archive_that_leads_outside_leaves_nothing(client: Client, tmp_path: Path, name: str) -> None:
    answer = send_archive(client, archive_of("cat/1.png", name))
    assert answer.status_code == 400
    assert "leads outside" in answer.json()["error"]
    assert client.revision == 0
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".png"]


def test_a_zip_bomb_is_refused_and_leaves_nothing(client: Client) -> None:
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
def test_what_is_no_archive_is_refused_by_name(client: Client, content: bytes, name: str) -> None:
    answer = send_archive(client, content, name)
    assert answer.status_code == 400
    assert "archive" in answer.json()["error"]


def test_classes_are_made_filled_renamed_and_removed(client: Client) -> None:
    client.post("/api/data/make", {"name": "My Leaves", "revision": 0})
    for name in ("oak", "ash"):
        assert client.post("/api/data/classes", {"name": name}).status_code == 200
    for number in range(3):
        assert client.put(f"/api/data/photos?class=oak&name={number}.png", png(number)).status_code == 200
    assert data(client)["fault"] == "Each class needs photos; ash has none. Drop some there, or remove it."
    assert client.post("/api/audit").status_code == 409, "a class without photos is told before any work"
    client.post("/api/data/classes/ash", {"to": "elm"})
    client.put("/api/data/photos?class=elm&name=same.png", png(7))
    client.put("/api/data/photos?class=elm&name=same.png", png(8))
    client.post("/api/data/uploaded")
    view = data(client)
    assert [(each["name"], each["num_photos"]) for each in view["classes"]] == [("elm", 2), ("oak", 3)]
    assert view["name"] == "my-leaves"
    client.post("/api/data/classes/elm", {"remove": True})
    assert "at least two classes" in data(client)["fault"]


@pytest.mark.parametrize("name", ["oak", "OAK", " oak "])
def test_two_classes_of_one_name_are_refused(client: Client, name: str) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})
    answer = client.post("/api/data/classes", {"name": name})
    assert answer.status_code == 409
    assert "a name of its own" in answer.json()["error"]


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "a\\b", "", "x" * 200, "line\nbreak"])
def test_a_class_cannot_be_called_anything(client: Client, name: str) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    assert client.post("/api/data/classes", {"name": name}).status_code == 400


def test_photos_go_into_data_that_were_made_here_only(client: Client, photos: Path) -> None:
    client.choose(photos)
    answer = client.put("/api/data/photos?class=red&name=new.png", png(1))
    assert answer.status_code == 409
    assert len(list((photos / "red").iterdir())) == 4


@pytest.mark.parametrize("name", ["../../up.png", "/abs.png", ".hidden.png", "a\\..\\b.png", "ü" * 300 + ".png"])
def test_a_photo_stays_in_its_class_whatever_it_is_called(client: Client, name: str) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})
    assert client.ask("PUT", "/api/data/photos", params={"class": "oak", "name": name}, content=png(1)).is_success
    folder = client.studio.settings.photos_dir / "leaves" / "oak"
    assert [path.suffix for path in folder.iterdir()] == [".png"]


def test_a_full_disk_is_told_and_nothing_half_is_left(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    answer = client.put("/api/data/photos?class=oak&name=1.png", png(1))
    assert answer.status_code == 507
    assert "room on the disk" in answer.json()["error"]
    assert not list((client.studio.settings.photos_dir / "leaves" / "oak").iterdir())


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_half(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})

    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    answer = client.put("/api/data/photos?class=oak&name=1.png", png(1))
    assert answer.status_code == 507
    assert "No space left" in answer.json()["error"]
    assert not list((client.studio.settings.photos_dir / "leaves" / "oak").iterdir())


def test_an_upload_larger_than_allowed_is_cut_off(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.studio.routes.data.MAX_PHOTO_BYTES", 100)
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})
    assert client.put("/api/data/photos?class=oak&name=1.png", png(1) + bytes(500)).status_code == 413


def test_photos_get_other_classes_as_a_version_and_stay_where_they_are(client: Client, photos: Path) -> None:
    client.choose(photos)
    contents = sorted(path.read_bytes() for path in photos.rglob("*.png"))
    answer = client.post(
        "/api/data/decide",
        {
            "revision": client.revision,
            "decisions": {"blue/000.png": "red", "green/001.png": None},
        },
    )
    assert answer.status_code == 200
    view = data(client)
    assert [(each["name"], each["num_photos"]) for each in view["classes"]] == [("blue", 3), ("green", 3), ("red", 5)]
    version = answer.json()["version"]
    assert version["what"] == "1 relabelled, 1 taken out"
    assert view["name"] == "colours", "the registered model keeps its name"
    changes = client.get("/api/data/changes", params={"before": str(photos), "now": version["uri"]}).json()
    assert (changes["num_relabelled"], changes["num_removed"], changes["num_added"]) == (1, 1, 0)
    assert changes["counts"]["red"] == [4, 5]
    assert sorted(path.read_bytes() for path in photos.rglob("*.png")) == contents


@pytest.mark.parametrize("decisions", [{}, {"nowhere.png": "red"}, {"blue/000.png": 3}, "all"])
def test_decisions_that_cannot_be_change_nothing(client: Client, photos: Path, decisions: Any) -> None:
    client.choose(photos)
    answer = client.post("/api/data/decide", {"revision": client.revision, "decisions": decisions})
    assert answer.status_code == 400
    assert client.revision == 1


def test_a_browser_that_is_closed_in_the_middle_leaves_nothing_behind(client: Client) -> None:
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
def test_five_thousand_photos_come_in_at_once(client: Client) -> None:
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
    view = data(client)
    assert (view["num_photos"], view["fault"]) == (5000, None)
    assert len(view["classes"][0]["samples"]) == 12, "the page shows some, not all"


def test_a_folder_outside_any_repository_has_no_versions_under_dvc(client: Client) -> None:
    assert client.get("/api/data/dvc").json() == []


def test_foreign_names_are_shown_and_chosen_without_an_internal_error(client: Client, tmp_path: Path) -> None:
    folder = make_photos(tmp_path / "set", per_class=4)
    for name in ("\x1b[31mred", "\u202egnp", "latin\udce9", "👩\u200d🚀", "<b>x"):
        shutil.copytree(folder / "red", folder / name)
        (folder / name / "000.png").rename(folder / name / f"{name}.png")
    (tmp_path / "caf\udce9").mkdir()
    assert client.choose(folder).status_code == 200
    for path in ("/api/data", f"/api/places?path={tmp_path}", "/api/data?class=latin%5Cxe9"):
        assert client.get(path).status_code == 200, path
    content = json.dumps({"uri": str(tmp_path / "caf\udce9"), "revision": client.revision}).encode()
    answer = client.ask("POST", "/api/data/choose", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 403, 404), answer.text


def test_what_a_killed_studio_was_receiving_is_removed_at_the_next_start(
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
