"""Whether folders are read as classes, as splits or as neither."""

import zipfile
from pathlib import Path, PurePosixPath

import pytest

from components.contract.errors import DataError
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.folders.layout import Layout, find_layout
from components.preprocess.sources.folders.tree import FolderTree
from components.preprocess.sources.photo_set import describe
from components.preprocess.sources.readers.class_folders import find_photos
from components.preprocess.sources.source import open_data
from tests.unit.preprocess.sources.folders.album_layouts import ALBUM_LAYOUTS
from tests.unit.preprocess.sources.folders.collected_layouts import COLLECTED_LAYOUTS
from tests.unit.preprocess.sources.folders.public_layouts import PUBLIC_LAYOUTS, DataLayout
from tests.unit.preprocess.sources.folders.research_layouts import RESEARCH_LAYOUTS
from tests.unit.preprocess.sources.folders.usual_layouts import USUAL_LAYOUTS

LAYOUTS = (*PUBLIC_LAYOUTS, *USUAL_LAYOUTS, *ALBUM_LAYOUTS, *COLLECTED_LAYOUTS, *RESEARCH_LAYOUTS)
READ = [layout for layout in LAYOUTS if not layout.refusal]
REFUSED = [layout for layout in LAYOUTS if layout.refusal]


def name_of(layout: DataLayout) -> str:
    return layout.name


def read(*files: str, unwrap: bool = False) -> Layout:
    return find_layout(FolderTree(tuple(name.split("/")) for name in files), unwrap=unwrap)


@pytest.mark.parametrize("layout", READ, ids=name_of)
def test_a_supported_layout_is_read_and_described(layout: DataLayout, tmp_path: Path) -> None:
    photo_set = find_photos(DataFolder(layout.write(tmp_path)))
    assert describe(photo_set) == list(layout.lines)
    places = {file.record.path for file in photo_set.files} | {record.path for record in photo_set.rejected}
    names = [name for name in layout.expand() if not name.endswith("/")]
    assert all(places & {name, *map(str, PurePosixPath(name).parents)} for name in names)


@pytest.mark.parametrize("layout", REFUSED, ids=name_of)
def test_an_unsupported_or_ambiguous_layout_is_rejected_with_advice(layout: DataLayout, tmp_path: Path) -> None:
    data = layout.write(tmp_path)
    with pytest.raises(DataError) as refusal:
        find_photos(DataFolder(data))
    assert str(refusal.value) == layout.refusal.replace("{data}", str(data))


@pytest.mark.parametrize("layout", READ, ids=name_of)
def test_an_archive_is_read_like_its_folder(layout: DataLayout, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for name in layout.expand():
            file.writestr(f"{layout.folder}/{name}", "")
    with open_data(str(tmp_path / "set.zip"), tmp_path) as data_folder:
        lines = describe(find_photos(data_folder))
    assert lines[0] == layout.lines[0]


def test_the_error_for_an_archive_advises_unpacking_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "leaves.zip", "w") as file:
        for name in ("color/a/1.jpg", "color/b/1.jpg", "gray/a/1.jpg", "gray/b/1.jpg"):
            file.writestr(name, "")
    with (
        open_data(str(tmp_path / "leaves.zip"), tmp_path) as data_folder,
        pytest.raises(DataError, match=r"--data leaves/color \(Unpack the archive first\.\)"),
    ):
        find_photos(data_folder)


@pytest.mark.parametrize(
    ("files", "prefix", "class_names"),
    [
        (["photos-main/cats/1", "photos-main/dogs/1"], ("photos-main",), ("cats", "dogs")),
        (["a/b/train/cats/1", "a/b/test/cats/1"], ("a", "b"), ("cats",)),
        (["train/cats/1", "train/dogs/1"], (), ("cats", "dogs")),
        (["cats/1", "dogs/1"], (), ("cats", "dogs")),
        (["ILSVRC/Data/CLS-LOC/train/n1/1", "ILSVRC/Annotations/n1.xml"], ("ILSVRC", "Data", "CLS-LOC"), ("n1",)),
    ],
)
def test_a_single_top_folder_of_an_archive_is_entered(
    files: list[str], prefix: tuple[str, ...], class_names: tuple[str, ...]
) -> None:
    layout = read(*files, unwrap=True)
    assert (layout.prefix, layout.class_names) == (prefix, class_names)


