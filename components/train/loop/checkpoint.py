"""Checkpoints of training: written atomically, verified when read, and removed when the bundle is complete.

<digest>-<digest>/                               one training run: digests of its data, and of its params and network
    phase-01-epoch-0003-step-000000-accuracy-0.9125/
        arrays.npz                               the current, best and averaged weights; the state of the optimizer
        state.json                               the position in the training, the history, the state of the callbacks
        SHA256SUMS                               the hashes of both files, in the format of `sha256sum --check`
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from components.contract.errors import ArtifactError
from components.contract.system.atomic_files import file_sha256, new_folder, write_file, write_json
from components.contract.system.cache import checkpoints_dir, require_resumable
from components.contract.system.posix import try_lock
from components.contract.tracking.run import flatten

log = logging.getLogger(__name__)

NUM_KEPT: Final = 2
"""How many of the newest checkpoints are kept; more than one, in case one is damaged."""
UNUSED_DAYS: Final = 30
"""After this many days without progress, the checkpoints of an unfinished training run are removed."""
SUMS: Final = "SHA256SUMS"

Arrays = dict[str, list[np.ndarray]]


@dataclass(frozen=True)
class TrainingIdentity:
    """Identifies the training run that a checkpoint belongs to.

    Attributes:
        fingerprint: the fingerprint of the data set.
        params: the resolved train section.
        network: the `network_digest` of the network with its initial weights.
    """

    fingerprint: str
    params: Mapping[str, Any]
    network: str

    @property
    def folder_name(self) -> str:
        """The name of the checkpoint folder: a digest of the data, and a digest of the params and the network."""
        rest = json.dumps([self.params, self.network], sort_keys=True)
        return f"{self.fingerprint[:16]}-{hashlib.sha256(rest.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class State:
    """The complete state of a training run, from which it continues as if it had not been interrupted.

    Attributes:
        phase: the number of the phase, counted from 1.
        epoch: the number of completed epochs of the phase.
        step: the number of completed batches of the next epoch.
        ended: whether the phase has ended.
        facts: values that are stored as JSON, such as the history and the state of the callbacks.
        arrays: weights and other arrays, keyed by kind, such as `network` or `optimizer`.
    """

    phase: int
    epoch: int
    step: int
    ended: bool
    facts: dict[str, Any]
    arrays: Arrays

    @property
    def name(self) -> str:
        """The folder name; alphabetical order is the order in which the states were reached."""
        accuracies = self.facts.get("history", {}).get("val_accuracy")
        accuracy_text = f"{accuracies[-1]:.4f}" if accuracies else "none"
        return f"phase-{self.phase:02d}-epoch-{self.epoch:05d}-step-{self.step:07d}-accuracy-{accuracy_text}"


class Checkpoints:
    """The checkpoints of one training run, opened by `open_checkpoints`."""

    def __init__(self, folder: Path, identity: TrainingIdentity):
        self._folder = folder
        self._identity = identity

    def newest(self) -> State | None:
        """Returns the newest intact checkpoint of this training run; removes unusable ones with a warning."""
        for folder in reversed(_stored(self._folder)):
            try:
                state, stored_identity = _read(folder)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                log.warning("The checkpoint %s is damaged (%s); the previous one is used.", folder, error)
                shutil.rmtree(folder, ignore_errors=True)
                continue
            if stored_identity == asdict(self._identity):
                return state
            differing = ", ".join(_differences(stored_identity, asdict(self._identity)))
            log.warning("The checkpoint %s differs from this training run in %s; training restarts.", folder, differing)
            shutil.rmtree(folder, ignore_errors=True)
        return None

    def save(self, state: State) -> None:
        """Writes a checkpoint; if the disk is full or missing, training continues without one."""
        target = self._folder / state.name
        try:
            with new_folder(target) as folder:
                _write(folder, state, self._identity)
            _sync(self._folder)
            for old in [folder for folder in _stored(self._folder) if folder != target][: -NUM_KEPT + 1]:
                shutil.rmtree(old)
        except (OSError, ArtifactError) as error:
            log.warning(
                "The checkpoint %s could not be written: %s. Training continues. Free some space, or set "
                "another folder with DARKROOM_CHECKPOINTS.",
                target,
                error,
            )

    def remove(self) -> None:
        """Removes all checkpoints once the training run is complete."""
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def open_checkpoints(identity: TrainingIdentity) -> Iterator[Checkpoints | None]:
    """Opens the checkpoints of a training run, and locks them until the block ends.

    Yields:
        The checkpoints; None if the folder cannot be written, or another process uses these checkpoints.

    Raises:
        ArtifactError: on a cluster, the folder cannot be written.
    """
    folder = checkpoints_dir() / identity.folder_name
    lock_path = folder.with_suffix(".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_path.open("a")
    except OSError as error:
        require_resumable(folder, error)
        log.warning("Training continues without checkpoints, because %s is not writable (%s).", folder, error)
        yield None
        return
    with lock:
        if not try_lock(lock.fileno()):
            log.warning("No checkpoints are written: another process is training the same model in %s.", folder)
            yield None
            return
        _remove_remains(folder)
        _log_other_trainings(folder, identity)
        yield Checkpoints(folder, identity)
        if not _stored(folder):
            shutil.rmtree(folder, ignore_errors=True)
            lock_path.unlink(missing_ok=True)


def _stored(folder: Path) -> list[Path]:
    """Returns all checkpoints, oldest first."""
    return sorted(folder.glob("phase-*"))


def _write(folder: Path, state: State, identity: TrainingIdentity) -> None:
    array_by_name = {
        f"{kind}/{index:05d}": array for kind, arrays in state.arrays.items() for index, array in enumerate(arrays)
    }
    np.savez(folder / "arrays.npz", **array_by_name)  # type: ignore[arg-type]  # the type stubs take the arrays for the parameter allow_pickle
    _sync(folder / "arrays.npz")
    facts = {key: value for key, value in vars(state).items() if key != "arrays"}
    kinds = list(state.arrays)
    write_json(folder / "state.json", {**facts, "kinds": kinds, "belongings": asdict(identity)})
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in ("arrays.npz", "state.json")]
    write_file(folder / SUMS, "".join(lines).encode())
    _sync(folder)


def _read(folder: Path) -> tuple[State, dict[str, Any]]:
    """Reads a state and the identity of its training run.

    Raises:
        OSError, ValueError, KeyError, zipfile.BadZipFile: the checkpoint is damaged.
    """
    sums = [line.split() for line in (folder / SUMS).read_text().splitlines()]
    if {name for _, name in sums} != {"arrays.npz", "state.json"}:
        raise ValueError(f"{SUMS} is incomplete")
    for digest, name in sums:
        if file_sha256(folder / name) != digest:
            raise ValueError(f"{name} has changed since it was written")
    facts = json.loads((folder / "state.json").read_bytes())
    identity: dict[str, Any] = facts.pop("belongings")
    arrays: Arrays = {kind: [] for kind in facts.pop("kinds")}
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        for name in stored.files:
            arrays[name.partition("/")[0]].append(stored[name])
    return State(**facts, arrays=arrays), identity


def _sync(path: Path) -> None:
    """Waits until the file or folder is stored on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_remains(folder: Path) -> None:
    """Removes partial checkpoints of killed processes, and all checkpoints of abandoned training runs."""
    for remains in folder.glob(".*.partial-*"):
        shutil.rmtree(remains, ignore_errors=True)
    long_ago = time.time() - UNUSED_DAYS * 86_400
    for other in folder.parent.glob("*-*"):
        if other != folder and other.is_dir() and other.stat().st_mtime < long_ago:
            shutil.rmtree(other, ignore_errors=True)


def _log_other_trainings(folder: Path, identity: TrainingIdentity) -> None:
    """Logs why an unfinished training run with the same photos is not resumed."""
    if _stored(folder):
        return
    for other in folder.parent.glob(f"{identity.fingerprint[:16]}-*"):
        stored = [] if other == folder else _stored(other)
        if not stored:
            continue
        with contextlib.suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
            other_identity = json.loads((stored[-1] / "state.json").read_bytes())["belongings"]
            log.info(
                "The unfinished training run in %s, with the same photos, is not resumed, because it differs in %s; "
                "training starts from the beginning.",
                other,
                ", ".join(_differences(other_identity, asdict(identity))),
            )


def _differences(before_identity: Mapping[str, Any], identity: Mapping[str, Any]) -> Iterator[str]:
    if before_identity["fingerprint"] != identity["fingerprint"]:
        yield "data set"
    before, now = flatten(before_identity["params"], "train."), flatten(identity["params"], "train.")
    params = [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    yield from params
    if not params and before_identity["network"] != identity["network"]:
        yield "network"
