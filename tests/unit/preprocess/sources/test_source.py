"""Probing the data, and finding the photos in it."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contract.errors import ArchiveError, DataError
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.probe import probe
from components.preprocess.sources.source import find_photos, name_of, open_data
from tests.support.artifacts import make_photos


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("/photos/clothing", "clothing"),
        ("/photos/My Clothes.tar.gz", "my-clothes"),
        ("/photos/Émile's  Ärger!.ZIP", "emile-s-arger"),
        ("/photos/a.b/", "a-b"),
        ("/photos/labels.csv", "labels"),
        ("https://github.com/someone/clothing-dataset-small/archive/refs/heads/master.zip", "clothing-dataset-small"),
        ("https://example.org/files/Pets.zip?download=1", "pets"),
        ("s3://bucket/photos/pets/", "pets"),
        ("dvc+https://example.org/repo.git@v1:data/pets", "pets"),
        ("/photos/照片", "photos"),
        ("/photos/__x--", "x"),
        ("/photos/" + "long" * 40, "long" * 15 + "lon"),
        ("/", "photos"),
    ],
)
def test_the_name_derived_from_the_data_is_a_valid_model_name(data: str, name: str) -> None:
    assert name_of(data) == name


def test_data_at_a_relative_path_is_named_after_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pets").mkdir()
    monkeypatch.chdir(tmp_path / "Pets")
    assert name_of(".") == "pets"


def test_the_probe_returns_the_median_of_the_native_sizes(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=4, size=(30, 50))
    for number in range(3):
        Image.new("RGB", (900, 700)).save(data / "red" / f"large-{number}.png")
    (data / "red" / "broken.jpg").write_bytes(b"no picture")
    assert probe(str(data)).native_size == (30, 50)
    assert probe(str(data)).name == "photos"


def test_the_probe_describes_the_data(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos" / "train", per_class=4).parent
    make_photos(data / "unlabeled", per_class=2)
    assert probe(str(data)).description == (
        "Found 12 photos in 3 classes: blue 4, green 4, red 4.",
        "The data is split: train 12.",
        "Folders left out because they are next to the split folders: unlabeled (6 photos).",
    )


def test_the_probe_applies_the_orientation_of_a_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (60, 40)).save(tmp_path / name / "photo.jpg", exif=exif)
    assert probe(str(tmp_path)).native_size == (60, 40)


def test_the_probe_reads_archives(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=2, size=(30, 50))
    with zipfile.ZipFile(tmp_path / "Some Photos.zip", "w") as file:
        file.writestr("__MACOSX/photos/red/._000.png", b"no picture")
        for path in sorted(data.rglob("*.png")):
            file.write(path, path.relative_to(tmp_path))
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as file:
        file.add(data, "photos")
    assert probe(str(tmp_path / "Some Photos.zip")).native_size == (30, 50)
    assert probe(str(tmp_path / "Some Photos.zip")).name == "some-photos"
    assert probe(str(tmp_path / "photos.tar.gz")).native_size == (30, 50)


def test_the_probe_reads_only_some_of_many_photos(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        content = io.BytesIO()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(content, "PNG")
        for number in range(201):
            file.writestr(f"a/{number:03d}.png", content.getvalue())
    damaged = bytearray((tmp_path / "photos.zip").read_bytes())
    last = damaged.index(b"a/200.png")
    damaged[last + 20] ^= 1  # damages the 201st photo, which must not be read
    (tmp_path / "photos.zip").write_bytes(damaged)
    assert probe(str(tmp_path / "photos.zip")).native_size == (8, 8)


def test_an_archive_is_unpacked_to_a_temporary_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        file.writestr("photos/cats/a.jpg", b"1")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with open_data(str(tmp_path / "photos.zip"), scratch) as data_folder:
        assert data_folder.unwrap
        assert (data_folder.path / "photos" / "cats" / "a.jpg").read_bytes() == b"1"
    assert list(scratch.iterdir()) == []


def test_a_folder_is_used_directly(tmp_path: Path) -> None:
    with open_data(str(tmp_path), tmp_path) as data_folder:
        assert data_folder == DataFolder(tmp_path)
    assert tmp_path.is_dir()


def test_files_outside_class_folders_are_reported(tmp_path: Path) -> None:
    for name in (
        "train/cats/a.jpg",
        "train/dogs/b.jpg",
        "test/cats/c.jpg",
        "test/dogs/d.jpg",
        "README.md",
        "train/notes.txt",
        "spare/e.jpg",
        "test/.DS_Store",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    photo_set = find_photos(DataFolder(tmp_path))
    assert {(file.record.class_name, file.record.split) for file in photo_set.files} == {
        ("cats", "train"),
        ("dogs", "train"),
        ("cats", "test"),
        ("dogs", "test"),
    }
    assert {record.path: record.reason for record in photo_set.rejected} == {
        "README.md": "outside_class_folder",
        "train/notes.txt": "outside_class_folder",
        "spare/e.jpg": "outside_class_folder",
        "test/.DS_Store": "hidden",
    }
    assert photo_set.given_splits == {"train", "test"}


def write_files(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1")
    return folder


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "must be folders of photos, one per class; .* is empty"),
        (["a.jpg", "b.jpg"], "has no class folders: 2 photos without a folder, such as a.jpg"),
        (["cats/a.jpg"], "at least two classes; .* only one class folder, 'cats'"),
        (["train/cats/a.jpg", "test/cats/b.jpg"], "at least two classes"),
        (["train/a/1", "val/a/1", "validation/a/1"], "validation split has val and validation"),
    ],
)
def test_folders_that_are_not_a_data_set_are_rejected(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        probe(str(write_files(tmp_path / "data", *names)))


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing", "there is nothing at"), ("notes.md", "an unsupported file"), ("x" * 300, "cannot be read")],
)
def test_a_path_that_is_neither_a_folder_nor_an_archive_is_rejected(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("not photos")
    with pytest.raises(DataError, match=message):
        probe(str(tmp_path / name))


def test_an_archive_without_readable_photos_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        file.writestr("cats/a.jpg", b"no picture")
    with pytest.raises(DataError, match="none of the files checked"):
        probe(str(tmp_path / "photos.zip"))
    (tmp_path / "photos.zip").write_bytes(b"no archive")
    with pytest.raises(ArchiveError, match="cannot be read as a zip or tar"):
        probe(str(tmp_path / "photos.zip"))
