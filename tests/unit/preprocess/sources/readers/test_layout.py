"""What folders mean."""

import pytest

from components.contract.errors import DataError
from components.preprocess.sources.readers.layout import find_layout


def folders(*paths: str) -> list[tuple[str, ...]]:
    """The folders and all those above them."""
    return sorted({tuple(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 2)})


@pytest.mark.parametrize(
    ("paths", "splits", "class_names"),
    [
        (["dogs", "cats"], {}, ("cats", "dogs")),
        (["train/a", "train/b", "test/a", "test/b"], {"train": "train", "test": "test"}, ("a", "b")),
        (["train/a", "val/b", "test/c"], {"train": "train", "val": "validation", "test": "test"}, ("a", "b", "c")),
        (["train/a", "valid/a"], {"train": "train", "valid": "validation"}, ("a",)),
        (["Training/a", "Testing/b"], {"Training": "train", "Testing": "test"}, ("a", "b")),
        (["train/a", "train/b"], {"train": "train"}, ("a", "b")),
        (["train/a", "test/a", "unlabelled"], {"train": "train", "test": "test"}, ("a",)),
        # Classes that are called like splits.
        (["train", "bus", "car"], {}, ("bus", "car", "train")),
        (["train", "test"], {}, ("test", "train")),
        (["train/steam", "train/diesel", "bus"], {}, ("bus", "train")),
        (["test/a", "other/a"], {}, ("other", "test")),
        # Folders within class folders are no classes.
        (["cats/2021/may", "dogs"], {}, ("cats", "dogs")),
        ([], {}, ()),
    ],
)
def test_folders_are_splits_or_classes(paths: list[str], splits: dict[str, str], class_names: tuple[str, ...]) -> None:
    layout = find_layout(folders(*paths))
    assert layout.splits == splits
    assert layout.class_names == class_names
    assert layout.prefix == ()


@pytest.mark.parametrize(
    ("paths", "prefix", "class_names"),
    [
        (["photos-main/cats", "photos-main/dogs"], ("photos-main",), ("cats", "dogs")),
        (["a/b/train/cats", "a/b/test/cats"], ("a", "b"), ("cats",)),
        (["train/cats", "train/dogs"], (), ("cats", "dogs")),
        (["cats", "dogs"], (), ("cats", "dogs")),
        (["cats"], (), ("cats",)),
    ],
)
def test_a_single_folder_around_an_archive_is_stepped_into(
    paths: list[str], prefix: tuple[str, ...], class_names: tuple[str, ...]
) -> None:
    layout = find_layout(folders(*paths), unwrap=True)
    assert layout.prefix == prefix
    assert layout.class_names == class_names


def test_a_plain_folder_is_not_stepped_into() -> None:
    assert find_layout(folders("photos/cats", "photos/dogs")).class_names == ("photos",)


def test_a_file_takes_class_and_split_from_its_folders() -> None:
    plain = find_layout(folders("cats/2021", "dogs"))
    assert plain.place(("cats", "a.jpg")) == ("cats", None)
    assert plain.place(("cats", "2021", "a.jpg")) == ("cats", None)
    assert plain.place(("README.md",)) is None
    split = find_layout(folders("all/train/cats", "all/val/cats", "all/spare"), unwrap=True)
    assert split.place(("all", "train", "cats", "a.jpg")) == ("cats", "train")
    assert split.place(("all", "val", "cats", "deep", "a.jpg")) == ("cats", "validation")
    for parts in (("all", "train", "a.jpg"), ("all", "spare", "a.jpg"), ("all", "a.jpg"), ("a.jpg",)):
        assert split.place(parts) is None


def test_a_class_is_one_however_its_accents_are_written() -> None:
    layout = find_layout(folders("train/cafe\u0301", "test/caf\u00e9"))
    assert layout.class_names == ("café",)
    assert layout.place(("train", "cafe\u0301", "a.jpg")) == ("café", "train")


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["train/a", "val/a", "valid/a"], "validation split has val and valid"),
        (["train/a", "Train/a"], "train split has Train and train"),
        (["test/a", "val/a"], "must have a folder train; there is only test and val"),
    ],
)
def test_splits_that_cannot_be_are_refused(paths: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_layout(folders(*paths))
