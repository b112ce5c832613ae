"""Label files list the photos and their labels."""

import zipfile
from pathlib import Path

import pytest

from components.contract.artifacts.dataset import SPLITS
from components.contract.errors import DataError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.probe import probe
from components.preprocess.sources.readers.label_files import read_labels
from components.preprocess.sources.source import find_photos
from components.preprocess.step import preprocess
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.unit.preprocess.dataset_files import read_manifest
from tests.unit.preprocess.sources.label_tables import write_table

PARAMS = PreprocessParams(image_size=16)


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
def test_a_table_and_class_folders_produce_the_same_data_set(name: str, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=8)
    expected = preprocess(str(photos), PARAMS, tmp_path / "expected")
    table = write_table(photos, name)
    assert probe(str(table)).native_size == (40, 32)
    info = preprocess(str(table), PARAMS, tmp_path / "dataset")
    assert (info.name, info.fingerprint, info.num_rejected) == ("labels", expected.fingerprint, 0)


def test_splits_and_groups_are_read_from_a_table(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=12)
    table = write_table(photos, split=["Train", "val", "TEST"] * 12)
    preprocess(str(table), PARAMS, tmp_path / "split")
    assert [row["split"] for row in read_manifest(tmp_path / "split")] == ["train", "validation", "test"] * 12
    table = write_table(photos, patient=[f"p{number // 2}" for number in range(36)])
    preprocess(str(table), PARAMS, tmp_path / "grouped")
    rows = read_manifest(tmp_path / "grouped")
    assert len({(row["group"], row["split"]) for row in rows}) == 18
    assert {row["split"] for row in rows} == set(SPLITS)


def test_rows_without_a_photo_or_label_are_rejected(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=6)
    table = write_table(photos)
    with table.open("a") as file:
        file.write("red/absent.png;red\n;red\nred/000.png;\nred/001.png;red\n")
    info = preprocess(str(table), PARAMS, tmp_path / "dataset")
    assert info.rejected == {"no_label": 1, "no_path": 1, "unreadable": 1}
    assert info.num_kept == 18, "a repeated row must count only once"


def test_class_names_can_look_like_numbers_or_missing_values(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\na.png,NA\nb.png,007\n")
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    assert [row.label for row in read_labels(tmp_path / "labels.csv").rows] == ["NA", "007"]
    assert find_photos(DataFolder(tmp_path, label_file=tmp_path / "labels.csv")).class_names == ("007", "NA")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as a CSV"),
        (
            b"path,color\na,b\n",
            r"must have a column of labels, with a name such as label or .*; it has path and color.*"
            r"--set data\.columns\.label=NAME",
        ),
        (b"label\na\n", "must have a column of paths"),
        (b"path,label\na.png,x\nb.png,y\n", "refers to 2 photos, such as 'a.png', and none exists"),
        (b"path,label\na.png,x\n", "at least two classes; the label file .* contains only one, 'x'"),
        (b"path,label,split\na.png,x,later\nb.png,y,\n", "contains 'later' in line 2"),
    ],
)
def test_tables_without_usable_paths_or_labels_are_rejected(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        probe(str(tmp_path / "labels.csv"))


def test_a_table_in_an_archive_cannot_refer_to_files_outside(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "made" / "set" / "all", per_class=6)
    table = write_table(photos.parent)
    with table.open("a") as file:
        file.write("../../secret.png;red\n/etc/hostname;red\n")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for path in sorted((tmp_path / "made").rglob("*.*")):
            file.write(path, path.relative_to(tmp_path / "made"))
    info = preprocess(str(tmp_path / "set.zip"), PARAMS, tmp_path / "dataset")
    assert (info.num_kept, info.class_names, info.rejected) == (18, CLASS_NAMES, {"outside_data": 2})


def test_photos_without_a_label_in_the_table_are_reported(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", per_class=2)
    table = write_table(photos)
    table.write_text(table.read_text().replace("red/000.png;red", "red/000.png;"))
    assert probe(str(table)).description == (
        "Found 5 photos in 3 classes: blue 2, green 2, red 1.",
        "Photos left out because they have no label: red (1 photo).",
    )
