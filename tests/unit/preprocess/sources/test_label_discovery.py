"""Finding label files in the data, and choosing between their labels and those of the folders."""

import json
from collections import Counter
from pathlib import Path

import pytest

from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.source import find_photos
from tests.unit.preprocess.sources.label_tables import classes_of, write_files


def test_the_tables_of_all_splits_of_a_roboflow_export_are_read(tmp_path: Path) -> None:
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


def test_the_label_files_of_all_splits_are_combined(tmp_path: Path) -> None:
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
        "The labels come from train/metadata.jsonl and val/metadata.jsonl: 20 photos in 2 classes. Folder "
        "names are not used.",
    )
    assert Counter(file.record.split for file in photo_set.files) == {"train": 16, "validation": 4}


def test_a_table_labels_the_photos_in_a_folder_next_to_it_and_other_files_are_reported(tmp_path: Path) -> None:
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
    assert photo_set.given_splits == frozenset(), "the name train.csv must not be enough to assign photos to a split"


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        (
            "file,label\nnone.png,cat\nnothing.png,dog\n",
            "labels.csv refers to no photo in the data, so it is not used.",
        ),
        ("file,label\nc.png,cat\n", "labels.csv contains only one class, 'cat', so it is not used."),
        (
            "file,label\nc.png,cat\nd.png,dog\n",
            "The labels in labels.csv are not used, because they cover none of the 4 files in folders that are named",
        ),
        ("file,cat,dog\nc.png,1,1\n", "labels.csv has several labels for a photo, so it is not used."),
        (
            "file,label,split\nc.png,cat,later\n",
            "is not used as a label file. A split must be train, validation or test",
        ),
        ("city,people\nBonn,300000\n", ""),
    ],
)
def test_an_unsuitable_table_does_not_replace_the_class_folders(text: str, notice: str, tmp_path: Path) -> None:
    write_files(tmp_path, "cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png", "new/c.png", "new/d.png")
    (tmp_path / "labels.csv").write_text(text)
    photo_set = find_photos(DataFolder(tmp_path))
    assert classes_of(photo_set)["cat/a.png"] == "cat"
    assert notice in " ".join(photo_set.notices)
    assert bool(photo_set.notices) == bool(notice)
    if "city" in text:
        columns = ColumnNames(label="mayor")
        with pytest.raises(DataError, match=r"but the data has no label file\. data\.columns\.label must be a column"):
            find_photos(DataFolder(tmp_path, columns=columns))


def test_without_class_folders_the_error_explains_why_the_label_file_is_not_used(tmp_path: Path) -> None:
    write_files(tmp_path, "a.png", "b.png")
    (tmp_path / "train.csv").write_text("id_code,diagnosis\na,healthy\nb,rust\n")
    with pytest.raises(
        DataError, match=r"must be in one folder per class.* it has id_code and diagnosis\. .*data\.columns\.label"
    ):
        find_photos(DataFolder(tmp_path))
    named = find_photos(DataFolder(tmp_path, columns=ColumnNames(label="diagnosis")))
    assert classes_of(named) == {"a.png": "healthy", "b.png": "rust"}


def test_label_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path, "a.png", "b.png")
    (tmp_path / "first.csv").write_text("file,label\na.png,cat\nb.png,dog\n")
    (tmp_path / "second.csv").write_text("file,label\na.png,dog\nb.png,cat\n")
    with pytest.raises(
        DataError, match=r"must agree; in first\.csv, the label of a\.png is 'cat', but in second\.csv it is 'dog'"
    ):
        find_photos(DataFolder(tmp_path))


