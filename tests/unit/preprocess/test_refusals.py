"""Unusable data and unwritable outputs are refused; previous outputs are kept."""

import shutil
import zipfile
from pathlib import Path

import pytest

from components.contract.errors import ArchiveError, ArtifactError, DataError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.step import preprocess
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.unit.preprocess.dataset_files import tree

PARAMS = PreprocessParams(image_size=(16, 12), golden_photos=7)


def no_usable_photo(data: Path) -> None:
    for path in (data / "red").iterdir():
        path.write_bytes(b"no picture")


def one_photo(data: Path) -> None:
    for path in sorted((data / "red").iterdir())[1:]:
        path.unlink()


def no_photo(data: Path) -> None:
    shutil.rmtree(data / "red")
    (data / "red").mkdir()


def one_class(data: Path) -> None:
    for name in ("red", "green"):
        shutil.rmtree(data / name)


def no_class(data: Path) -> None:
    for name in CLASS_NAMES:
        shutil.rmtree(data / name)


def missing(data: Path) -> None:
    shutil.rmtree(data)


def split_without_a_class(data: Path) -> None:
    make_photos(data / "train", per_class=3, seed=1)
    make_photos(data / "test", per_class=3, seed=2)
    for name in CLASS_NAMES:
        shutil.rmtree(data / name)
    shutil.rmtree(data / "test" / "red")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            no_usable_photo,
            r"'red' must have at least 3 usable photos.*it has 0\. Rejected files: 6 × not_an_image: red/000",
        ),
        (one_photo, "'red' must have at least 3 usable photos.*it has 1"),
        (no_photo, "'red' must have at least 3 usable photos.*it has 0"),
        (one_class, "at least two classes; .* only one class folder, 'blue'"),
        (no_class, "is empty"),
        (missing, "there is nothing at"),
        (split_without_a_class, "'red' must have photos in every split; it has no usable photo in test"),
    ],
)
def test_unusable_data_is_rejected_and_leaves_no_output(spoil, message: str, tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    spoil(data)
    with pytest.raises(DataError, match=message):
        preprocess(str(data), PARAMS, tmp_path / "out" / "dataset")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_an_archive_with_a_path_that_leads_outside_is_refused_and_leaves_no_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        file.writestr("red/../../../escaped.png", b"1")
    with pytest.raises(ArchiveError, match="leads outside"):
        preprocess(str(tmp_path / "photos.zip"), PARAMS, tmp_path / "out" / "dataset")
    assert list(tmp_path.rglob("*escaped*")) == []
    assert list((tmp_path / "out").iterdir()) == []


def test_after_an_error_the_earlier_data_set_is_kept(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    preprocess(str(data), PARAMS, tmp_path / "dataset")
    before = tree(tmp_path / "dataset")
    one_photo(data)
    with pytest.raises(DataError):
        preprocess(str(data), PARAMS, tmp_path / "dataset")
    assert tree(tmp_path / "dataset") == before
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "dataset"}


@pytest.mark.parametrize("output", ["photos", "photos/red/dataset", ".", "mine", "mine/notes.txt"])
def test_user_files_are_never_replaced(output: str, tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    before = tree(tmp_path)
    with pytest.raises(ArtifactError, match="Choose another output folder"):
        preprocess(str(data), PARAMS, tmp_path / output)
    assert tree(tmp_path) == before


def test_an_unwritable_output_is_reported(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        preprocess(str(data), PARAMS, tmp_path / "file" / "dataset")
