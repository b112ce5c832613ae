"""Applying label decisions to class folders or label tables creates a new version of the data."""

from pathlib import Path

import pandas as pd
import pytest

from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.sources.readers.label_files import read_labels
from components.preprocess.sources.readers.table import read_frame
from components.preprocess.step import preprocess
from pipelines.data import versions
from pipelines.data.diff import compare_versions
from pipelines.data.export import export_data
from pipelines.data.relabel import change_table, find_photo_names, read_decisions, relabel
from pipelines.data.snapshot import find_label_table
from tests.support.artifacts import make_photos
from tests.unit.pipelines.data.repositories import dvc, run
from tests.unit.preprocess.dataset_files import tree


def test_decisions_become_a_new_version_and_the_old_one_can_be_restored(repository: Path) -> None:
    photos = make_photos(repository / "data" / "photos", per_class=4)
    before = tree(photos)
    first = versions.add(photos, None)
    (repository / "decisions.csv").write_text("path,label\nred/000.png,blue_\nred/001.png,\nred/002.png,red\n")
    with pytest.raises(DataError, match=r"one of the 3 classes of photos; .* 'blue_' \(did you mean blue\?\)"):
        relabel(repository, "data/photos", read_decisions(repository / "decisions.csv"))
    assert tree(photos) == before
    (photos / "red" / "000.png").rename(photos / "red" / "a.png")
    with pytest.raises(DataError, match="must be unchanged since its last version"):
        relabel(repository, "data/photos", {"red/a.png": "blue"})
    (photos / "red" / "a.png").rename(photos / "red" / "000.png")
    second = relabel(repository, "data/photos", {"red/001.png": None, "red/002.png": "red"})
    assert second.num_files == 11
    run("git", "checkout", "--quiet", first.commit, "--", "data/photos.dvc", cwd=repository)
    dvc("checkout", "--quiet", "--force", cwd=repository)
    assert tree(photos) == before


def write_table(folder: Path, name: str) -> Path:
    """Writes a label table for the photos in `folder`, with an additional column, `by`."""
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    frame = pd.DataFrame({"file": paths, "class": [path.split("-")[1][:-4] for path in paths], "by": "me"})
    if name.endswith("parquet"):
        frame.astype({"class": "category"}).to_parquet(folder / name)
    else:
        frame.to_csv(folder / name, index=False, sep=";" if name == "labels.csv" else "\t")
    return folder / name


def make_flat_photos(folder: Path) -> Path:
    """Creates photos of three classes in a single folder, `images`, instead of class folders."""
    (folder / "images").mkdir(parents=True)
    for path in sorted(make_photos(folder.parent / "made", per_class=3).rglob("*.png")):
        path.rename(folder / "images" / f"{path.stem}-{path.parent.name}.png")
    return folder


def test_labels_in_a_table_are_changed_and_the_photos_stay_in_place(repository: Path) -> None:
    folder = make_flat_photos(repository / "photos")
    write_table(folder, "labels.csv")
    photos = tree(folder / "images")
    first = versions.add(folder, None)
    second = relabel(repository, "photos", {"images/000-red.png": "blue", "./images/001-red.png": None})
    assert tree(folder / "images") == photos, "no photo may be changed"
    assert sorted(path.name for path in folder.iterdir()) == ["images", "labels.csv"]
    changes = compare_versions(repository, "photos", first.commit, second.commit)
    assert (changes.added, changes.removed, changes.moved) == ([], ["images/001-red.png"], [])
    assert changes.relabeled == [("images/000-red.png", "red", "blue")]
    assert changes.counts == {"blue": (3, 4), "green": (3, 3), "red": (3, 1)}
    info = preprocess(
        f"dvc+{repository}@{first.commit}:photos/labels.csv",
        PreprocessParams(image_size=16),
        repository.parent / "dataset",
    )
    assert (info.num_kept, info.num_rejected, info.name) == (9, 0, "labels"), (
        "the photos must be fetched together with the table"
    )


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet"])
def test_decisions_change_the_rows_of_a_table_and_nothing_else(name: str, tmp_path: Path) -> None:
    path = write_table(make_flat_photos(tmp_path / "photos"), name)
    before = path.read_bytes()
    photos = [f"images/{photo.name}" for photo in (path.parent / "images").iterdir()]
    table = find_label_table([*photos, name], lambda _: before)
    assert table is not None
    for decisions, message in (
        ({"images/absent.png": "red"}, "has no row for 'images/absent.png'"),
        ({"images/000-red.png": "pink"}, "one of the 3 classes of labels"),
        ({"images/000-red.png": "red"}, "No decision changes anything"),
    ):
        with pytest.raises(DataError, match=message):
            change_table(path, table, decisions)
    write, num_changed = change_table(path, table, {"images/000-red.png": "blue", "images/001-red.png": None})
    assert (num_changed, path.read_bytes()) == (2, before)
    write(path)
    assert [(row.path, row.label) for row in read_labels(path).rows if "red" in str(row.path)] == [
        ("images/000-red.png", "blue"),
        ("images/002-red.png", "red"),
    ]
    frame, text_format = read_frame(path)
    assert list(frame["by"]) == ["me"] * 8
    separator = text_format.separator if text_format is not None else None
    assert separator == {"labels.csv": ";", "labels.tsv": "\t"}.get(name)


