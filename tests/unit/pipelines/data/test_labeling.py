"""Labeled photos are added to class folders or tables as a new version; skipped photos are not added."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.contract.errors import DataError
from components.preprocess.sources.readers.label_files import read_labels
from components.preprocess.sources.readers.table import read_frame
from pipelines.data import versions
from pipelines.data.diff import compare_versions
from pipelines.data.label_studio import make_choice, make_task
from pipelines.data.labeling import add_rows, label
from pipelines.data.snapshot import find_label_table
from tests.support.artifacts import make_photos
from tests.unit.preprocess.dataset_files import tree


def annotate(name: str, *labels: str) -> dict[str, Any]:
    """A task as exported by Label Studio, with the model's prediction and one annotation per label."""
    return make_task(name, {"answer": "blue"}) | {
        "id": 1,
        "annotations": [{"was_cancelled": False, "result": [make_choice(text)]} for text in labels],
        "predictions": [{"model_version": "pets:1", "score": 0.5, "result": [make_choice("blue")]}],
    }


def export_labels(folder: Path, *tasks: dict[str, Any]) -> Path:
    """Creates photos that are not in the data, writes a Label Studio export of the tasks, and returns its path."""
    if not folder.exists():
        make_photos(folder / "photos", per_class=3, seed=1)
    (folder / "labels.json").write_text(json.dumps(tasks))
    return folder / "labels.json"


def test_labeled_photos_are_copied_to_their_class_folders(repository: Path, tmp_path: Path) -> None:
    photos = make_photos(repository / "data" / "photos", per_class=3)
    before = tree(photos)
    first = versions.add(photos, None)
    skipped = annotate("photos/red/002.png")
    labels = export_labels(
        tmp_path / "next", annotate("photos/blue/000.png", "green"), annotate("photos/red/001.png", "red"), skipped
    )
    second = label(repository, "data/photos", labels)
    changes = compare_versions(repository, "data/photos", first.commit, second.commit)
    assert (changes.added, changes.removed, changes.relabeled) == (["green/000-2.png", "red/001-2.png"], [], [])
    assert second.subject == "Add 2 labeled photos to photos"
    assert {name: content for name, content in tree(photos).items() if name in before} == before
    with pytest.raises(DataError, match="already contains all photos in"):
        label(repository, "data/photos", labels)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (
            [annotate("photos/red/000.png", "rde")],
            r"one of the 3 classes of photos; it is 'rde' \(did you mean red\?\)",
        ),
        ([annotate("photos/red/000.png", "red", "blue")], "Each photo must have one label"),
        (
            [annotate("photos/red/000.png", "red"), annotate("photos/red/absent.png", "red")],
            "names, 1 cannot be read there",
        ),
        ([annotate("../repository/outside.png", "red")], "The label file must refer to existing photos"),
        ([annotate("photos/red/000.png")], "must contain choices"),
        ([], "must be a list of Label Studio's tasks"),
    ],
)
def test_labels_that_cannot_be_added_change_nothing(
    tasks: list[dict[str, Any]], message: str, prepared: Path, tmp_path: Path
) -> None:
    before = tree(prepared / "photos")
    with pytest.raises(DataError, match=message):
        label(prepared, "photos", export_labels(tmp_path / "next", *tasks))
    assert tree(prepared / "photos") == before


@pytest.fixture
def prepared(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which `label` returns the planned moves without carrying them out.

    Adding data to DVC takes several seconds, so the tests that use this fixture avoid it.
    """
    from pipelines.data import labeling

    make_photos(repository / "photos", per_class=2)
    (repository / "scratch").mkdir()
    shutil.copy(repository / "photos" / "red" / "000.png", repository / "outside.png")
    monkeypatch.setattr(
        labeling, "change_photos", lambda root, path, _, prepare: prepare(root / path, root / "scratch")[0]
    )
    return repository


def test_photos_are_added_to_train_if_the_data_has_splits(prepared: Path, tmp_path: Path) -> None:
    photos = prepared / "photos"
    shutil.rmtree(photos)
    for split in ("train", "test"):
        make_photos(photos / split, per_class=2)
    labels = export_labels(tmp_path / "next", annotate("photos/red/000.png", "red"))
    moves: Any = label(prepared, "photos", labels)
    assert [target.relative_to(photos).as_posix() for _, target in moves] == ["train/red/000-2.png"]


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
def test_new_rows_copy_the_label_columns_from_a_row_of_the_same_class(name: str, tmp_path: Path) -> None:
    rows = [
        (f"images/{number}.png", color, split)
        for number, (color, split) in enumerate(
            [("red", "test"), ("red", "train"), ("blue", "train"), ("green", "train")]
        )
    ]
    frame = pd.DataFrame(rows, columns=["file", "class", "split"]).assign(by="me", number=[1, 1, 0, 2])
    path = tmp_path / name
    if name.endswith("parquet"):
        frame.astype({"class": "category"}).to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if name.endswith("tsv") else ";")
    before = path.read_bytes()
    table = find_label_table([*frame["file"], name], lambda _: before)
    assert table is not None
    with pytest.raises(DataError, match="one of the 3 classes of labels"):
        add_rows(path, table, [("images/8.png", "pink")])
    write = add_rows(path, table, [("images/8.png", "red"), ("images/=9.png", "blue")])
    assert path.read_bytes() == before
    write(path)
    labels = [(row.path, row.label, row.split) for row in read_labels(path).rows]
    assert labels[4:] == [("images/8.png", "red", "train"), ("images/=9.png", "blue", "train")]
    assert [row[:2] for row in labels[:4]] == [row[:2] for row in rows]
    extended, _ = read_frame(path)
    assert list(extended["by"])[:4] == ["me"] * 4
    assert pd.isna(extended["by"].iloc[4]) or not extended["by"].iloc[4]


@pytest.mark.parametrize("kind", ["int32", "Int64", "uint8", "bool", "category"])
def test_a_parquet_table_keeps_its_types_and_numbers(kind: str, tmp_path: Path) -> None:
    path, large = tmp_path / "labels.parquet", 2**60 + 1  # no float can represent it
    labels = pd.Series([0, 1, 0]).astype(kind)
    frame = pd.DataFrame({"path": ["i/0.png", "i/1.png", "i/2.png"], "label": labels, "photographer": [1, 2, large]})
    frame.to_parquet(path)
    types = pq.read_schema(path).types
    name = "True" if kind == "bool" else "1"
    for number in (8, 9):
        table = find_label_table([*read_frame(path)[0]["path"], path.name], lambda _: path.read_bytes())
        assert table is not None
        add_rows(path, table, [(f"i/{number}.png", name)])(path)
    written = pq.read_table(path)
    assert written["label"].to_pylist() == [*labels, labels[1], labels[1]]
    assert written["photographer"].to_pylist() == [1, 2, large, None, None]
    assert written.schema.types[1:] == types[1:]
