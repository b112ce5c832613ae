"""Choosing data on the page: browsing the folders of this machine within the roots, and showing their photos."""

import io
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.support.artifacts import make_photos
from tests.unit.pipelines.studio.conftest import Client
from tests.unit.pipelines.studio.data.conftest import png, read_view


def test_a_folder_of_this_machine_can_be_chosen(client: Client, photos: Path) -> None:
    assert client.choose(photos).status_code == 200
    view = read_view(client)
    assert [(each["name"], each["num_photos"]) for each in view["classes"]] == [("blue", 4), ("green", 4), ("red", 4)]
    assert not view["editable"]
    picture = client.get("/api/data/photo", params={"path": view["classes"][0]["samples"][0]})
    assert picture.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (32, 40)


@pytest.mark.parametrize("path", ["/etc", "..", "../..", "/proc/self/root/etc", "~root", "colors/../..", "a\0b"])
def test_folders_outside_the_roots_are_neither_shown_nor_accepted(client: Client, photos: Path, path: str) -> None:
    assert client.get("/api/places", params={"path": path}).status_code in (400, 403)
    assert client.post("/api/data/choose", {"uri": path, "revision": 0}).status_code in (400, 403)
    assert client.revision == 0


def test_a_link_out_of_the_roots_is_not_followed(client: Client, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc")
    assert client.get("/api/places", params={"path": str(tmp_path / "out")}).status_code == 403


def test_only_text_files_that_list_photos_are_shown_as_tables(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "notes.txt").write_text("milk, eggs")
    (folder / "photos.txt").write_text("blue/1.png blue\n")
    (folder / "photos.csv").write_text("path,label\n")
    entries = client.get("/api/places", params={"path": str(folder)}).json()["entries"]
    assert [(entry["name"], entry["kind"]) for entry in entries] == [("photos.csv", "table"), ("photos.txt", "table")]


def test_a_photo_is_shown_only_if_its_path_is_in_the_data(client: Client, photos: Path, tmp_path: Path) -> None:
    client.choose(photos)
    (tmp_path / "secret.png").write_bytes(png(1))
    for path in ("../secret.png", str(tmp_path / "secret.png"), "blue/../../secret.png"):
        assert client.get("/api/data/photo", params={"path": path}).status_code == 404


def test_augmentation_is_previewed_if_the_draft_has_photos_and_is_valid(client: Client, photos: Path) -> None:
    address = "/api/data/augmentation?augmentation=strong"
    assert client.get(address).status_code == 204
    client.choose(photos)
    picture = client.get(address)
    assert picture.headers["content-type"] == "image/jpeg"
    Image.open(io.BytesIO(picture.content)).verify()
    client.post("/api/draft", {"revision": client.revision, "set": {"train.epochs": "many"}, "unset": []})
    assert client.get(address).status_code == 204


def test_a_folder_outside_any_repository_has_no_versions_under_dvc(client: Client) -> None:
    assert client.get("/api/data/dvc").json() == []


def test_unusual_file_names_cause_no_internal_error(client: Client, tmp_path: Path) -> None:
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
