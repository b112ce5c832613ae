"""Training that is interrupted and resumed ends with the weights of uninterrupted training."""

import functools
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.artifacts import make_dataset
from tests.unit.train.interrupted import (
    AT_RANDOM,
    EPOCHS,
    EPOCHS_AT_RANDOM,
    Point,
    interrupt_in_subprocess,
    train_small,
)

Ended = tuple[list[np.ndarray], dict[str, list[float]], int]
CHECKPOINT = "components.train.loop.checkpoint"
WRITING = ("Checkpoints.save", "_write", "write_json", "write_file", "_sync", "shutil.rmtree")
TWICE = (
    Point(f"{CHECKPOINT}:write_json", 2, where="twice"),
    Point("components.train.loop.callbacks.saving:Saver.on_train_batch_end", 3, signal.SIGTERM, where="twice"),
)
ON_TWO_DEVICES = Point("components.train.loop.phases:train_phases", 0, where="two-devices", num_devices=2)
"""Never interrupted: its call number is 0, and calls are counted from 1."""
PLACES = (
    *(("components.train.loop.batches:Batches.__getitem__", call) for call in (3, 11, 21, 33, 60)),
    *((f"{CHECKPOINT}:{name}", call) for call in (1, 3) for name in WRITING),
    *(("components.contract.system.atomic_files:_replace", call) for call in (1, 4)),
    *(("components.train.loop.fit:PhaseFitter.keep", call) for call in (1, 2)),
    *(("components.train.loop.phases:select", call) for call in (1, 2)),
    *(
        (f"components.train.loop.{name}", call)
        for name in ("features:compute_features", "inference:_Progress.report")
        for call in (1, 3)
    ),
)
"""Where to interrupt: in the middle of an epoch; between the files of a checkpoint and before its rename; at the best
epoch; at the start of a phase; while frozen features are computed and before their file is renamed."""
ALL = (
    *(Point(*place, signum) for place in PLACES for signum in (signal.SIGKILL, signal.SIGTERM)),
    *(
        Point(f"components.train.loop.callbacks.saving:Saver.{name}", call, signal.SIGTERM)
        for name in ("on_train_batch_end", "on_test_batch_end", "on_epoch_end")
        for call in (1, 4)
    ),
    *(Point("components.train.loop.batches:Batches.__getitem__", call, averaging="swa") for call in (25, 55)),
)
AT_ONCE = 12
"""Number of points per parent process, which imports TensorFlow once and forks for each point."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the data set and the files of all training runs."""
    folder = tmp_path_factory.mktemp("interrupted")
    make_dataset(folder / "dataset", per_class=11)
    return folder


@pytest.fixture(scope="module")
def uninterrupted(folder: Path) -> Callable[[str, int], Ended]:
    """Returns a function that trains without interruptions, given the weight averaging and the epochs per phase."""

    @functools.cache
    def trained(averaging: str, epochs: int) -> Ended:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DARKROOM_CHECKPOINTS", "")
            return train_small(folder / f"whole-{averaging}-{epochs}", averaging, epochs=epochs)

    return trained


def check_goes_on(
    folder: Path, averaging: str, uninterrupted: Callable[[str, int], Ended], epochs: int = EPOCHS
) -> None:
    weights, history, best_epoch = train_small(folder, averaging, epochs=epochs)
    expected_weights, expected_history, expected_best = uninterrupted(averaging, epochs)
    assert all(np.array_equal(actual, expected) for actual, expected in zip(weights, expected_weights, strict=True)), (
        folder
    )
    assert best_epoch == expected_best
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "phase"):
        assert history[name] == pytest.approx(expected_history[name], rel=1e-5), (folder, name)
    assert not list(folder.glob("*/")), "no checkpoint may remain after training"


@pytest.fixture
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_CHECKPOINTS", "")  # the test changes it, and monkeypatch restores it


@pytest.fixture(scope="module")
def codes(folder: Path) -> list[int]:
    """The exit codes of the training runs for the quick tests; one process imports TensorFlow and forks the runs."""
    return interrupt_in_subprocess(folder, (*TWICE, ON_TWO_DEVICES))


@pytest.mark.usefixtures("_environment")
def test_training_that_is_interrupted_twice_ends_with_the_same_weights(
    folder: Path, codes: list[int], uninterrupted: Callable[[str, int], Ended], caplog: pytest.LogCaptureFixture
) -> None:
    """Training is killed while it writes a checkpoint, then resumed, then asked to end, and then resumed again."""
    assert codes[:2] == [-signal.SIGKILL, 128 + signal.SIGTERM]
    with caplog.at_level("INFO", logger="components"):
        check_goes_on(folder / TWICE[-1].folder_name, TWICE[-1].averaging, uninterrupted)
    assert [message for message in caplog.messages if message.startswith("Resuming from a checkpoint: phase ")]


@pytest.mark.usefixtures("_environment")
def test_two_devices_train_like_one(folder: Path, codes: list[int]) -> None:
    assert codes[2] == 0
    weights, _, _ = train_small(folder / "one-device", ON_TWO_DEVICES.averaging, epochs=1, plain=True)
    with np.load(folder / f"{ON_TWO_DEVICES.folder_name}-weights.npz") as stored:
        for name, expected in zip(stored.files, weights, strict=True):
            assert np.allclose(stored[name], expected, atol=1e-3), np.abs(stored[name] - expected).max()


@pytest.mark.proof
@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("time", range(5))
@pytest.mark.parametrize("first", range(0, len(ALL), AT_ONCE))
def test_training_resumes_after_an_interruption_at_any_point(
    folder: Path, uninterrupted: Callable[[str, int], Ended], first: int, time: int
) -> None:
    points = ALL[first : first + AT_ONCE]
    codes = interrupt_in_subprocess(folder, points)
    for point, code in zip(points, codes, strict=True):
        expected = (-signal.SIGKILL,) if point.signum == signal.SIGKILL else (128 + signal.SIGTERM, -signal.SIGTERM)
        assert code in expected, point
        check_goes_on(folder / point.folder_name, point.averaging, uninterrupted)
        for folder_name in (point.folder_name, f"{point.folder_name}-cache"):
            shutil.rmtree(folder / folder_name, ignore_errors=True)


@pytest.mark.proof
@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("seed", range(3))
def test_training_that_is_killed_five_times_produces_the_same_weights(
    folder: Path, uninterrupted: Callable[[str, int], Ended], seed: int
) -> None:
    assert interrupt_in_subprocess(folder, seed) == [-signal.SIGKILL] * 5
    check_goes_on(folder / AT_RANDOM, "ema", uninterrupted, EPOCHS_AT_RANDOM)