TINY_IMAGENET = {
    "train/n1/images/1.JPEG": "",
    "train/n1/n1_boxes.txt": "1.JPEG\t0\t10\t63\t58\n",
    "train/n2/images/2.JPEG": "",
    "val/images/val_0.JPEG": "",
    "val/images/val_1.JPEG": "",
    "val/val_annotations.txt": "val_0.JPEG\tn1\t0\t32\t44\t62\nval_1.JPEG\tn2\t52\t55\t57\t59\n",
    "test/images/test_0.JPEG": "",
    "wnids.txt": "n1\nn2\n",
    "words.txt": "n1\tgoldfish\nn2\tfire salamander\n",
}
TRAFFIC_SIGNS = {
    "Train/0/a.png": "",
    "Train/1/b.png": "",
    "Test/00000.png": "",
    "Test/00001.png": "",
    "Meta/0.png": "",
    "Meta/1.png": "",
    "Train.csv": "Width,Height,ClassId,Path\n27,26,0,Train/0/a.png\n27,26,1,Train/1/b.png\n",
    "Test.csv": "Width,Height,ClassId,Path\n53,54,1,Test/00000.png\n53,54,0,Test/00001.png\n",
    "Meta.csv": "Path,ClassId,ShapeId\nMeta/0.png,0,0\nMeta/1.png,1,1\n",
}
CAFFE = {
    "images/cat/1.jpg": "",
    "images/cat/2.jpg": "",
    "images/dog/1.jpg": "",
    "images/dog/2.jpg": "",
    "train.txt": "images/cat/1.jpg 0\nimages/dog/1.jpg 1\n",
    "val.txt": "images/cat/2.jpg 0\nimages/dog/2.jpg 1\n",
}


@pytest.mark.parametrize(
    ("files", "places"),
    [
        (
            TINY_IMAGENET,
            {
                "train/n1/images/1.JPEG": ("n1", "train"),
                "train/n2/images/2.JPEG": ("n2", "train"),
                "val/images/val_0.JPEG": ("n1", "validation"),
                "val/images/val_1.JPEG": ("n2", "validation"),
            },
        ),
        (
            TRAFFIC_SIGNS,
            {
                "Train/0/a.png": ("0", "train"),
                "Train/1/b.png": ("1", "train"),
                "Test/00000.png": ("1", "test"),
                "Test/00001.png": ("0", "test"),
            },
        ),
        (
            {name: text for name, text in TRAFFIC_SIGNS.items() if name != "Train.csv"},
            {
                "Train/0/a.png": ("0", "train"),
                "Train/1/b.png": ("1", "train"),
                "Test/00000.png": ("1", "test"),
                "Test/00001.png": ("0", "test"),
            },
        ),
        (
            CAFFE,
            {
                "images/cat/1.jpg": ("cat", "train"),
                "images/cat/2.jpg": ("cat", "validation"),
                "images/dog/1.jpg": ("dog", "train"),
                "images/dog/2.jpg": ("dog", "validation"),
            },
        ),
        (
            {"a.jpg": "", "b.jpg": "", "labels.txt": "a.jpg cat\nb.jpg dog\n"},
            {"a.jpg": ("cat", None), "b.jpg": ("dog", None)},
        ),
        (
            {"a.jpg": "", "b.jpg": "", "labels.txt": "file;label\na.jpg;cat\nb.jpg;dog\n"},
            {"a.jpg": ("cat", None), "b.jpg": ("dog", None)},
        ),
        (
            {"cat/a.jpg": "", "dog/b.jpg": "", "readme.txt": "All photos, by me, are free.\nUse, share, enjoy.\n"},
            {"cat/a.jpg": ("cat", None), "dog/b.jpg": ("dog", None)},
        ),
    ],
    ids=["Tiny ImageNet", "traffic signs", "traffic signs without Train.csv", "Caffe", "list", "table", "readme"],
)
def test_labels_in_layouts_of_public_data_sets_are_read(
    files: dict[str, str], places: dict[str, tuple[str, str | None]], tmp_path: Path
) -> None:
    write_files(tmp_path, *files)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    photo_set = find_photos(DataFolder(tmp_path))
    photos = [file.record for file in photo_set.files if not file.record.path.endswith(".txt")]
    assert {record.path: (record.class_name, record.split) for record in photos} == places
    assert all((tmp_path / file.record.path).samefile(file.location) for file in photo_set.files)
    all_names = {file.record.path for file in photo_set.files} | {record.path for record in photo_set.rejected}
    assert all_names >= {name for name in files if not name.endswith((".txt", ".csv"))}


def test_a_table_that_contradicts_the_folders_is_reported(tmp_path: Path) -> None:
    write_files(tmp_path, "cat/1.jpg", "cat/2.jpg", "dog/3.jpg")
    (tmp_path / "labels.csv").write_text("file,label\ncat/1.jpg,cat\ncat/2.jpg,dog\ndog/3.jpg,dog\n")
    photo_set = find_photos(DataFolder(tmp_path))
    assert classes_of(photo_set) == {"cat/1.jpg": "cat", "cat/2.jpg": "dog", "dog/3.jpg": "dog"}
    assert photo_set.notices[-1].endswith("not used; photos in a folder named after a class other than their label: 1.")
