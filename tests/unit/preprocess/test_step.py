"""The step: photos in, a data set out, whole or not at all."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.contract.artifacts.dataset import SPLITS, open_split, read_info
from components.contract.errors import ArchiveError, ArtifactError, DataError
from components.contract.image.decode import decode
from components.contract.params.pipeline import PreprocessParams, dump_section
from components.preprocess.component import preprocess as component
from components.preprocess.step import preprocess
from tests.support.artifacts import CLASS_NAMES, make_photos, photo

ROOT = Path(__file__).parents[3]
PARAMS = PreprocessParams(image_size=(16, 12), golden_photos=7)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def manifest(dataset_dir: Path) -> list[dict]:
    return pq.read_table(dataset_dir / "manifest.parquet").to_pylist()


def add_photo(path: Path, class_name: str = "red", seed: int = 77) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(class_name, np.random.default_rng(seed))).save(path)


def test_a_folder_of_classes_becomes_a_data_set(tmp_path: Path) -> None:
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
    rows = {row["sha256"][:32]: row for row in manifest(tmp_path / "dataset")}
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


def test_golden_photos_are_test_photos_of_all_classes_as_they_were(tmp_path: Path) -> None:
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


def test_a_second_run_gives_the_same_bytes(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos")
    preprocess(str(data), PARAMS, tmp_path / "one")
    for path in data.rglob("*.png"):
        os.utime(path, (0, 0))
    preprocess(str(data), PARAMS, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_adding_a_photo_leaves_the_other_shards_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.contract.artifacts.dataset.SHARD_BYTES", 16 * 12 * 3 * 6)
    data = make_photos(tmp_path / "photos", per_class=30)
    preprocess(str(data), PARAMS, tmp_path / "before")
    add_photo(data / "red" / "added.png")
    preprocess(str(data), PARAMS, tmp_path / "after")
    before, after = tree(tmp_path / "before"), tree(tmp_path / "after")
    shards = [name for name in before if name.endswith(".arrow")]
    assert len(shards) > 10
    assert [name for name in after if name.endswith(".arrow")] == shards
    assert sum(before[name] != after[name] for name in shards) == 1
    splits = [{row["path"]: row["split"] for row in manifest(tmp_path / name)} for name in ("before", "after")]
    assert splits[0].items() <= splits[1].items()


def test_the_fingerprint_is_of_content_split_and_params_alone(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos")
    first = preprocess(str(data), PARAMS, tmp_path / "dataset").fingerprint
    (data / "red" / "000.png").rename(data / "red" / "renamed.png")
    (data / "README.md").write_text("about")
    assert preprocess(str(data), PARAMS, tmp_path / "dataset").fingerprint == first
    assert preprocess(str(data), PARAMS.model_copy(update={"seed": 1}), tmp_path / "dataset").fingerprint != first
    (data / "red" / "renamed.png").rename(data / "green" / "relabelled.png")
    assert preprocess(str(data), PARAMS, tmp_path / "dataset").fingerprint != first


@pytest.mark.parametrize(
    ("names", "given"),
    [
        ({"train": "train", "validation": "val", "test": "test"}, set(SPLITS)),
        ({"train": "Train", "test": "TEST"}, {"train", "test"}),
        ({"train": "train", "validation": "valid"}, {"train", "validation"}),
        ({"train": "train"}, {"train"}),
    ],
)
def test_given_splits_are_kept_and_missing_ones_cut_from_train(
    names: dict[str, str], given: set[str], tmp_path: Path
) -> None:
    for number, folder in enumerate(names.values()):
        make_photos(tmp_path / "photos" / folder, per_class=12, seed=number)
    info = preprocess(str(tmp_path / "photos"), PARAMS, tmp_path / "dataset")
    folders = {folder: split for split, folder in names.items()}
    for row in manifest(tmp_path / "dataset"):
        split = folders[row["path"].split("/")[0]]
        if split == "train":
            assert row["split"] == "train" or row["split"] not in given
        else:
            assert row["split"] == split
    assert all(info.num_images(split) >= 3 for split in SPLITS)


def test_archives_give_what_their_folders_give(tmp_path: Path) -> None:
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
    rejected = {row["path"]: row["reason"] for row in manifest(tmp_path / "photos-zip") if row["reason"]}
    assert rejected == {"photos-main/LICENSE": "outside_class_folder", "__MACOSX": "hidden"}


def test_whatever_lies_there_is_kept_or_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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
    rows = manifest(tmp_path / "dataset")
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
    assert f"Rejected 12 of 30 files; each is named in {tmp_path / 'dataset' / 'manifest.parquet'}:" in caplog.messages
    assert "  2 × empty: blue/line\\nbreak.png, red/empty.jpg" in caplog.messages


def test_few_rejections_are_told_one_by_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    (data / "red" / "empty.jpg").touch()
    with caplog.at_level("INFO"):
        preprocess(str(data), PARAMS, tmp_path / "dataset")
    assert any(text.startswith("Rejected red/empty.jpg (empty): A photo must hold data") for text in caplog.messages)


def test_a_turned_photo_stands_upright(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    halves = np.zeros((20, 40, 3), np.uint8)
    halves[:, 20:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: left becomes top
    Image.fromarray(halves).save(data / "red" / "turned.png", exif=exif)
    preprocess(str(data), PARAMS, tmp_path / "dataset")
    row = next(row for row in manifest(tmp_path / "dataset") if row["path"] == "red/turned.png")
    assert (row["native_height"], row["native_width"]) == (40, 20)
    split = open_split(tmp_path / "dataset", row["split"])
    image = split.image(split.index_of[row["sha256"][:32]])
    assert (image[:8] == 0).all()
    assert (image[8:] == 255).all()


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
            r"'red' must have at least 3 usable photos.*it has 0\. Rejected were 6 × not_an_image: red/000",
        ),
        (one_photo, "'red' must have at least 3 usable photos.*it has 1"),
        (no_photo, "'red' must have at least 3 usable photos.*it has 0"),
        (one_class, "at least two classes; .* one class folder only, 'blue'"),
        (no_class, "has nothing in it"),
        (missing, "there is nothing at"),
        (split_without_a_class, "'red' must have photos in every split; it has no usable one in test"),
    ],
)
def test_data_that_cannot_be_used_are_refused_and_leave_no_output(spoil, message: str, tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    spoil(data)
    with pytest.raises(DataError, match=message):
        preprocess(str(data), PARAMS, tmp_path / "out" / "dataset")
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_an_archive_that_leads_outside_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as file:
        file.writestr("red/../../../escaped.png", b"1")
    with pytest.raises(ArchiveError, match="leads outside"):
        preprocess(str(tmp_path / "photos.zip"), PARAMS, tmp_path / "out" / "dataset")
    assert list(tmp_path.rglob("*escaped*")) == []
    assert list((tmp_path / "out").iterdir()) == []


def test_after_an_error_the_earlier_data_set_stands(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    preprocess(str(data), PARAMS, tmp_path / "dataset")
    before = tree(tmp_path / "dataset")
    one_photo(data)
    with pytest.raises(DataError):
        preprocess(str(data), PARAMS, tmp_path / "dataset")
    assert tree(tmp_path / "dataset") == before
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "dataset"}


@pytest.mark.parametrize("output", ["photos", "photos/red/dataset", ".", "mine", "mine/notes.txt"])
def test_what_the_user_has_is_never_replaced(output: str, tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    before = tree(tmp_path)
    with pytest.raises(ArtifactError, match="Name another output folder"):
        preprocess(str(data), PARAMS, tmp_path / output)
    assert tree(tmp_path) == before


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="must be writable"):
        preprocess(str(data), PARAMS, tmp_path / "file" / "dataset")


def test_the_run_names_the_data(tmp_path: Path, mlflow_store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    data = make_photos(tmp_path / "photos", per_class=20)
    (data / "README.md").write_text("about")
    monkeypatch.setenv("DARKROOM_RUN_KEY", "the-run")
    info = preprocess(str(data), PARAMS, tmp_path / "dataset")
    run = MlflowClient().get_run(str(info.mlflow_run_id))
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("photos", info.fingerprint[:36])
    assert used.dataset.source == str(data)
    assert json.loads(used.dataset.profile)["train"] == info.num_images("train")
    assert run.data.params["dataset.fingerprint"] == info.fingerprint
    assert run.data.params["dataset.rejected"] == "1"
    assert sum(int(run.data.params[f"dataset.{split}"]) for split in SPLITS) == 60
    assert {file.path for file in MlflowClient().list_artifacts(run.info.run_id, "dataset")} == {
        "dataset/samples.jpg",
        "dataset/dataset.json",
        "dataset/audit.json",
        "dataset/audit.html",
        "dataset/augmentation.jpg",
        "dataset/classes.svg",
    }


def test_without_a_run_nothing_is_tracked(tmp_path: Path, mlflow_store: str) -> None:
    from mlflow import MlflowClient

    data = make_photos(tmp_path / "photos", per_class=6)
    assert preprocess(str(data), PARAMS, tmp_path / "dataset").mlflow_run_id is None
    assert [found.name for found in MlflowClient().search_experiments()] == ["Default"]


class Output:
    def __init__(self, path: Path):
        self.path = str(path)


def test_the_component_leaves_data_set_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    (data / "<b>").mkdir()
    for number in range(3):
        add_photo(data / "<b>" / f"{number}.png", seed=number)
    outputs = Output(tmp_path / "kfp" / "dataset"), Output(tmp_path / "kfp" / "audit")
    component.python_func(str(data), dump_section(PARAMS), *outputs)
    assert read_info(tmp_path / "kfp" / "dataset").num_kept == 21
    page = (tmp_path / "kfp" / "audit").read_text()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "data:image/jpeg;base64," in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "[preprocess] Kept 21 photos" in capsys.readouterr().out


def test_the_sheet_shows_each_class(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=20)
    preprocess(str(data), PARAMS, tmp_path / "dataset")
    sheet = np.asarray(Image.open(tmp_path / "dataset" / "samples.jpg")).astype(int)
    rows = np.array_split(sheet[:, -400:-100], 3)
    strongest = [int(row.reshape(-1, 3)[(row.reshape(-1, 3).max(axis=1) < 240)].mean(axis=0).argmax()) for row in rows]
    assert [("red", "green", "blue")[channel] for channel in strongest] == list(CLASS_NAMES)


def test_real_photos_are_all_kept(shared_dir: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    params = PreprocessParams(image_size=96)
    info = preprocess(str(shared_dir / "data" / "clothing-dataset-small"), params, tmp_path / "dataset")
    assert time.monotonic() - started < 120
    assert [info.num_images(split) for split in SPLITS] == [3066, 341, 372]
    assert len(info.class_names) == 10
    assert info.native_size == (533, 400)
    assert info.rejected == {"contradictory_label": 2, "outside_class_folder": 2}
    assert len(list((tmp_path / "dataset" / "golden").iterdir())) == 200


def run_program(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "components.preprocess", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_program_settles_auto_and_writes_the_data_set(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6, size=(20, 24))
    (tmp_path / "params.yaml").write_text(f"data:\n  uri: {data}\n")
    result = run_program("--params", str(tmp_path / "params.yaml"), "--output", str(tmp_path / "dataset"))
    assert result.returncode == 0, result.stderr
    assert read_info(tmp_path / "dataset").image_size == (20, 24)


def test_the_program_tells_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"data:\n  uri: {tmp_path / 'none'}\n")
    result = run_program("--params", str(tmp_path / "params.yaml"), "--output", str(tmp_path / "dataset"))
    assert result.returncode == 2
    assert result.stderr.startswith("darkroom: The data must be a folder of class folders")
    assert len(result.stderr.splitlines()) == 1
