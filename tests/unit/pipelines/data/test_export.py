"""Exported data is read back unchanged."""

import json
from pathlib import Path

import pytest

from components.contract.errors import ArtifactError, DataError
from components.contract.params.data import ColumnNames
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.source import find_photos
from pipelines.cli.main import call
from pipelines.data.export import FORMATS, export_data
from tests.support.artifacts import make_photos

Facts = set[tuple[bytes, str | None, str | None]]


def read_facts(folder: Path, label_file: str | None = None) -> Facts:
    """Returns the content, class and split of each photo. If `label_file` is "", Darkroom must find the label files."""
    photo_set = find_photos(DataFolder(folder, label_file=folder / label_file if label_file else None))
    if label_file == "":
        assert photo_set.notices[-1].startswith("The labels come from "), "Darkroom must find the label files"
    return {(file.location.read_bytes(), file.record.class_name, file.record.split) for file in photo_set.files}


def make_split_photos(folder: Path) -> Path:
    for seed, split in enumerate(("train", "valid", "test")):
        make_photos(folder / split, per_class=2, seed=seed)
    for split in ("train", "valid", "test"):
        (folder / split / "red").rename(folder / split / "=rot, größer")
    return folder


@pytest.mark.parametrize("has_splits", [False, True])
@pytest.mark.parametrize("format_name", FORMATS)
def test_an_export_is_read_back_unchanged(format_name: str, has_splits: bool, tmp_path: Path) -> None:
    data = make_split_photos(tmp_path / "data") if has_splits else make_photos(tmp_path / "data", per_class=3)
    before = read_facts(data)
    export = export_data(str(data), ColumnNames(), format_name, tmp_path / "export")
    assert (export.num_photos, export.num_left_out) == (len(before), 0)
    assert read_facts(tmp_path / "export", "") == before
    if len(export.label_files) == 1:
        assert read_facts(tmp_path / "export", export.label_files[0]) == before
    again = export_data(str(tmp_path / "export"), ColumnNames(), format_name, tmp_path / "again")
    for name in export.label_files:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "export" / name).read_bytes()
    assert again.label_files == export.label_files


def test_labels_exported_without_photos_contain_paths_relative_to_the_data(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "data", per_class=2)
    before = read_facts(data)
    for format_name in FORMATS:
        target = tmp_path / format_name
        export = export_data(str(data), ColumnNames(), format_name, target, labels_only=True)
        assert not list(target.rglob("*.png"))
        (target / export.label_files[0]).rename(data / export.label_files[0])
        assert read_facts(data, export.label_files[0]) == before
        (data / export.label_files[0]).unlink()


def test_tables_with_custom_columns_and_absolute_photo_paths_are_exported(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "data", per_class=2)
    photos = sorted(data.rglob("*.png"))
    rows = [f"{photo},{photo.parent.name},patient {number // 2}" for number, photo in enumerate(photos)]
    (tmp_path / "labels.csv").write_text("\n".join(["where,breed,patient", *rows, f"{data}/absent.png,red,x"]))
    columns = ColumnNames(path="where", label="breed")
    export = export_data(str(tmp_path / "labels.csv"), columns, "csv", tmp_path / "export")
    assert (export.num_photos, export.num_left_out) == (6, 1)
    assert read_facts(tmp_path / "export") == read_facts(data)
    assert {file.record.group for file in find_photos(DataFolder(tmp_path / "export")).files} == {
        "patient 0",
        "patient 1",
        "patient 2",
    }


def test_an_export_replaces_nothing_and_is_complete_or_absent(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "data", per_class=2)
    with pytest.raises(ArtifactError, match="already exists"):
        export_data(str(data), ColumnNames(), "csv", data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="must be folders of photos"):
        export_data(str(tmp_path / "empty"), ColumnNames(), "csv", tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_the_command_prints_the_names_of_the_label_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = make_photos(tmp_path / "data", per_class=2)
    for options in ([], ["--json"]):
        target = tmp_path / f"export{len(options)}"
        arguments = ["data", "export", str(data), "--format", "label-studio", "--output", str(target), *options]
        assert call(arguments) == 0
        assert "tasks.json" in capsys.readouterr().out
    task = json.loads((tmp_path / "export0" / "tasks.json").read_text())[0]
    assert task["data"]["image"].startswith("/data/local-files/?d=")
    assert task["annotations"][0]["result"][0]["value"] == {"choices": ["blue"]}