def test_a_file_gets_its_class_and_split_from_its_folders() -> None:
    plain = read("cats/2021/a.jpg", "dogs/a.jpg")
    assert plain.place(("cats", "a.jpg")) == ("cats", None)
    assert plain.place(("cats", "2021", "a.jpg")) == ("cats", None)
    assert plain.place(("README.md",)) is None
    split = read("all/train/cats/a.jpg", "all/val/cats/a.jpg", "all/spare/a.jpg", unwrap=True)
    assert split.place(("all", "train", "cats", "a.jpg")) == ("cats", "train")
    assert split.place(("all", "val", "cats", "deep", "a.jpg")) == ("cats", "validation")
    for parts in (("all", "train", "a.jpg"), ("all", "spare", "a.jpg"), ("all", "a.jpg"), ("a.jpg",)):
        assert split.place(parts) is None


def test_a_relabeled_file_stays_in_its_split() -> None:
    layout = read(*(f"{split}/{split}/{name}/1" for split in ("seg_train", "seg_test") for name in ("sea", "forest")))
    photo = ("seg_test", "seg_test", "sea", "1")
    assert layout.class_folder(photo, "forest") == ("seg_test", "seg_test", "forest")
    named = read("cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.jpg")
    assert named.place(("dog.7.jpg",)) == ("dog", None)
    assert named.class_folder(("cat.0.jpg",), "dog") is None


def test_a_class_name_is_the_same_in_all_unicode_forms() -> None:
    layout = read("train/cafe\u0301/1", "test/caf\u00e9/1")
    assert layout.class_names == ("café",)
    assert layout.place(("train", "cafe\u0301", "a.jpg")) == ("café", "train")


def test_an_empty_folder_is_a_class_unless_its_name_is_reserved() -> None:
    files = [("cats", "1.jpg"), ("dogs", "1.jpg")]
    layout = find_layout(FolderTree(files, [("birds",), ("test",), ("train",), ("labels",)]))
    assert layout.class_names == ("birds", "cats", "dogs")


@pytest.mark.parametrize(
    "names",
    [
        ["steam_train", "diesel_train"],
        ["positive_test", "negative_test"],
        ["photo", "drawing"],
        ["mask", "no_mask"],
        ["label", "other"],
        ["train_station", "bus_station"],
        ["0", "1"],
    ],
)
def test_words_for_splits_or_masks_within_class_names_are_ignored(names: list[str]) -> None:
    assert read(*(f"{name}/1.jpg" for name in names)).class_names == tuple(sorted(names))


@pytest.mark.parametrize(
    ("names", "class_names"),
    [
        (["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.jpg"], ("cat", "dog")),
        (["cat0.jpg", "cat1.jpg", "dog (1).jpg", "dog (2).jpg"], ("cat", "dog")),
        (["sea_lion_1.jpg", "sea_lion_2.jpg", "seal-1.jpg", "seal-22.jpg"], ("sea_lion", "seal")),
        (["cat.0.jpg", "cat.1.jpg", "dog.0.jpg"], ()),  # dog has a single photo, so it might not be a class
        (["cat.0.jpg", "cat.1.jpg", "dog.0.jpg", "dog.1.jpg", "mouse.jpg"], ()),
        (["IMG_20200101_1.jpg", "IMG_20200101_2.jpg", "PXL_20200101_1.jpg", "PXL_20200101_2.jpg"], ()),
        (["00001.jpg", "00002.jpg"], ()),
        (["1_0_0.jpg", "1_0_1.jpg", "2_0_0.jpg", "2_0_1.jpg"], ()),
    ],
)
def test_classes_are_read_from_file_names_if_each_name_contains_a_class(
    names: list[str], class_names: tuple[str, ...]
) -> None:
    assert read(*names).class_names == class_names


@pytest.mark.parametrize(
    "files",
    [
        ["a\nb.0.jpg", "a\nb.1.jpg", "c.0.jpg", "c.1.jpg"],
        ["train/a\nb/1.jpg", "train/c/1.jpg", "test/1.jpg", "x\ny/1.jpg"],
        ["a\nb/images/1.jpg", "a\nb/images/2.jpg", "c\nd/1.jpg"],
    ],
)
def test_notices_with_untrusted_names_stay_on_one_line(files: list[str]) -> None:
    assert not any("\n" in notice for notice in read(*files, unwrap=True).notices)
