"""Choosing photos to label next: uncertain photos come first; known photos and duplicates are left out."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contract.artifacts.bundle import read_bundle
from components.contract.errors import ArtifactError, DataError
from components.deploy.bento.build import lay_out
from pipelines.cli.main import call
from pipelines.data.next_photos import choose_next
from tests.support.artifacts import COLORS, make_photos
from tests.unit.deploy.conftest import Artifacts, artifacts

__all__ = ["artifacts"]


@pytest.fixture
def run_dir(artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run, and a folder `new` of candidates; of these, only `known.png` is in the run's data set."""
    folder = tmp_path / "runs" / "first"
    bundle = read_bundle(artifacts.bundle_dir)
    lay_out(folder / "bento" / "bento" / "src", artifacts.bundle_dir, bundle, "colors")
    (folder / "summary.json").write_text("{}")
    make_photos(tmp_path / "new", per_class=4)
    between = np.mean([COLORS["red"], COLORS["blue"]], axis=0)
    for name in ("doubtful", "known"):
        pixels = np.full((40, 32, 3), between, np.uint8)
        Image.fromarray(pixels + np.uint8(name == "known")).save(tmp_path / "new" / f"{name}.png")
    (tmp_path / "new" / "broken.png").write_bytes(b"no photo")
    digest = hashlib.sha256((tmp_path / "new" / "known.png").read_bytes()).hexdigest()
    (folder / "dataset").mkdir()
    manifest = pa.table({"path": ["red/1.png"], "sha256": [digest], "split": ["train"]})
    pq.write_table(manifest, folder / "dataset" / "manifest.parquet")
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_uncertain_photo_comes_first_and_known_photos_are_left_out(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    call(["data", "next", "--from", "new", "--run", "first", "--count", "5", "--output", "next", "--json"])
    assert json.loads(capsys.readouterr().out) == {
        "folder": "next",
        "num_photos": 5,
        "num_candidates": 13,
        "num_disputed": 0,
    }
    assert "broken.png is skipped" in caplog.text
    tasks = json.loads((tmp_path / "next" / "tasks.json").read_text())
    sources = [task["data"]["source"] for task in tasks]
    assert sources[0] == "new/doubtful.png"
    assert len(set(sources)) == 5
    assert "new/known.png" not in sources
    assert {source.split("/")[1] for source in sources[1:]} == {"blue", "green", "red"}, "every class must be included"
    assert sorted(path.name for path in (tmp_path / "next" / "photos").iterdir())[0] == "000-doubtful.png"


def test_identical_photos_get_one_task_and_unreadable_files_get_none(
    run_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    long_names = {tmp_path / "new" / f"{letter * 83}.png": tmp_path / "new" / "red" / "000.png" for letter in "äあ"}
    for name, photo in long_names.items():
        name.write_bytes(photo.read_bytes())
    (tmp_path / "new" / "gone.png").symlink_to("absent.png")
    os.mkfifo(tmp_path / "new" / "pipe.png")
    call(["data", "next", "--from", "new", "--run", "first", "--output", "next", "--json"])
    assert json.loads(capsys.readouterr().out)["num_photos"] == 13
    contents = [photo.read_bytes() for photo in (tmp_path / "next" / "photos").iterdir()]
    assert len(contents) == len(set(contents)) == 13


def test_an_unusable_source_or_output_is_rejected(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "1.png").write_bytes((tmp_path / "new" / "known.png").read_bytes())
    (tmp_path / "empty").mkdir()
    for source, output, photos_dir, error, message in (
        ("only", "next", None, DataError, r"already contains everything in only \(1 photo\)"),
        ("empty", "next", None, DataError, "There are no photos to classify"),
        ("new", "next", Path("new"), DataError, "--photos and --since need a prediction log"),
        ("new", "new", None, ArtifactError, "already exists"),
    ):
        with pytest.raises(error, match=message):
            choose_next(Path(source), "first", 3, Path(output), photos_dir=photos_dir, since=None)
    assert not (tmp_path / "next").exists()
