"""How label files refer to photos whose names are not unique, and which columns of label files are used."""

from pathlib import Path

import pytest

from components.contract.errors import DataError
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.source import find_photos
from tests.unit.preprocess.sources.label_tables import classes_of, write_files

NUMBERS = range(1, 5)


def table(header: str, *rows: str) -> str:
    return "\n".join((header, *rows, ""))


@pytest.mark.parametrize(
    ("label_file", "split"), [("trainLabels.csv", None), ("train_labels.csv", None), ("TestLabels.csv", "test")]
)
def test_the_name_of_a_label_file_determines_which_folder_it_labels(
    label_file: str, split: str | None, tmp_path: Path
) -> None:
    """The layout of CIFAR-10 on Kaggle."""
    write_files(tmp_path, *(f"{folder}/{number}.png" for folder in ("train", "test") for number in NUMBERS))
    rows = [f"{number},{'frog' if number % 2 else 'truck'}" for number in NUMBERS]
    (tmp_path / label_file).write_text(table("id,label", *rows))
    (tmp_path / "sampleSubmission.csv").write_text(table("id,label", *(f"{number},cat" for number in NUMBERS)))
    photo_set = find_photos(DataFolder(tmp_path))
    folder = "test" if split else "train"
    assert classes_of(photo_set) == {f"{folder}/{number}.png": "frog" if number % 2 else "truck" for number in NUMBERS}
    assert {file.record.split for file in photo_set.files} == {split}
    assert (
        "sampleSubmission.csv contains names that match several files, such as 1, so it is not used."
        in photo_set.notices
    )


def test_ambiguous_names_are_rejected_without_class_folders(tmp_path: Path) -> None:
    """As in the data set ODIR: raw and preprocessed photos with the same names."""
    write_files(tmp_path, *(f"{folder}/{number}_left.jpg" for folder in ("raw", "processed") for number in NUMBERS))
    rows = [f"{number}_left.jpg,{'normal' if number % 2 else 'cataract'}" for number in NUMBERS]
    (tmp_path / "full_df.csv").write_text(table("filename,labels", *rows))
    with pytest.raises(
        DataError, match=r"Each name in .*full_df\.csv must match one photo; 4 names, such as 1_left\.jpg"
    ):
        find_photos(DataFolder(tmp_path))


def test_folders_are_used_if_a_table_names_no_photo_uniquely(tmp_path: Path) -> None:
    names = [f"{folder}/{name}/{number}.jpg" for folder in "ab" for name in ("cat", "dog") for number in NUMBERS]
    write_files(tmp_path, *(f"train/{name[2:]}" for name in names), *(f"test/{name[2:]}" for name in names))
    rows = [f"{number}.jpg,{'cat' if number % 2 else 'dog'}" for number in NUMBERS]
    (tmp_path / "labels.csv").write_text(table("filename,label", *rows))
    photo_set = find_photos(DataFolder(tmp_path))
    assert photo_set.class_names == ("cat", "dog")
    assert photo_set.given_splits == {"train", "test"}
    assert photo_set.notices == (
        "labels.csv contains names that match several files, such as 1.jpg, so it is not used.",
    )


@pytest.mark.parametrize(
    ("header", "rows", "classes", "announced"),
    [
        ("file,label,class", ["1,cat,animal", "2,dog,animal", "3,car,thing", "4,cat,animal"], "cat dog car cat", True),
        ("file,label,class_name", ["1,0,cat", "2,1,dog", "3,0,cat", "4,1,dog"], "cat dog cat dog", False),
        ("class id,file,labels", ["0,1,cat", "1,2,dog", "0,3,cat", "1,4,dog"], "cat dog cat dog", False),
        ("ImageId,ClassId,EncodedPixels", ["1,cat,0", "2,dog,0", "3,cat,1", "4,dog,1"], "cat dog cat dog", False),
        ("fileName,LabelName", ["1,cat", "2,dog", "3,cat", "4,dog"], "cat dog cat dog", False),
        ("file,label", ["1,cat", "2,NaN", "3,dog", "4,nan"], "cat - dog -", False),
        ("file,label", ["1,cat", "2,None", "3,dog", "4,None"], "cat None dog None", False),
    ],
)
def test_the_label_column_is_chosen_and_an_ambiguous_choice_is_reported(
    header: str, rows: list[str], classes: str, announced: bool, tmp_path: Path
) -> None:
    write_files(tmp_path, *(f"photos/{number}.jpg" for number in NUMBERS))
    (tmp_path / "labels.csv").write_text(table(header, *rows))
    photo_set = find_photos(DataFolder(tmp_path))
    expected = {f"photos/{number}.jpg": name for number, name in zip(NUMBERS, classes.split(), strict=True)}
    assert classes_of(photo_set) == {name: label for name, label in expected.items() if label != "-"}
    assert any("label is used instead of class." in notice for notice in photo_set.notices) == announced


@pytest.mark.parametrize(
    ("labels", "is_refused"),
    [
        (["cat", "dog", "cat|dog", "dog"], True),
        (["cat", "dog", "cat; dog", "dog"], True),
        (["cat", "dog", '"cat,dog"', "dog"], True),
        (["scab", "rust", "scab rust", "rust"], True),
        (["cat", "dog", "cat|dog|", "dog"], False),
        (["hot dog", "dog", "hot dog", "dog"], False),
        (["black/white", "black", "black/white", "black"], False),
        (["left eye", "right eye", "left eye", "right eye"], False),
    ],
)
def test_labels_that_combine_other_labels_count_as_several(labels: list[str], is_refused: bool, tmp_path: Path) -> None:
    """As in the data sets ChestX-ray14 and Plant Pathology 2021."""
    write_files(tmp_path, *(f"photos/{number}.jpg" for number in NUMBERS))
    rows = [f"{number},{label}" for number, label in zip(NUMBERS, labels, strict=True)]
    (tmp_path / "labels.csv").write_text(table("file,label", *rows))
    if is_refused:
        with pytest.raises(DataError, match=r"has several for 1 of 4 photos, such as 3: "):
            find_photos(DataFolder(tmp_path))
    else:
        assert set(find_photos(DataFolder(tmp_path)).class_names) == set(labels)
