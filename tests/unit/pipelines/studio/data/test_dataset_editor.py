"""Data sets that are created on the page, and photos that are moved to other classes."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.pipelines.studio.conftest import Client
from tests.unit.pipelines.studio.data.conftest import png, read_view


def test_classes_are_created_filled_renamed_and_removed(client: Client) -> None:
    client.post("/api/data/make", {"name": "My Leaves", "revision": 0})
    assert read_view(client)["fault"] == "Add at least two classes, and photos to each."
    for name in ("oak", "ash"):
        assert client.post("/api/data/classes", {"name": name}).status_code == 200
    for number in range(3):
        assert client.put(f"/api/data/photos?class=oak&name={number}.png", png(number)).status_code == 200
    assert read_view(client)["fault"] == "Each class needs photos; ash has none. Add some, or remove empty classes."
    assert client.post("/api/audit").status_code == 409, "classes without photos must be reported before a job starts"
    client.post("/api/data/classes/ash", {"to": "elm"})
    client.put("/api/data/photos?class=elm&name=same.png", png(7))
    client.put("/api/data/photos?class=elm&name=same.png", png(8))
    client.post("/api/data/uploaded")
    view = read_view(client)
    assert [(each["name"], each["num_photos"]) for each in view["classes"]] == [("elm", 2), ("oak", 3)]
    assert view["name"] == "my-leaves"
    client.post("/api/data/classes/elm", {"remove": True})
    assert "At least two classes" in read_view(client)["fault"]


@pytest.mark.parametrize("name", ["oak", "OAK", " oak "])
def test_a_duplicate_class_name_is_rejected(client: Client, name: str) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})
    answer = client.post("/api/data/classes", {"name": name})
    assert answer.status_code == 409
    assert "must be unique" in answer.json()["error"]


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "a\\b", "", "x" * 200, "line\nbreak"])
def test_invalid_class_names_are_rejected(client: Client, name: str) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    assert client.post("/api/data/classes", {"name": name}).status_code == 400


def test_photos_can_only_be_added_to_data_sets_created_in_the_studio(client: Client, photos: Path) -> None:
    client.choose(photos)
    answer = client.put("/api/data/photos?class=red&name=new.png", png(1))
    assert answer.status_code == 409
    assert len(list((photos / "red").iterdir())) == 4


@pytest.mark.parametrize("name", ["../../up.png", "/abs.png", ".hidden.png", "a\\..\\b.png", "ü" * 300 + ".png"])
def test_no_file_name_can_place_a_photo_outside_its_class_folder(client: Client, name: str) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    client.post("/api/data/classes", {"name": "oak"})
    assert client.ask("PUT", "/api/data/photos", params={"class": "oak", "name": name}, content=png(1)).is_success
    folder = client.studio.settings.photos_dir / "leaves" / "oak"
    assert [path.suffix for path in folder.iterdir()] == [".png"]


def test_relabeling_photos_creates_a_version_and_moves_no_files(client: Client, photos: Path) -> None:
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
    view = read_view(client)
    assert [(each["name"], each["num_photos"]) for each in view["classes"]] == [("blue", 3), ("green", 3), ("red", 5)]
    version = answer.json()["version"]
    assert version["what"] == "1 relabeled, 1 removed"
    assert view["name"] == "colors", "the name, which the registered model shares, must not change"
    changes = client.get("/api/data/changes", params={"before": str(photos), "now": version["uri"]}).json()
    assert (changes["num_relabeled"], changes["num_removed"], changes["num_added"]) == (1, 1, 0)
    assert changes["counts"]["red"] == [4, 5]
    assert sorted(path.read_bytes() for path in photos.rglob("*.png")) == contents


@pytest.mark.parametrize("decisions", [{}, {"nowhere.png": "red"}, {"blue/000.png": 3}, "all"])
def test_invalid_decisions_change_nothing(client: Client, photos: Path, decisions: Any) -> None:
    client.choose(photos)
    answer = client.post("/api/data/decide", {"revision": client.revision, "decisions": decisions})
    assert answer.status_code == 400
    assert client.revision == 1
