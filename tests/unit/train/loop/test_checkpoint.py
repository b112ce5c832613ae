"""Checkpoints are complete or absent, verified when read, and valid for only one training run."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.contract.errors import ArtifactError
from components.train.loop.checkpoint import State, TrainingIdentity, open_checkpoints
from tests.support.small_disk import small_disk

IDENTITY = TrainingIdentity("f" * 64, {"epochs": 4, "model": {"name": None}}, "n" * 64)


def state(epoch: int, step: int = 0) -> State:
    arrays = {"network": [np.arange(3, dtype=np.float32), np.ones((2, 2), np.int64)], "best": []}
    facts = {"history": {"val_accuracy": [0.5, 0.75][:epoch]}, "best_epoch": epoch}
    return State(1, epoch, step, False, facts, arrays)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DARKROOM_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return tmp_path / "checkpoints" / IDENTITY.folder_name


def save(*states: State, identity: TrainingIdentity = IDENTITY) -> None:
    with open_checkpoints(identity) as checkpoints:
        assert checkpoints is not None
        for saved_state in states:
            checkpoints.save(saved_state)


def newest(identity: TrainingIdentity = IDENTITY) -> State | None:
    with open_checkpoints(identity) as checkpoints:
        assert checkpoints is not None
        return checkpoints.newest()


def test_a_checkpoint_is_read_back_unchanged(folder: Path) -> None:
    save(state(1, 30))
    newest_state = newest()
    assert newest_state is not None
    assert (newest_state.phase, newest_state.epoch, newest_state.step, newest_state.ended) == (1, 1, 30, False)
    assert newest_state.facts == state(1).facts
    assert newest_state.arrays.keys() == {"network", "best"}
    assert newest_state.arrays["best"] == []
    for actual, expected in zip(newest_state.arrays["network"], state(1).arrays["network"], strict=True):
        assert actual.dtype == expected.dtype
        assert np.array_equal(actual, expected)


def test_the_newest_two_checkpoints_are_kept_and_named_by_position(folder: Path) -> None:
    save(state(0, 9), state(1), state(1, 12), state(2))
    assert sorted(path.name for path in folder.iterdir()) == [
        "phase-01-epoch-00001-step-0000012-accuracy-0.5000",
        "phase-01-epoch-00002-step-0000000-accuracy-0.7500",
    ]
    result = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=next(folder.iterdir()),
        check=True,
        capture_output=True,
        text=True,
    )
    assert result.stdout.splitlines() == ["arrays.npz: OK", "state.json: OK"]


def damaged(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield content[: len(content) // 2]
    yield b""
    for place in (3, len(content) // 2, len(content) - 4):
        yield content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]


@pytest.mark.parametrize("name", ["arrays.npz", "state.json", "SHA256SUMS"])
def test_if_a_checkpoint_is_damaged_the_previous_one_is_used(
    folder: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(state(1), state(2))
    for content in damaged(sorted(folder.iterdir())[-1] / name):
        (sorted(folder.iterdir())[-1] / name).write_bytes(content)
        newest_state = newest()
        assert newest_state is not None
        assert newest_state.epoch == 1
        assert "is damaged" in caplog.text
        save(state(2))


def test_if_all_checkpoints_are_damaged_training_restarts(folder: Path) -> None:
    save(state(1), state(2))
    for path in folder.glob("*/arrays.npz"):
        path.unlink()
    assert newest() is None
    assert not folder.exists()


@pytest.mark.parametrize(
    ("other_identity", "difference"),
    [
        (replace(IDENTITY, params={"epochs": 5, "model": {"name": None}}), "train.epochs"),
        (replace(IDENTITY, network="m" * 64), "network"),
    ],
)
def test_a_checkpoint_with_different_params_or_network_is_reported_but_not_resumed(
    folder: Path, other_identity: TrainingIdentity, difference: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(state(1))
    with caplog.at_level("INFO", logger="components"):
        assert newest(other_identity) is None
    assert f"is not resumed, because it differs in {difference}; training starts from the beginning." in caplog.text
    assert newest() is not None, "the checkpoint must still be usable"


def test_a_checkpoint_in_the_wrong_folder_is_refused(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(state(1))
    other = replace(IDENTITY, fingerprint="e" * 64)
    folder.rename(folder.parent / other.folder_name)
    assert newest(other) is None
    assert "differs from this training run in data set; training restarts." in caplog.text


def test_two_processes_do_not_share_checkpoints(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_checkpoints(IDENTITY) as first, open_checkpoints(IDENTITY) as second:
        assert first is not None
        assert second is None
    assert "another process is training the same model" in caplog.text


def test_partial_checkpoints_left_by_a_kill_are_removed(folder: Path) -> None:
    save(state(1))
    (folder / ".phase-01-epoch-00002.partial-x").mkdir()
    newest_state = newest()
    assert newest_state is not None
    assert newest_state.epoch == 1
    assert len(list(folder.iterdir())) == 1


def test_abandoned_checkpoints_are_removed(folder: Path) -> None:
    save(state(1))
    os.utime(folder, (0, 0))
    save(state(1), identity=replace(IDENTITY, fingerprint="e" * 64))
    assert not folder.exists()


def test_training_continues_if_the_checkpoint_folder_is_not_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DARKROOM_CHECKPOINTS", str(tmp_path / "file" / "checkpoints"))
    with open_checkpoints(IDENTITY) as checkpoints:
        assert checkpoints is None
    assert "is not writable" in caplog.text


def test_a_full_disk_loses_only_the_new_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "small", "64k") as folder:
        monkeypatch.setenv("DARKROOM_CHECKPOINTS", str(folder))
        large = replace(state(2), arrays={"network": [np.zeros(100_000, np.float32)]})
        save(state(1), large)
        assert "could not be written: " in caplog.text
        assert "No space left on device" in caplog.text
        newest_state = newest()
        assert newest_state is not None
        assert newest_state.epoch == 1


@pytest.mark.parametrize("variable", ["DARKROOM_CACHE", "DARKROOM_CHECKPOINTS"])
def test_on_a_cluster_a_volume_that_cannot_be_written_is_an_error(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside a cluster, training continues without checkpoints; on a cluster, checkpoints must outlive the pod."""
    (tmp_path / "volume").write_text("in a file, no user can create a folder")
    monkeypatch.delenv("DARKROOM_CHECKPOINTS", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "volume"))
    with open_checkpoints(IDENTITY) as checkpoints:
        assert checkpoints is None
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    with (
        pytest.raises(ArtifactError, match=rf"writable by user {os.getuid()}.*is not: Not a directory.*Volumes"),
        open_checkpoints(IDENTITY),
    ):
        pass
