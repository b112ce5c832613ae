"""The preprocess step turns photos into a data set, completely or not at all."""

import hashlib
import os
import shutil
import tarfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.contract.artifacts.dataset import SPLITS, open_split, read_info
from components.contract.image.decode import decode
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.step import preprocess
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.unit.preprocess.dataset_files import add_photo, read_manifest, tree

PARAMS = PreprocessParams(image_size=(16, 12), golden_photos=7)


def test_a_folder_of_class_folders_becomes_a_data_set(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "Photos", per_class=20, size=(40, 32))
    before = tree(data)
    info = preprocess(str(data), PARAMS, tmp_path / "dataset")
    assert info == read_info(tmp_path / "dataset")
    assert (info.name, info.class_names, info.image_size, info.native_size) == (
        "photos",
        CLASS_NAMES,
        (16, 12),
        (40, 32),
    )
    assert info.num_kept == 60
    assert info.num_rejected == 0
    assert all(info.counts[split][name] >= 1 for split in SPLITS for name in CLASS_NAMES)
    assert {path.name for path in (tmp_path / "dataset").iterdir()} == {
        "dataset.json",
        "manifest.parquet",
        "golden",
        "samples.jpg",
        "train-00000.arrow",
        "validation-00000.arrow",
        "test-00000.arrow",
        "audit.json",
        "audit.html",
        "augmentation.jpg",
        "classes.svg",
    }
    assert tree(data) == before


