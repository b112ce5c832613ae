"""Trainings that are interrupted end with the weights of one that was not."""

import functools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest

from tests.made import make_dataset
from tests.unit.train.interrupted import Point, train_small

Ended = tuple[list[np.ndarray], dict[str, list[float]], int]
CHECKPOINT = "components.train.checkpoint"
WRITING = ("Checkpoints.save", "_write", "write_json", "write_file", "_sync", "shutil.rmtree")
TWICE = (
    Point(f"{CHECKPOINT}:write_json", 2, where="twice"),
    Point("components.train.resume:Saver.on_train_batch_end", 3, signal.SIGTERM, where="twice"),
)
ALL = (
    *(Point("components.train.batches:Batches.__getitem__", call) for call in (3, 11, 21, 33, 60)),
    *(Point(f"{CHECKPOINT}:{name}", call) for call in (1, 3) for name in WRITING),
    *(Point("components.contract.outputs:_replace", call) for call in (1, 4)),
    *(Point("components.train.fit:Fitting.keep", call) for call in (1, 2)),
    *(Point("components.train.phases:select", call) for call in (1, 2)),
    *(Point(f"components.train.resume:Saver.{name}", call, signal.SIGTERM)
      for name in ("on_train_batch_end", "on_test_batch_end", "on_epoch_end") for call in (1, 4)),
    *(Point("components.train.batches:Batches.__getitem__", call, averaging="swa") for call in (25, 55)),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the data set, and of what the trainings leave."""
    folder = tmp_path_factory.mktemp("interrupted")
    make_dataset(folder / "dataset", per_class=11)
    return folder


@pytest.fixture(scope="module")
def uninterrupted(folder: Path) -> Callable[[str], Ended]:
    """The same training, whole, by what averages its weights."""

    @functools.cache
    def trained(averaging: str) -> Ended:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DARKROOM_CHECKPOINTS", "")
            return train_small(folder / f"whole-{averaging}", averaging)

    return trained


def interrupt(folder: Path, points: tuple[Point, ...]) -> list[int]:
    """The exit code of each training."""
    order = json.dumps([astuple(point) for point in points])
    command = [sys.executable, "-m", "tests.unit.train.interrupted", str(folder), order]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(line.split()[-1]) for line in result.stdout.splitlines() if line.startswith("ended with ")]


def check_goes_on(folder: Path, point: Point, uninterrupted: Callable[[str], Ended]) -> None:
    weights, history, best_epoch = train_small(folder / point.folder_name, point.averaging)
    expected_weights, expected_history, expected_best = uninterrupted(point.averaging)
    assert all(np.array_equal(one, other) for one, other in zip(weights, expected_weights, strict=True)), point
    assert best_epoch == expected_best
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "phase"):
        assert history[name] == pytest.approx(expected_history[name], rel=1e-5), (point, name)
    assert not list((folder / point.folder_name).glob("*/")), "no checkpoint is left of a training that has ended"


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_CHECKPOINTS", "")  # and so it is as before when the test has ended


@pytest.mark.usefixtures("_environment")
def test_a_training_that_was_ended_twice_goes_on_and_ends_with_the_same_weights(
    folder: Path, uninterrupted: Callable[[str], Ended], caplog: pytest.LogCaptureFixture
) -> None:
    """Killed while a checkpoint is written, gone on with, asked to end, gone on with."""
    assert interrupt(folder, TWICE) == [-signal.SIGKILL, 128 + signal.SIGTERM]
    with caplog.at_level("INFO", logger="components"):
        check_goes_on(folder, TWICE[-1], uninterrupted)
    assert [message for message in caplog.messages if message.startswith("Goes on from a checkpoint: phase ")]


@pytest.mark.proof
@pytest.mark.usefixtures("_environment")
def test_a_training_goes_on_wherever_it_was_killed(folder: Path, uninterrupted: Callable[[str], Ended]) -> None:
    for _ in range(5):
        codes = interrupt(folder, ALL)
        for point, code in zip(ALL, codes, strict=True):
            assert code in (-signal.SIGKILL, 128 + signal.SIGTERM), point
            check_goes_on(folder, point, uninterrupted)
            shutil.rmtree(folder / point.folder_name, ignore_errors=True)
