"""Reading photos in several tasks: any number of tasks produces the same data set; only lost parts are read again."""

import contextlib
import json
import os
import shutil
import sqlite3
import tarfile
import time
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

from components.contract.errors import ArtifactError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.parts import adoption, listing_file, portions
from components.preprocess.parts.listing_file import FILE_NAME
from components.preprocess.parts.work import list_photos, read_photos
from components.preprocess.sources import data_folder
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.step import preprocess
from components.preprocess.store import pixel_cache
from tests.support.artifacts import make_photos
from tests.unit.preprocess.dataset_files import add_photo, read_manifest, tree

PARAMS = PreprocessParams(image_size=(16, 12), golden_photos=7)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "PORTION_FILES", 8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos, a copy, a copy with a different label, a truncated photo, an empty file and a text file."""
    data = make_photos(tmp_path / "photos", per_class=12)
    first, second = sorted((data / "red").iterdir())[:2]
    shutil.copy(first, data / "red" / "copy.png")
    shutil.copy(second, data / "blue" / "contradiction.png")
    (data / "red" / "broken.png").write_bytes(first.read_bytes()[:100])
    (data / "red" / "empty.jpg").touch()
    (data / "notes.txt").write_text("about")
    settle(data)
    return data


def settle(data: Path) -> None:
    """Waits until no file counts as just changed, because the cache does not recognize such files."""
    for path in data.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    time.sleep(0.06)


def use_cache(folder: Path, monkeypatch: pytest.MonkeyPatch, store: Path | None = None) -> None:
    monkeypatch.setenv("DARKROOM_CACHE", str(folder))
    if store is not None:
        monkeypatch.setenv("DARKROOM_STORE", str(store))


def prepare_in_parts(data: Path, work: Path, num_parts: int, params: PreprocessParams = PARAMS) -> dict[str, bytes]:
    list_photos(str(data), params, work / "listing")
    for part in range(num_parts):
        read_photos(str(data), params, work / "listing", part, num_parts)
    preprocess(str(data), params, work / "dataset", listing_dir=work / "listing")
    return tree(work / "dataset")


@pytest.mark.parametrize("is_shared", [False, True])
@pytest.mark.parametrize("num_parts", [1, 3, 8, 50])
def test_the_data_set_is_the_same_for_every_number_of_parts(
    num_parts: int, is_shared: bool, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cache(tmp_path / "alone", monkeypatch)
    preprocess(str(photos), PARAMS, tmp_path / "whole")
    use_cache(tmp_path / "shared", monkeypatch, tmp_path / "store" if is_shared else None)
    assert prepare_in_parts(photos, tmp_path / "parts", num_parts) == tree(tmp_path / "whole")


def test_the_merge_does_not_reread_photos_that_the_parts_have_read(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use_cache(tmp_path / "cache", monkeypatch)
    with caplog.at_level("INFO", logger="components"):
        prepare_in_parts(photos, tmp_path / "work", 3)
    assert "Files read: none; all are in the cache: " in caplog.text
    assert not [path for path in (tmp_path / "cache" / "shared").rglob("*") if path.is_file()], (
        "the store must be empty"
    )


@pytest.mark.parametrize("num_parts_then", [3, 5])
def test_only_a_lost_part_is_read_again(
    num_parts_then: int, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each task has its own cache, as on a separate machine; existing parts are used for any number of tasks."""
    monkeypatch.setenv("DARKROOM_STORE", str(tmp_path / "store"))
    list_photos(str(photos), PARAMS, tmp_path / "listing")
    for part in (0, 2):
        use_cache(tmp_path / f"pod-{part}", monkeypatch)
        read_photos(str(photos), PARAMS, tmp_path / "listing", part, 3)
    num_before = len(list((tmp_path / "store").rglob("index.sqlite")))
    states = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*")}
    for part in range(num_parts_then):
        use_cache(tmp_path / f"again-{part}", monkeypatch)
        read_photos(str(photos), PARAMS, tmp_path / "listing", part, num_parts_then)
    indexes = list((tmp_path / "store").rglob("index.sqlite"))
    assert 0 < num_before < len(indexes)
    files = [path for path in states if path.is_file()]
    assert all(path.stat().st_mtime_ns == states[path] for path in files), "existing files must not be written again"
    with caplog.at_level("INFO", logger="components"):
        preprocess(str(photos), PARAMS, tmp_path / "dataset", listing_dir=tmp_path / "listing")
    assert "Files read: none; all are in the cache: " in caplog.text


