"""Runs all steps on real pictures with the real KFP runner, up to a bento whose service has answered.

The paths of the folder and of the interpreter contain characters that are special in shells, glob patterns and URLs.
"""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.contract.artifacts.bento import read_deployment
from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.dataset import read_info
from components.contract.artifacts.evaluation import read_evaluation
from components.contract.params.pipeline import dump_section, load_params
from components.contract.tracking.store_address import tracking_uri
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.support.processes import marked, signals_to_test, wait_for

SMALL = (
    "--set",
    "preprocess.image_size=16",
    "--set",
    "train.epochs=4",
    "--set",
    "train.learning_rate=0.01",
    "--set",
    "train.model.layers=[{Conv2D: {filters: 8, kernel_size: 3}}, GlobalAveragePooling2D]",
    "--set",
    "evaluate.robustness_photos=0",
    "--set",
    "evaluate.bootstrap_resamples=200",
)


FOLDER = "Mein Büro/[1] 'one' \"two\" $HOME & python3; #10041?"


def darkroom(*arguments: str, cwd: Path, **environment: str) -> "subprocess.Popen[str]":
    python = str(cwd / "my environment" / "bin" / "python")
    return subprocess.Popen(
        [python, "-m", "pipelines.cli.main", *arguments],
        cwd=cwd,
        text=True,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace") / FOLDER
    folder.mkdir(parents=True)
    (folder / "my environment").symlink_to(sys.prefix)
    make_photos(folder / "my photos", per_class=40)
    (folder / "my photos" / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    (folder / "my photos" / "notes.txt").write_text("not a photo either")
    return folder


@pytest.fixture(scope="module")
def finished_run(workspace: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Runs the pipeline; returns the summary of the run and the text that it wrote to standard error."""
    process = darkroom("run", "--data", "my photos", *SMALL, "--json", cwd=workspace)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-4000:]
    return json.loads(out), err


def test_a_run_writes_a_complete_summary(workspace: Path, finished_run: tuple[dict[str, Any], str]) -> None:
    summary, _ = finished_run
    assert summary == json.loads((workspace / "runs" / "latest" / "summary.json").read_text())
    dataset = summary["dataset"]
    assert sum(dataset["kept"].values()) == 3 * 40
    assert sum(dataset["rejected"].values()) == 2
    assert set(dataset["kept"]) == {"train", "validation", "test"}
    assert summary["model"]["kind"] == "layers"
    for split in ("validation", "test"):
        for figure in ("accuracy", "macro_f1"):
            interval = summary[split][figure]
            assert 0 <= interval["low"] <= interval["value"] <= interval["high"] <= 1
    assert summary["test"]["accuracy"]["value"] > 0.9, "the model must distinguish the three colors"
    assert summary["gate"]["verdict"] == "first"
    assert summary["gate"]["reasons"]
    assert summary["promoted"] is True
    assert {"preprocess", "train", "evaluate", "deploy", "total"} == set(summary["seconds"])


def test_a_run_keeps_the_outputs_of_its_steps_and_no_kfp_files(
    workspace: Path, finished_run: tuple[dict[str, Any], str]
) -> None:
    summary, _ = finished_run
    folder = workspace / "runs" / summary["run_id"]
    info, bundle = read_info(folder / "dataset"), read_bundle(folder / "model")
    evaluation, deployment = read_evaluation(folder / "evaluation"), read_deployment(folder / "bento")
    assert info.class_names == bundle.class_names == evaluation.class_names == CLASS_NAMES
    assert info.fingerprint == bundle.dataset_fingerprint == evaluation.dataset_fingerprint
    assert bundle.export.sha256 == evaluation.export_sha256
    assert deployment.tag == summary["bento"]["tag"]
    assert (folder / "evaluation" / "report.html").stat().st_size > 10_000
    assert not (folder / "kfp").exists()
    params = load_params(folder / "params.yaml")
    assert dump_section(params.train) == json.dumps(bundle.params, sort_keys=True, separators=(",", ":"))
    assert (workspace / "runs" / "latest").resolve() == folder


def test_the_terminal_shows_the_steps_without_noise(finished_run: tuple[dict[str, Any], str]) -> None:
    _, output = finished_run
    for step in ("preprocess", "train", "evaluate", "deploy"):
        assert step in output
    assert "deploy.model_name: auto became my-photos" in output
    assert "executor_input" not in output
    assert "Traceback" not in output


def test_all_steps_log_to_one_finished_mlflow_run(
    workspace: Path, finished_run: tuple[dict[str, Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    summary, _ = finished_run
    monkeypatch.chdir(workspace)
    client = MlflowClient(tracking_uri())
    experiments = [experiment.name for experiment in client.search_experiments() if experiment.name != "Default"]
    assert experiments == ["my-photos"]
    runs = client.search_runs([client.get_experiment_by_name("my-photos").experiment_id])
    assert [run.info.run_id for run in runs] == [summary["mlflow_run_id"]]
    run = runs[0]
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"{summary['model']['name']} · {summary['run_id']}"
    assert run.data.params["train.epochs"] == "4"
    assert run.inputs.dataset_inputs[0].dataset.name == "my-photos"
    epochs = [metric.step for metric in client.get_metric_history(run.info.run_id, "val_loss")]
    assert len(epochs) == summary["model"]["epochs_run"]
    assert run.data.metrics["test/accuracy"] == pytest.approx(summary["test"]["accuracy"]["value"])
    folders = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"bundle", "evaluation"} <= folders
    champion = client.get_model_version_by_alias("my-photos", "champion")
    assert champion.run_id == run.info.run_id


def test_predict_writes_a_table_with_an_error_for_broken_files(
    workspace: Path, finished_run: tuple[dict[str, Any], str]
) -> None:
    import csv

    process = darkroom("predict", "my photos/red", "--output", "predictions.csv", cwd=workspace)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    with (workspace / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 41
    broken = [row for row in rows if row["error"]]
    assert [Path(row["path"]).name for row in broken] == ["broken.jpg"]
    labels = [row["label"] for row in rows if not row["error"]]
    assert labels.count("red") > 36


def test_darkroom_runs_lists_the_run(workspace: Path, finished_run: tuple[dict[str, Any], str]) -> None:
    summary, _ = finished_run
    out, _ = darkroom("runs", "--json", cwd=workspace).communicate(timeout=60)
    assert [(run["run_id"], run["status"]) for run in json.loads(out)] == [(summary["run_id"], "finished")]


def test_a_user_error_in_a_step_ends_the_run_with_exit_code_2(
    workspace: Path, finished_run: tuple[dict[str, Any], str]
) -> None:
    """An invalid weights file makes the train step fail: exit code 2, and one message with the step and the reason."""
    process = darkroom(
        "run",
        "--data",
        "my photos",
        "--set",
        "train.model.name=MobileNetV2",
        "--set",
        "preprocess.image_size=32",
        "--set",
        "train.model.weights=my photos/notes.txt",
        cwd=workspace,
    )
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2, err
    assert err.startswith("darkroom: train: ")
    assert "notes.txt" in err
    assert "Traceback" not in err
    out, _ = darkroom("runs", "--json", cwd=workspace).communicate(timeout=60)
    assert json.loads(out)[0]["status"] == "failed"
    latest = (workspace / "runs" / "latest").resolve()
    assert latest.name == finished_run[0]["run_id"], "a failed run must not become runs/latest"


@pytest.mark.parametrize(
    "signum", signals_to_test(signal.SIGKILL, signal.SIGINT, signal.SIGTERM), ids=lambda signum: signum.name
)
def test_tasks_stop_when_the_command_stops(workspace: Path, signum: signal.Signals) -> None:
    mark = f"mark-{uuid.uuid4()}"
    before = set((workspace / "runs").glob("*"))
    process = darkroom("run", "--data", "my photos", *SMALL, cwd=workspace, DARKROOM_TEST_MARK=mark)
    wait_for(lambda: any("executor_main" in command for command in marked(mark).values()), "a task to run")
    process.send_signal(signum)
    process.communicate(timeout=60)
    wait_for(lambda: not marked(mark), "every process of the run to end")
    assert process.returncode == (-signum if signum == signal.SIGKILL else 130)

    (run_dir,) = set((workspace / "runs").glob("*")) - before
    out, _ = darkroom("runs", "--json", cwd=workspace).communicate(timeout=60)
    assert {run["run_id"]: run["status"] for run in json.loads(out)}[run_dir.name] == "killed"
    assert not (run_dir / "summary.json").exists()