def test_invalid_decisions_change_nothing(repository: Path) -> None:
    photos = make_photos(repository / "photos", per_class=2)
    versions.add(photos, None)
    before = tree(photos)
    refusals: tuple[tuple[dict[str, str | None], str], ...] = (
        ({"red/absent.png": "blue"}, r"there is no photo 'red/absent\.png'"),
        ({"../photos.dvc": "blue"}, r"there is no photo '\.\./photos\.dvc'"),
        ({"red/000.png": "../../outside"}, "A label must be one of the 3 classes"),
        ({"red/000.png": "red"}, "No decision changes anything"),
    )
    for decisions, message in refusals:  # one repository for all cases, because DVC takes two seconds to add photos
        with pytest.raises(DataError, match=message):
            relabel(repository, "photos", decisions)
        assert tree(photos) == before, decisions


def test_an_empty_label_in_a_parquet_table_removes_the_photo(tmp_path: Path) -> None:
    path = tmp_path / "decisions.parquet"
    for labels in (pd.Series(["red", None]), pd.Series([1, None], dtype="Int64")):
        pd.DataFrame({"path": ["a.png", "b.png"], "label": labels}).to_parquet(path)
        assert read_decisions(path) == {"a.png": str(labels[0]), "b.png": None}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8-sig", "path;label;reason\r\nÄpfel/1.png;Nüsse;looks so\r\nÄpfel/2.png;;\r\n"),
        ("cp1252", "path;label\r\nÄpfel/1.png;Nüsse\r\nÄpfel/2.png;\r\n"),
        ("utf-16", "path\tlabel\r\nÄpfel/1.png\tNüsse\r\nÄpfel/2.png\t\r\n"),
        ("utf-8", "sep=;\r\npath;label\r\nÄpfel\\1.png;Nüsse\r\nC:\\data\\obst\\Äpfel\\2.png;\r\n"),
        ("utf-8", "path,label\nA\u0308pfel/1.png,Nu\u0308sse\nÄpfel/2.png,\n"),
    ],
)
def test_decisions_saved_by_excel_are_read(encoding: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "decisions.csv").write_bytes(text.encode(encoding))
    decisions = read_decisions(tmp_path / "decisions.csv")
    names = ["Äpfel/1.png", "Äpfel/2.png", "Nüsse/1.png"]
    assert find_photo_names(decisions, names) == {"Äpfel/1.png": "Nüsse", "Äpfel/2.png": None}


def test_decisions_that_name_a_photo_in_two_ways_must_agree() -> None:
    with pytest.raises(DataError, match=r"red/1\.png has two"):
        find_photo_names({"red/1.png": "blue", "red\\1.png": None}, ["red/1.png"])


def test_relabeling_changes_both_the_number_and_the_name_of_a_class(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes("path;class;class_name\na.png;1;Äpfel\nb.png;2;Nüsse\nc.png;2;Nüsse\n".encode("utf-8-sig"))
    names = ["a.png", "b.png", "c.png", "labels.csv"]
    table = find_label_table(names, lambda _: path.read_bytes())
    assert table is not None
    write, _ = change_table(path, table, {"a.png": "Nüsse", "b.png": None})
    write(path)
    assert path.read_bytes().decode("utf-8-sig").split() == ["path;class;class_name", "a.png;2;Nüsse", "c.png;2;Nüsse"]
    assert path.read_bytes().startswith(b"\xef\xbb\xbf"), "Excel needs the byte order mark for UTF-8"


def test_labels_that_are_not_in_a_table_must_be_exported_first(repository: Path) -> None:
    folder = make_flat_photos(repository / "photos")
    write_table(folder, "labels.csv")
    export_data(str(folder), ColumnNames(), "coco", repository / "other")
    versions.add(repository / "other", None)
    with pytest.raises(DataError, match=r"all in one CSV or Parquet table; those of other are in labels\.json"):
        relabel(repository, "other", {"images/000-red.png": "blue"})


def test_a_relabeled_photo_is_renamed_if_its_new_class_has_a_photo_of_that_name(repository: Path) -> None:
    photos = make_photos(repository / "photos", per_class=2)
    before = tree(photos)
    first = versions.add(photos, None)
    swap: dict[str, str | None] = {"red/000.png": "blue", "blue/000.png": "red", "green/000.png": "blue"}
    second = relabel(repository, "photos", swap)
    contents = {str(name): content for name, content in before.items()}
    after = {str(name): content for name, content in tree(photos).items()}
    prefix = "photos/" if any(name.startswith("photos/") for name in after) else ""
    assert after[f"{prefix}blue/000-2.png"] == contents[f"{prefix}red/000.png"]
    assert after[f"{prefix}red/000-2.png"] == contents[f"{prefix}blue/000.png"]
    assert after[f"{prefix}blue/000-3.png"] == contents[f"{prefix}green/000.png"]
    assert sorted(after.values()) == sorted(contents.values()), "no photo may be lost"
    changes = compare_versions(repository, "photos", first.commit, second.commit)
    assert sorted(change[1:] for change in changes.relabeled) == [("blue", "red"), ("green", "blue"), ("red", "blue")]
