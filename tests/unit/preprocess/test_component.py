"""The preprocess step as a KFP component, as a program, and in an MLflow run."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.contract.artifacts.dataset import SPLITS, read_info
from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.contract.params.pipeline import PreprocessParams, dump_section
from components.contract.system.program import EVENTS_VARIABLE
from components.preprocess.component import list_photos as list_component
from components.preprocess.component import preprocess as component
from components.preprocess.component import read_photos as read_component
from components.preprocess.parts import portions, work
from components.preprocess.parts.listing_file import read_portions
from components.preprocess.scan import scan_portion
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.step import preprocess
from pipelines.runners.events import read_events
from tests.support.artifacts import make_photos
from tests.unit.preprocess.dataset_files import add_photo

ROOT = Path(__file__).parents[3]
PARAMS = PreprocessParams(image_size=(16, 12), golden_photos=7)


def test_the_mlflow_run_records_the_data_set(
    tmp_path: Path, mlflow_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    data = make_photos(tmp_path / "photos", per_class=20)
    (data / "README.md").write_text("about")
    monkeypatch.setenv("DARKROOM_RUN_KEY", "the-run")
    info = preprocess(str(data), PARAMS, tmp_path / "dataset")
    run = MlflowClient().get_run(str(info.mlflow_run_id))
    (dataset_input,) = run.inputs.dataset_inputs
    assert (dataset_input.dataset.name, dataset_input.dataset.digest) == ("photos", info.fingerprint[:36])
    assert dataset_input.dataset.source == str(data)
    assert json.loads(dataset_input.dataset.profile)["train"] == info.num_images("train")
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


def test_without_a_run_key_nothing_is_tracked(tmp_path: Path, mlflow_store: str) -> None:
    from mlflow import MlflowClient

    data = make_photos(tmp_path / "photos", per_class=6)
    assert preprocess(str(data), PARAMS, tmp_path / "dataset").mlflow_run_id is None
    assert [experiment.name for experiment in MlflowClient().search_experiments()] == ["Default"]


class Output:
    def __init__(self, path: Path):
        self.path = str(path)


def test_the_component_writes_the_data_set_and_the_audit_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    (data / "<b>").mkdir()
    for number in range(3):
        add_photo(data / "<b>" / f"{number}.png", seed=number)
    outputs = Output(tmp_path / "kfp" / "dataset"), Output(tmp_path / "kfp" / "audit")
    component.python_func(str(data), dump_section(ColumnNames()), dump_section(PARAMS), *outputs)
    assert read_info(tmp_path / "kfp" / "dataset").num_kept == 21
    page = (tmp_path / "kfp" / "audit").read_text()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "data:image/jpeg;base64," in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "[preprocess] Kept 21 photos" in capsys.readouterr().out


def test_a_failed_reader_is_reported_and_other_portions_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A permanently unreadable photo makes the same task fail on each attempt."""
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events.jsonl"))
    monkeypatch.setattr(portions, "PORTION_FILES", 4)
    data = make_photos(tmp_path / "photos", per_class=8)
    texts = str(data), dump_section(ColumnNames()), dump_section(PARAMS)
    list_component.python_func(*texts, Output(tmp_path / "listing"))
    (bad, *_) = [portion.files[0] for portion in read_portions(tmp_path / "listing", DataFolder(data), 1, 3)]

    def fail(files: Sequence[PhotoFile], *values: object) -> None:
        if bad.location in [file.location for file in files]:
            raise DataError("The data must not change while it is read; it changed.")
        scan_portion(files, *values)

    def read(part: int) -> None:
        read_component.python_func(Output(tmp_path / "listing"), *texts, part, 3)

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(work, "scan_portion", fail)
            read(0)
            with pytest.raises(DataError):
                read(1)
            read(2)
        failures = [event["step"] for event in read_events(tmp_path / "events.jsonl") if event["event"] == "failed"]
        assert set(failures) == {"read-photos-2"}
    indexes = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "shared").rglob("index.sqlite")}
    capsys.readouterr()
    for part in range(3):
        read(part)
    assert len(indexes) > 1
    assert {path: path.stat().st_mtime_ns for path in indexes} == indexes, "finished portions must not be read again"
    assert capsys.readouterr().out.count("Read portion") == len(
        set((tmp_path / "cache" / "shared").rglob("index.sqlite")) - set(indexes)
    )


def run_program(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "components.preprocess", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_program_resolves_auto_params_and_writes_the_data_set(tmp_path: Path) -> None:
    data = make_photos(tmp_path / "photos", per_class=6, size=(20, 24))
    (tmp_path / "params.yaml").write_text(f"data:\n  uri: {data}\n")
    result = run_program("--params", str(tmp_path / "params.yaml"), "--output", str(tmp_path / "dataset"))
    assert result.returncode == 0, result.stderr
    assert read_info(tmp_path / "dataset").image_size == (20, 24)


def test_the_program_reports_errors_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"data:\n  uri: {tmp_path / 'none'}\n")
    result = run_program("--params", str(tmp_path / "params.yaml"), "--output", str(tmp_path / "dataset"))
    assert result.returncode == 2
    assert result.stderr.startswith("darkroom: The data must be a folder of class folders")
    assert len(result.stderr.splitlines()) == 1