def test_pixels_labels_and_manifest_agree_with_the_files(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=20)
    preprocess(str(data), PARAMS, tmp_path / "dataset")
    rows = {row["sha256"][:32]: row for row in read_manifest(tmp_path / "dataset")}
    for name in SPLITS:
        split = open_split(tmp_path / "dataset", name)
        for index, image_id in enumerate(split.image_ids):
            row = rows.pop(image_id)
            content = (data / row["path"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == row["sha256"]
            assert np.array_equal(split.image(index), decode(content, (16, 12)).pixels)
            assert CLASS_NAMES[split.labels[index]] == row["class_name"] == row["path"].split("/")[0]
            assert (row["split"], row["num_bytes"], row["mode"], row["format"]) == (name, len(content), "RGB", "PNG")
            assert (row["native_height"], row["native_width"]) == (40, 32)
            assert (row["reason"], row["message"]) == (None, None)
    assert rows == {}


def test_golden_photos_are_unchanged_files_from_the_test_split_with_balanced_classes(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=40)
    preprocess(str(data), PARAMS, tmp_path / "dataset")
    golden = list((tmp_path / "dataset" / "golden").iterdir())
    assert len(golden) == PARAMS.golden_photos
    split = open_split(tmp_path / "dataset", "test")
    labels = Counter(int(split.labels[split.index_of[path.stem]]) for path in golden)
    assert max(labels.values()) - min(labels.values()) <= 1
    originals = {path.read_bytes() for path in data.rglob("*.png")}
    assert {path.read_bytes() for path in golden} <= originals
    assert {path.suffix for path in golden} == {".png"}


def test_a_second_run_produces_the_same_bytes(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos")
    preprocess(str(data), PARAMS, tmp_path / "one")
    for path in data.rglob("*.png"):
        os.utime(path, (0, 0))
    preprocess(str(data), PARAMS, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_an_added_photo_changes_only_its_own_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.contract.artifacts.dataset.SHARD_BYTES", 16 * 12 * 3 * 6)
    monkeypatch.setattr("components.preprocess.split.MAX_EXACT_PHOTOS", -1000)  # inexact splits, as in large classes
    data = make_photos(tmp_path / "photos", per_class=30)
    preprocess(str(data), PARAMS, tmp_path / "before")
    add_photo(data / "red" / "added.png")
    preprocess(str(data), PARAMS, tmp_path / "after")
    before, after = tree(tmp_path / "before"), tree(tmp_path / "after")
    shards = [name for name in before if name.endswith(".arrow")]
    assert len(shards) > 10
    assert [name for name in after if name.endswith(".arrow")] == shards
    assert sum(before[name] != after[name] for name in shards) == 1
    splits = [{row["path"]: row["split"] for row in read_manifest(tmp_path / name)} for name in ("before", "after")]
    assert splits[0].items() <= splits[1].items()


def test_the_fingerprint_depends_on_photos_labels_and_params_but_not_on_file_names(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos")
    first = preprocess(str(data), PARAMS, tmp_path / "dataset").fingerprint
    (data / "red" / "000.png").rename(data / "red" / "renamed.png")
    (data / "README.md").write_text("about")
    assert preprocess(str(data), PARAMS, tmp_path / "dataset").fingerprint == first
    assert preprocess(str(data), PARAMS.model_copy(update={"seed": 1}), tmp_path / "dataset").fingerprint != first
    (data / "red" / "renamed.png").rename(data / "green" / "relabeled.png")
    assert preprocess(str(data), PARAMS, tmp_path / "dataset").fingerprint != first


@pytest.mark.parametrize(
    ("names", "given_splits"),
    [
        ({"train": "train", "validation": "val", "test": "test"}, set(SPLITS)),
        ({"train": "Train", "test": "TEST"}, {"train", "test"}),
        ({"train": "train", "validation": "valid"}, {"train", "validation"}),
        ({"train": "train"}, {"train"}),
    ],
)
def test_given_splits_are_kept_and_missing_ones_are_drawn_from_train(
    names: dict[str, str], given_splits: set[str], tmp_path: Path
) -> None:
    for number, folder in enumerate(names.values()):
        make_photos(tmp_path / "photos" / folder, per_class=12, seed=number)
    info = preprocess(str(tmp_path / "photos"), PARAMS, tmp_path / "dataset")
    folders = {folder: split for split, folder in names.items()}
    for row in read_manifest(tmp_path / "dataset"):
        split = folders[row["path"].split("/")[0]]
        if split == "train":
            assert row["split"] == "train" or row["split"] not in given_splits
        else:
            assert row["split"] == split
    assert all(info.num_images(split) >= 3 for split in SPLITS)


def test_archives_produce_the_same_data_set_as_their_folders(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos")
    (data / "LICENSE").write_text("free")
    expected = preprocess(str(data), PARAMS, tmp_path / "dataset")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        for path in sorted(data.rglob("*.*")):
            file.write(path, Path("photos-main") / path.relative_to(data))
        file.write(data / "LICENSE", "photos-main/LICENSE")
        file.writestr("__MACOSX/photos-main/red/._000.png", b"")
    with tarfile.open(tmp_path / "photos.tar.gz", "w:gz") as file:
        for path in sorted(data.iterdir()):
            file.add(path, path.relative_to(data))
    for name in ("photos.zip", "photos.tar.gz"):
        info = preprocess(str(tmp_path / name), PARAMS, tmp_path / name.replace(".", "-"))
        assert (info.name, info.fingerprint, info.counts) == ("photos", expected.fingerprint, expected.counts)
        assert tree(tmp_path / name.replace(".", "-") / "golden") == tree(tmp_path / "dataset" / "golden")
    rejected = {row["path"]: row["reason"] for row in read_manifest(tmp_path / "photos-zip") if row["reason"]}
    assert rejected == {"photos-main/LICENSE": "outside_class_folder", "__MACOSX": "hidden"}


def test_every_file_is_kept_or_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    whole = (data / "red" / "000.png").read_bytes()
    (data / "README.md").write_text("about")
    (data / "red" / ".DS_Store").write_bytes(b"\0")
    (data / "red" / "empty.jpg").touch()
    (data / "red" / "page.jpg").write_text("<!doctype html><html></html>")
    (data / "red" / "half.png").write_bytes(whole[: len(whole) // 2])
    (data / "red" / "copy.png").write_bytes(whole)
    shutil.copy(data / "blue" / "000.png", data / "green" / "doubtful.png")
    (data / "green" / "gone.jpg").symlink_to("nowhere")
    (data / "green" / "loop").symlink_to(data)
    os.mkfifo(data / "green" / "pipe.jpg")
    add_photo(data / "green" / "folder.jpg" / "inside.png", "green")
    (data / "blue" / "line\nbreak.png").write_bytes(b"")
    with caplog.at_level("INFO"):
        info = preprocess(str(data), PARAMS, tmp_path / "dataset")
    rows = read_manifest(tmp_path / "dataset")
    assert {row["path"]: row["reason"] for row in rows if row["reason"]} == {
        "README.md": "outside_class_folder",
        "red/.DS_Store": "hidden",
        "red/empty.jpg": "empty",
        "red/page.jpg": "not_an_image",
        "red/half.png": "truncated",
        "red/copy.png": "duplicate",
        "blue/000.png": "contradictory_label",
        "green/doubtful.png": "contradictory_label",
        "green/gone.jpg": "unreadable",
        "green/loop": "folder_seen",
        "green/pipe.jpg": "not_a_file",
        "blue/line\nbreak.png": "empty",
    }
    assert all(row["message"] for row in rows if row["reason"])
    assert (info.num_kept, info.num_rejected, len(rows)) == (18, 12, 30)
    assert any(row["path"] == "green/folder.jpg/inside.png" and not row["reason"] for row in rows)
    assert info.rejected["empty"] == 2
    assert f"Rejected 12 of 30 files; each is listed in {tmp_path / 'dataset' / 'manifest.parquet'}:" in caplog.messages
    assert "  2 × empty: blue/line\\nbreak.png, red/empty.jpg" in caplog.messages


def test_if_there_are_few_rejections_each_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    (data / "red" / "empty.jpg").touch()
    with caplog.at_level("INFO"):
        preprocess(str(data), PARAMS, tmp_path / "dataset")
    assert any(text.startswith("Rejected red/empty.jpg (empty): A photo must not be empty") for text in caplog.messages)


def test_a_rotated_photo_becomes_upright(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    halves = np.zeros((20, 40, 3), np.uint8)
    halves[:, 20:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # must be rotated clockwise: the left half becomes the top
    Image.fromarray(halves).save(data / "red" / "turned.png", exif=exif)
    preprocess(str(data), PARAMS, tmp_path / "dataset")
    row = next(row for row in read_manifest(tmp_path / "dataset") if row["path"] == "red/turned.png")
    assert (row["native_height"], row["native_width"]) == (40, 20)
    split = open_split(tmp_path / "dataset", row["split"])
    image = split.image(split.index_of[row["sha256"][:32]])
    assert (image[:8] == 0).all()
    assert (image[8:] == 255).all()


def test_the_sample_sheet_shows_each_class(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=20)
    preprocess(str(data), PARAMS, tmp_path / "dataset")
    sheet = np.asarray(Image.open(tmp_path / "dataset" / "samples.jpg")).astype(int)
    rows = np.array_split(sheet[:, -400:-100], 3)
    strongest = [int(row.reshape(-1, 3)[(row.reshape(-1, 3).max(axis=1) < 240)].mean(axis=0).argmax()) for row in rows]
    assert [("red", "green", "blue")[channel] for channel in strongest] == list(CLASS_NAMES)


def test_real_photos_are_kept_except_two_with_contradictory_labels(shared_dir: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    params = PreprocessParams(image_size=96)
    info = preprocess(str(shared_dir / "data" / "clothing-dataset-small"), params, tmp_path / "dataset")
    assert time.monotonic() - start < 120
    assert [info.num_images(split) for split in SPLITS] == [3066, 341, 372]
    assert len(info.class_names) == 10
    assert info.native_size == (533, 400)
    assert info.rejected == {"contradictory_label": 2, "outside_class_folder": 2}
    assert len(list((tmp_path / "dataset" / "golden").iterdir())) == 200
