"""The list of photos with their findings and splits, and snapshots of the data."""

import csv
from pathlib import Path
from typing import Any

import pytest

from components.contract.params.resolve import Resolution
from pipelines.data.audit import audit_data
from pipelines.studio.data.photo_list import LEFT_OUT
from pipelines.studio.draft.store import Draft
from tests.support.artifacts import make_photos
from tests.unit.pipelines.studio.conftest import Client
from tests.unit.pipelines.studio.data.conftest import png


@pytest.fixture
def audited(client: Client, tmp_path: Path) -> Client:
    """A studio whose photos have been audited; one of them is also in the folder of another class."""
    photos = make_photos(tmp_path / "colors", per_class=30)
    (photos / "blue" / "copy.png").write_bytes(sorted((photos / "red").iterdir())[0].read_bytes())
    client.choose(photos)
    audit(client)
    return client


def audit(client: Client) -> None:
    draft: Draft = client.studio.draft.read()
    resolution = client.studio.draft.resolve(draft)
    assert isinstance(resolution, Resolution)
    audit_data(resolution.params, client.studio.audits.report_dir(client.studio.audits.key(draft)))


def paths(client: Client, query: str) -> list[str]:
    return [photo["path"] for photo in client.get(f"/api/data/photos?{query}").json()["photos"]]


def test_before_an_audit_photos_can_be_filtered_by_class_and_text(client: Client, photos: Path) -> None:
    client.choose(photos)
    page = client.get("/api/data/photos").json()
    assert page["total"] == 12
    assert not page["has_splits"]
    assert page["photos"] == sorted(page["photos"], key=lambda row: row["path"])
    assert len(paths(client, "class=red")) == 4
    assert paths(client, "class=red&text=RED") == paths(client, "class=red")
    assert paths(client, "class=red&text=blue") == []
    assert paths(client, "offset=11") == [page["photos"][11]["path"]]
    assert paths(client, "offset=nonsense") == paths(client, "")


def test_photos_are_filtered_by_finding_and_split(audited: Client) -> None:
    page = audited.get("/api/data/photos").json()
    assert page["has_splits"]
    assert len(page["finding_kinds"]) >= 1
    kind = next(kind for photo in page["photos"] if photo["path"].endswith("copy.png") for kind in photo["findings"])
    found = paths(audited, f"finding={kind}")
    assert any(path.endswith("copy.png") for path in found)
    assert len(found) < page["total"]
    totals = [len(paths(audited, f"split={split}")) for split in ("train", "validation", "test", LEFT_OUT)]
    assert sum(totals) == page["total"]
    assert min(totals[:3]) > 0


def test_only_changed_fractions_move_photos_and_the_moves_are_reported(audited: Client) -> None:
    same = audited.get("/api/data/splits?validation=0.15&test=0.15").json()
    assert (same["num_moved"], same["fault"]) == (0, None)
    shown = audited.get("/api/data/photos").json()["photos"]
    assert {split: sum(counts.values()) for split, counts in same["counts"].items()} == {
        split: sum(photo["split"] == split for photo in shown) for split in ("train", "validation", "test")
    }
    other = audited.get("/api/data/splits?validation=0.3&test=0.15").json()
    assert other["num_moved"] == sum(other["counts"]["validation"].values()) - sum(
        same["counts"]["validation"].values()
    )
    assert {(old, new) for _, old, new in other["moves"]} == {("train", "validation")}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("validation=much", "A fraction must be a number"),
        ("validation=nan", "validation_fraction"),
        ("validation=0.9", "validation_fraction"),
        ("test=-1", "test_fraction"),
    ],
)
def test_invalid_fractions_are_rejected(audited: Client, query: str, message: str) -> None:
    answer = audited.get(f"/api/data/splits?{query}")
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_a_preview_of_the_splits_requires_an_audit(client: Client, photos: Path) -> None:
    assert client.get("/api/data/splits").status_code == 409
    client.choose(photos)
    assert "Audit them first" in client.get("/api/data/splits").json()["error"]


def test_a_snapshot_keeps_photos_that_are_later_removed_in_the_studio(client: Client) -> None:
    client.post("/api/data/make", {"name": "leaves", "revision": 0})
    for name in ("oak", "ash"):
        client.post("/api/data/classes", {"name": name})
        client.put(f"/api/data/photos?class={name}&name=1.png", png(len(name) if name == "oak" else 9))
    client.post("/api/data/uploaded")
    version = client.post("/api/data/snapshot", {"revision": client.revision}).json()["version"]
    assert (version["what"], version["num_photos"]) == ("snapshot", 2)
    client.post("/api/data/choose", {"uri": version["origin"], "revision": client.revision})
    client.post("/api/data/classes/ash", {"remove": True})
    with Path(version["uri"]).open(newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    assert sorted(row["label"] for row in rows) == ["ash", "oak"]
    assert all(Path(row["path"]).is_file() for row in rows)


def test_a_snapshot_of_photos_outside_the_studio_copies_nothing(client: Client, photos: Path) -> None:
    client.choose(photos)
    version = client.post("/api/data/snapshot", {"revision": client.revision}).json()["version"]
    assert not (Path(version["uri"]).parent / "photos").exists()
    assert client.studio.draft.read().data == version["uri"]


@pytest.mark.parametrize("label", ["", "..", "a/b", "line\nbreak", " red "])
def test_a_photo_cannot_be_moved_to_a_class_with_an_invalid_name(client: Client, photos: Path, label: str) -> None:
    client.choose(photos)
    body = {"revision": client.revision, "decisions": {paths(client, "")[0]: label}}
    assert client.post("/api/data/decide", body).status_code == 400


def test_a_photo_can_be_moved_to_a_new_class(client: Client, photos: Path) -> None:
    client.choose(photos)
    body = {"revision": client.revision, "decisions": {paths(client, "")[0]: "violet"}}
    assert client.post("/api/data/decide", body).json()["version"]["what"] == "1 relabeled"
    assert len(paths(client, "class=violet")) == 1
