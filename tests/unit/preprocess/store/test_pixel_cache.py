"""With the cache, no photo is read or decoded twice, and results are the same as without it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contract.artifacts.dataset import open_split
from components.contract.params.pipeline import PreprocessParams
from components.contract.system.cache import cache_dir
from components.preprocess import reading as reading_photos
from components.preprocess.scan import NOTED_FILES
from components.preprocess.step import preprocess
from tests.support.artifacts import make_photos
from tests.unit.preprocess.dataset_files import add_photo, tree

PARAMS = PreprocessParams(image_size=(16, 12), golden_photos=7)
SETTLED = 0.06
"""Seconds after which a file no longer counts as just changed; until then, each run reads it again."""


@pytest.fixture
def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files in the order in which they were read."""
    names: list[str] = []
    real = reading_photos._read

    def note(file):
        names.append(file.location.name)
        return real(file)

    monkeypatch.setattr(reading_photos, "_read", note)
    return names


@pytest.fixture
def data(tmp_path: Path) -> Path:
    photos = make_photos(tmp_path / "photos", per_class=30)
    (photos / "red" / "broken.png").write_bytes(b"no picture")
    time.sleep(SETTLED)
    return photos


def test_unchanged_files_are_not_read_again(tmp_path: Path, data: Path, read_files: list[str]) -> None:
    preprocess(str(data), PARAMS, tmp_path / "one")
    assert len(read_files) == 91
    preprocess(str(data), PARAMS, tmp_path / "two")
    assert len(read_files) == 91
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@pytest.mark.parametrize("change", ["content", "same size and mtime", "replaced"])
def test_a_changed_file_is_read_again(change: str, tmp_path: Path, data: Path, read_files: list[str]) -> None:
    preprocess(str(data), PARAMS, tmp_path / "one")
    path = data / "red" / "007.png"
    times = path.stat()
    if change == "replaced":
        add_photo(tmp_path / "other.png", seed=5)
        os.utime(tmp_path / "other.png", ns=(times.st_atime_ns, times.st_mtime_ns))
        (tmp_path / "other.png").replace(path)
    else:
        Image.fromarray(np.full((40, 32, 3), 9, np.uint8)).save(path)
        if change == "same size and mtime":
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    read_files.clear()
    preprocess(str(data), PARAMS, tmp_path / "two")
    assert read_files == ["007.png"]


def test_an_added_photo_is_the_only_one_read_and_only_its_shard_is_rewritten(
    tmp_path: Path, data: Path, read_files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.contract.artifacts.dataset.SHARD_BYTES", 16 * 12 * 3 * 6)
    monkeypatch.setattr("components.preprocess.split.MAX_EXACT_PHOTOS", -1000)  # inexact splits, as in large classes
    preprocess(str(data), PARAMS, tmp_path / "one")
    add_photo(data / "red" / "added.png")
    read_files.clear()
    preprocess(str(data), PARAMS, tmp_path / "two")
    assert read_files == ["added.png"]
    inodes = [{path.stat().st_ino for path in (tmp_path / name).glob("*.arrow")} for name in ("one", "two")]
    assert len(inodes[1] - inodes[0]) == 1


def test_moved_photos_are_recognized_by_their_content(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocess(str(data), PARAMS, tmp_path / "one")
    data.rename(tmp_path / "elsewhere")
    monkeypatch.setattr(reading_photos, "decode", lambda *_: pytest.fail("cached photos must not be decoded again"))
    preprocess(str(tmp_path / "elsewhere"), PARAMS, tmp_path / "two")
    assert [path.read_bytes() for path in sorted((tmp_path / "one").glob("*.arrow"))] == [
        path.read_bytes() for path in sorted((tmp_path / "two").glob("*.arrow"))
    ]


def test_each_image_size_has_its_own_cache_entries(tmp_path: Path, data: Path) -> None:
    preprocess(str(data), PARAMS, tmp_path / "one")
    preprocess(str(data), PreprocessParams(image_size=20), tmp_path / "two")
    preprocess(str(data), PARAMS, tmp_path / "three")
    assert open_split(tmp_path / "two", "train").image_shape == (20, 20, 3)
    assert tree(tmp_path / "one") == tree(tmp_path / "three")


@pytest.mark.parametrize("damage", ["shards", "packs", "index", "all"])
def test_lost_or_damaged_entries_are_created_again(damage: str, tmp_path: Path, data: Path) -> None:
    add_photo(data / "red" / "copy.png", seed=3)
    add_photo(data / "blue" / "copy.png", seed=3)
    preprocess(str(data), PARAMS, tmp_path / "one")
    for path in (cache_dir() / "pixels").rglob("*"):
        if path.is_file() and (damage in (path.parent.name, "all") or (damage == "index" and "index" in path.name)):
            path.unlink()
            if damage == "index":
                path.write_bytes(b"this is not a database, but it is long enough to be read as one" * 99)
    preprocess(str(data), PARAMS, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_an_unwritable_cache_is_not_used(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "file"))
    assert preprocess(str(data), PARAMS, tmp_path / "one").num_kept == 90
    assert any("cannot be used, so this run continues without it" in text for text in caplog.messages)


def test_the_oldest_entries_are_removed_if_the_cache_exceeds_its_limit(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocess(str(data), PARAMS, tmp_path / "one")
    first = {path.name for path in (cache_dir() / "pixels" / "shards").iterdir()}
    monkeypatch.setenv("DARKROOM_CACHE_GB", "0.0000001")
    preprocess(str(data), PreprocessParams(image_size=20), tmp_path / "two")
    remaining = {path.name for path in (cache_dir() / "pixels" / "shards").iterdir()}
    assert len(remaining) == 3
    assert not remaining & first
    assert len(open_split(tmp_path / "one", "train")) > 0, "data sets must keep the shards that they link to"


def test_data_sets_and_the_cache_share_their_shard_files(tmp_path: Path, data: Path) -> None:
    preprocess(str(data), PARAMS, tmp_path / "one")
    assert all(path.stat().st_nlink == 2 for path in (tmp_path / "one").glob("*.arrow"))
    assert all(not path.stat().st_mode & 0o222 for path in (tmp_path / "one").glob("*.arrow"))


def test_after_a_kill_only_photos_without_cache_entries_are_read(tmp_path: Path, read_files: list[str]) -> None:
    data = make_photos(tmp_path / "photos", per_class=150)
    time.sleep(SETTLED)
    program = (
        "import itertools, os, sys\nfrom pathlib import Path\n"
        "from components.contract.params.pipeline import PreprocessParams\n"
        "from components.preprocess.step import preprocess\n"
        "from components.preprocess.store.pixel_cache import PixelStore\n"
        "remember, calls = PixelStore.remember, itertools.count(1)\n"
        "PixelStore.remember = lambda *given: remember(*given) if next(calls) == 1 else os.kill(os.getpid(), 9)\n"
        "preprocess(sys.argv[1], PreprocessParams(image_size=(16, 12), golden_photos=7), Path(sys.argv[2]))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(data), str(tmp_path / "killed")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    preprocess(str(data), PARAMS, tmp_path / "killed")
    assert len(read_files) == 450 - NOTED_FILES
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "killed"}
    preprocess(str(data), PARAMS, tmp_path / "again")
    assert tree(tmp_path / "killed") == tree(tmp_path / "again")