def test_the_merge_warns_about_portions_missing_from_the_store_and_reads_them(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    use_cache(tmp_path / "alone", monkeypatch)
    preprocess(str(photos), PARAMS, tmp_path / "whole")
    use_cache(tmp_path / "cache", monkeypatch)
    list_photos(str(photos), PARAMS, tmp_path / "listing")
    read_photos(str(photos), PARAMS, tmp_path / "listing", 1, 3)
    preprocess(str(photos), PARAMS, tmp_path / "dataset", listing_dir=tmp_path / "listing")
    assert "Portion 1 is not in the shared store" in caplog.text
    assert "Portion 2 is not in the shared store" not in caplog.text
    assert tree(tmp_path / "dataset") == tree(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["truncated pack", "missing pack", "damaged index"])
def test_portions_that_are_lost_or_damaged_in_the_store_are_read_again(
    damage: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cache(tmp_path / "alone", monkeypatch)
    preprocess(str(photos), PARAMS, tmp_path / "whole")
    use_cache(tmp_path / "part", monkeypatch, tmp_path / "store")
    list_photos(str(photos), PARAMS, tmp_path / "listing")
    read_photos(str(photos), PARAMS, tmp_path / "listing", 0, 1)
    index = max((tmp_path / "store").rglob("index.sqlite"), key=lambda path: len(list(path.parent.iterdir())))
    (pack,) = index.parent.glob("*.pack")
    if damage == "damaged index":
        index.write_bytes(b"no database" + index.read_bytes()[11:])
    elif damage == "missing pack":
        pack.unlink()
    else:
        os.truncate(pack, pack.stat().st_size - 1)
    use_cache(tmp_path / "merge", monkeypatch)
    preprocess(str(photos), PARAMS, tmp_path / "dataset", listing_dir=tmp_path / "listing")
    assert tree(tmp_path / "dataset") == tree(tmp_path / "whole")


def test_the_list_is_used_even_if_the_data_has_changed(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is added later is ignored until the next run; a deleted one is rejected; a changed one is reread."""
    use_cache(tmp_path / "cache", monkeypatch)
    list_photos(str(photos), PARAMS, tmp_path / "listing")
    late, gone, changed = (photos / "red" / "late.png", *sorted((photos / "green").iterdir())[:2])
    add_photo(late, seed=5)
    gone.unlink()
    read_photos(str(photos), PARAMS, tmp_path / "listing", 0, 2)
    read_photos(str(photos), PARAMS, tmp_path / "listing", 1, 2)
    add_photo(changed, "green", seed=6)
    preprocess(str(photos), PARAMS, tmp_path / "dataset", listing_dir=tmp_path / "listing")
    rows = {row["path"]: row for row in read_manifest(tmp_path / "dataset")}
    assert f"red/{late.name}" not in rows
    assert rows[f"green/{gone.name}"]["reason"] == "unreadable"
    use_cache(tmp_path / "alone", monkeypatch)
    preprocess(str(photos), PARAMS, tmp_path / "whole")
    expected = {row["path"]: row["sha256"] for row in read_manifest(tmp_path / "whole")}
    assert rows[f"green/{changed.name}"]["sha256"] == expected[f"green/{changed.name}"]


def test_a_part_only_reads_its_own_files(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task neither lists the folder nor reads the rows of other parts: both would take longer with more files."""
    use_cache(tmp_path / "cache", monkeypatch)
    list_photos(str(photos), PARAMS, tmp_path / "listing")
    places: list[Path] = []

    def make_file(location: Path, *values: object) -> PhotoFile:
        places.append(location)
        return PhotoFile(location, *values)

    def refuse(*_: object) -> None:
        raise AssertionError("a reader must not list the folder again")

    monkeypatch.setattr(listing_file, "PhotoFile", make_file)
    monkeypatch.setattr(data_folder, "list_folder", refuse)
    counts = []
    for part in range(3):
        read_photos(str(photos), PARAMS, tmp_path / "listing", part, 3)
        counts.append(len(places))
    assert 0 < counts[0] < counts[1] < counts[2]
    files = [path for path in photos.rglob("*") if path.is_file() and path.parent != photos]
    assert sorted(places) == sorted(files), "each file must be in exactly one part"


@pytest.mark.parametrize("fault", ["killed", "unwritable"])
def test_adopted_portions_are_in_the_cache_or_still_in_the_store(
    fault: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The merge is killed, or the cache index becomes unwritable, while the merge adopts portions."""
    use_cache(tmp_path / "alone", monkeypatch)
    preprocess(str(photos), PARAMS, tmp_path / "whole")
    use_cache(tmp_path / "cache", monkeypatch)
    list_photos(str(photos), PARAMS, tmp_path / "listing")
    read_photos(str(photos), PARAMS, tmp_path / "listing", 0, 1)
    in_store = tree(tmp_path / "cache" / "shared")
    merge = partial(preprocess, str(photos), PARAMS, listing_dir=tmp_path / "listing")
    with monkeypatch.context() as patch:
        if fault == "killed":
            patch.setattr(adoption, "_unchanged_files", Mock(side_effect=[[], [], KeyboardInterrupt]))
            with pytest.raises(KeyboardInterrupt):
                merge(tmp_path / "dataset")
        else:
            patch.setattr(pixel_cache, "REMEMBER_FILE", "insert into nothing values (?, ?, ?)")
            merge(tmp_path / "dataset")
            assert tree(tmp_path / "dataset") == tree(tmp_path / "whole")
    with contextlib.closing(sqlite3.connect(tmp_path / "cache" / "pixels" / "index.sqlite")) as index:
        assert index.execute("select count(*) from files").fetchone() == (0,), "no portion may be adopted partially"
    assert tree(tmp_path / "cache" / "shared") == in_store
    with caplog.at_level("INFO", logger="components"):
        merge(tmp_path / "again")
    assert "Files read: none; all are in the cache: " in caplog.text
    assert tree(tmp_path / "again") == tree(tmp_path / "whole")


def test_an_archive_is_unpacked_by_each_task(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as file:
        file.add(photos, "photos")
    use_cache(tmp_path / "alone", monkeypatch)
    preprocess(str(tmp_path / "photos.tar.gz"), PARAMS, tmp_path / "whole")
    use_cache(tmp_path / "cache", monkeypatch)
    files = prepare_in_parts(tmp_path / "photos.tar.gz", tmp_path / "work", 3)
    assert files == tree(tmp_path / "whole")
    assert json.loads(files["dataset.json"])["rejected"]


def test_a_damaged_list_is_refused(photos: Path, tmp_path: Path) -> None:
    list_photos(str(photos), PARAMS, tmp_path / "listing")
    (tmp_path / "listing" / FILE_NAME).write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match=r"The list of the photos, .*, cannot be read"):
        read_photos(str(photos), PARAMS, tmp_path / "listing", 0, 1)
