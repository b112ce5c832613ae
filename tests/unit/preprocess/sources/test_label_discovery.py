"""Label files that are found in the data, and whether they or the folders count."""

import json
from collections import Counter
from pathlib import Path

import pytest

from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.source import find_photos
from tests.unit.preprocess.sources.label_tables import classes_of, write_files


def test_roboflow_splits_have_a_table_each(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_files(tmp_path / split, f"{split}-1.png", f"{split}-2.png")
        (tmp_path / split / "_classes.csv").write_text(
            f"filename, cat, dog\n{split}-1.png, 1, 0\n{split}-2.png, 0, 1\n"
        )
    photo_set = find_photos(DataFolder(tmp_path))
    assert {(file.record.path, file.record.class_name, file.record.split) for file in photo_set.files} == {
        (f"{folder}/{folder}-{number}.png", name, split)
        for folder, split in (("train", "train"), ("valid", "validation"), ("test", "test"))
        for number, name in ((1, "cat"), (2, "dog"))
    }
    assert photo_set.rejected == ()


def test_label_files_of_splits_count_together(tmp_path: Path) -> None:
    for split, num_photos in (("train", 8), ("val", 2)):
        for name in ("cat", "dog"):
            write_files(tmp_path / split / name, *(f"{split}{number}.png" for number in range(num_photos)))
        lines = [
            json.dumps({"file_name": f"{name}/{split}{number}.png", "label": name})
            for name in ("cat", "dog")
            for number in range(num_photos)
        ]
        (tmp_path / split / "metadata.jsonl").write_text("\n".join(lines))
    photo_set = find_photos(DataFolder(tmp_path))
    assert photo_set.notices == (
        "The labels come from train/metadata.jsonl and val/metadata.jsonl: 20 photos in 2 classes. The names of "
        "folders are not used.",
    )
    assert Counter(file.record.split for file in photo_set.files) == {"train": 16, "validation": 4}


def test_a_table_beside_a_folder_of_photos_labels_it_and_all_else_is_reported(tmp_path: Path) -> None:
    write_files(tmp_path, "train_images/1.jpg", "train_images/2.jpg", "test_images/3.jpg", "readme.txt")
    (tmp_path / "train.csv").write_text("image_id,label\n1,cat\n2,dog\n9,dog\n")
    (tmp_path / "sample_submission.csv").write_text("image_id,label\n3,cat\n")
    photo_set = find_photos(DataFolder(tmp_path))
    assert classes_of(photo_set) == {"train_images/1.jpg": "cat", "train_images/2.jpg": "dog"}
    assert {record.path: record.reason for record in photo_set.rejected} == {
        "9": "unreadable",
        "readme.txt": "no_label",
        "sample_submission.csv": "no_label",
        "test_images/3.jpg": "no_label",
    }
    assert photo_set.notices[-1].startswith("The labels come from train.csv: 2 photos in 2 classes.")
    assert photo_set.given_splits == frozenset(), "a train.csv alone divides nothing"


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("file,label\nnone.png,cat\nnothing.png,dog\n", "labels.csv names no photo of the data, so it is not used."),
        ("file,label\nc.png,cat\n", "labels.csv names one class only, 'cat', so it is not used."),
        (
            "file,label\nc.png,cat\nd.png,dog\n",
            "labels.csv labels 0 of the 4 files in folders that are named for its classes",
        ),
        ("file,cat,dog\nc.png,1,1\n", "labels.csv gives several labels to a photo, so it is not used."),
        (
            "file,label,split\nc.png,cat,later\n",
            "is not used as a label file. A split must be train, validation or test",
        ),
        ("city,people\nBonn,300000\n", ""),
    ],
)
def test_a_table_of_something_else_replaces_no_folders(text: str, notice: str, tmp_path: Path) -> None:
    write_files(tmp_path, "cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png", "new/c.png", "new/d.png")
    (tmp_path / "labels.csv").write_text(text)
    photo_set = find_photos(DataFolder(tmp_path))
    assert classes_of(photo_set)["cat/a.png"] == "cat"
    assert notice in " ".join(photo_set.notices)
    assert bool(photo_set.notices) == bool(notice)
    if "city" in text:
        columns = ColumnNames(label="mayor")
        with pytest.raises(DataError, match=r"none in the data has them\. data\.columns\.label must be a column"):
            find_photos(DataFolder(tmp_path, columns=columns))


def test_without_class_folders_the_message_says_what_the_label_file_lacks(tmp_path: Path) -> None:
    write_files(tmp_path, "a.png", "b.png")
    (tmp_path / "train.csv").write_text("id_code,diagnosis\na,healthy\nb,rust\n")
    with pytest.raises(
        DataError, match=r"must be in one folder per class.* it has id_code, diagnosis\. .*data\.columns\.label"
    ):
        find_photos(DataFolder(tmp_path))
    named = find_photos(DataFolder(tmp_path, columns=ColumnNames(label="diagnosis")))
    assert classes_of(named) == {"a.png": "healthy", "b.png": "rust"}


def test_label_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path, "a.png", "b.png")
    (tmp_path / "first.csv").write_text("file,label\na.png,cat\nb.png,dog\n")
    (tmp_path / "second.csv").write_text("file,label\na.png,dog\nb.png,cat\n")
    with pytest.raises(DataError, match=r"must agree; first\.csv calls a\.png 'cat', and second\.csv calls it 'dog'"):
        find_photos(DataFolder(tmp_path))
