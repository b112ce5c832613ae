"""The whole train step under faults: full or read-only disks, kills, and a faulty MLflow server."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.contract.artifacts.bundle import read_bundle
from components.contract.errors import ArtifactError
from components.contract.tracking import spool
from tests.support.artifacts import make_dataset
from tests.support.blocking import blocked_time
from tests.support.small_disk import remount, small_disk
from tests.support.tracking_server import Behavior, TrackingServer, hurry, tracking_server
from tests.unit.train.interrupted import Point, interrupt_in_subprocess, train_whole

RUN_ID = "b" * 32
STEP = "components.train.step"
WRITING = (
    Point("components.train.export.graph:save_graph", 2, whole=True),
    Point(f"{STEP}:write_json", 1, whole=True),
    Point(f"{STEP}:write_train_image_ids", 1, whole=True),
    Point(f"{STEP}:write_json", 2, whole=True),
    Point("components.train.loop.checkpoint:Checkpoints.remove", 1, whole=True),
    Point("components.contract.tracking.run:Run.log_artifacts", 1, whole=True),
)
"""Points between the end of training and the end of the step; at the last two, the bundle already exists."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """The folder with the data set, the MLflow store and the files of all training runs."""
    folder = tmp_path_factory.mktemp("faults")
    make_dataset(folder / "dataset", per_class=11)
    shutil.copy(empty_store, folder / "mlflow.db")
    return folder


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restores the environment variables and the address of MLflow after each test."""
    for name in ("DARKROOM_CHECKPOINTS", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")
    yield
    import mlflow

    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def expected(folder: Path) -> Callable[[], bytes]:
    """Returns a function that returns the exported weights of a training run without faults."""

    def weights() -> bytes:
        path = folder / "whole" / "model" / "export" / "model.bin"
        if not path.exists():
            train_whole(folder / "whole")
        return path.read_bytes()

    return weights


def weights_of(bundle_dir: Path) -> bytes:
    read_bundle(bundle_dir)
    return (bundle_dir / "export" / "model.bin").read_bytes()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrackingServer]:
    with tracking_server(tmp_path / "artifacts") as server:
        monkeypatch.setenv("MLFLOW_RUN_ID", RUN_ID)
        yield server


def train_with(server: TrackingServer, folder: Path, behavior: Behavior) -> float:
    """Trains with a tracking server that has this behavior. Returns the seconds for which the step was blocked."""
    from components.train.step import train
    from tests.unit.train.interrupted import small_params

    os.environ["DARKROOM_CACHE"] = str(folder / "cache")
    os.environ["MLFLOW_TRACKING_URI"] = server.uri
    server.behave(behavior)
    with blocked_time() as blocked:
        train(folder / "dataset", small_params("ema"), folder / behavior)
    return blocked.seconds


@pytest.mark.proof
def test_training_continues_without_mlflow_and_is_logged_later(
    folder: Path, server: TrackingServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hurry(monkeypatch, 50)
    train_with(server, folder, "faulty")
    assert read_bundle(folder / "faulty").mlflow_run_id == RUN_ID
    assert "Retrying; the step continues." in caplog.text
    server.behave("good")
    spool._resend(sorted(spool._unsent_dir().iterdir()))
    steps = [step for name, _, step in server.figures(RUN_ID) if name == "val_loss"]
    assert steps == [1, 2, 3, 4]
    assert (server.artifacts_dir / "bundle" / "bundle.json").exists()


@pytest.mark.proof
@pytest.mark.parametrize("behavior", ["slow", "silent", "faulty", "gone"])
def test_a_faulty_store_delays_training_by_at_most_about_a_minute(
    folder: Path, server: TrackingServer, behavior: Behavior
) -> None:
    good = train_with(server, folder, "good")
    seconds = train_with(server, folder, behavior)
    print(f"blocked for {seconds:.1f} s; with a good store, for {good:.1f} s")
    assert seconds - good < 62
    assert weights_of(folder / behavior) == weights_of(folder / "good")


@pytest.mark.proof
@pytest.mark.parametrize("time", range(5))
def test_a_kill_while_the_bundle_is_written_loses_neither_trained_weights_nor_a_bundle(
    folder: Path, expected: Callable[[], bytes], time: int, caplog: pytest.LogCaptureFixture
) -> None:
    for point in WRITING:
        earlier = folder / point.folder_name / "model" / "bundle.json"
        earlier.parent.mkdir(parents=True)
        earlier.write_text("the earlier one")
    assert interrupt_in_subprocess(folder, WRITING) == [-signal.SIGKILL] * len(WRITING)
    for number, point in enumerate(WRITING):
        bundle_dir = folder / point.folder_name / "model"
        if number < len(WRITING) - 2:
            assert (bundle_dir / "bundle.json").read_text() == "the earlier one"
            caplog.clear()
            with caplog.at_level("INFO", logger="components"):
                train_whole(folder / point.folder_name)
            assert any(message.startswith("Resuming from a checkpoint") for message in caplog.messages)
            assert not any(message.startswith("Epoch ") for message in caplog.messages), "no epoch may be repeated"
        assert weights_of(bundle_dir) == expected(), point
        shutil.rmtree(folder / point.folder_name)
        shutil.rmtree(folder / f"{point.folder_name}-cache", ignore_errors=True)


@pytest.mark.proof
@pytest.mark.parametrize("size", ["8k", "24k", "40k", "64k"])
def test_a_full_disk_loses_the_bundle_but_not_the_trained_weights(
    folder: Path,
    expected: Callable[[], bytes],
    size: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from components.train.step import train
    from tests.unit.train.interrupted import small_params

    monkeypatch.setenv("DARKROOM_CHECKPOINTS", str(tmp_path / "checkpoints"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    with small_disk(tmp_path / "disk", size) as disk:
        with pytest.raises(ArtifactError, match=r"(?i)free some space"):
            train(folder / "dataset", small_params("ema"), disk / "model")
        assert not list(disk.iterdir())
        remount(disk, "size=16m")
        caplog.clear()
        with caplog.at_level("INFO", logger="components"):
            train(folder / "dataset", small_params("ema"), disk / "model")
        assert not any(message.startswith("Epoch ") for message in caplog.messages), "no epoch may be repeated"
        assert weights_of(disk / "model") == expected()


@pytest.mark.proof
def test_an_unwritable_output_is_reported_before_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from components.train.step import train
    from tests.unit.train.interrupted import small_params

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    with small_disk(tmp_path / "disk", "1m") as disk, caplog.at_level("INFO", logger="components"):
        remount(disk, "ro")
        with pytest.raises(ArtifactError, match=r"The output folder .*disk/model cannot be written"):
            train(folder / "dataset", small_params("ema"), disk / "model")
    assert not any(message.startswith("Epoch ") for message in caplog.messages)
