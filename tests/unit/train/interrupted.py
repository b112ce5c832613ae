"""A small training run that can be killed at a chosen point and resumed.

python -m tests.unit.train.interrupted FOLDER JSON    interrupts one process at each point in the list JSON
python -m tests.unit.train.interrupted FOLDER SEED    kills five processes, one after another, at random moments
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from components.contract.params.training import TrainParams

SEED = 3
EPOCHS = 2
"""Epochs per phase."""
AT_RANDOM = "at-random"
"""The name of the folder for the training run that is killed at random moments."""
EPOCHS_AT_RANDOM = 15
"""Epochs per phase for the run in AT_RANDOM: enough for five kills."""


@dataclass(frozen=True)
class Point:
    """Where a training run is interrupted: at the n-th call of a function, the run sends itself a signal.

    Attributes:
        function: its `module:name`, such as `components.train.loop.checkpoint:_write`, or `…:Checkpoints.save`.
        call: the number of the call, counted from 1; 0 never interrupts.
        signum: SIGKILL or SIGTERM.
        averaging: how the weights are averaged: ema or swa.
        where: the folder of the training run; by default, it is named after the point.
        whole: whether the whole train step runs instead of only the training loop.
        num_devices: the number of logical CPUs; with more than one, the network has no dropout and no batch
            normalization, because these differ between devices.
    """

    function: str
    call: int
    signum: int = signal.SIGKILL
    averaging: str = "ema"
    where: str = ""
    whole: bool = False
    num_devices: int = 1

    @property
    def folder_name(self) -> str:
        return self.where or f"{self.function.partition(':')[2]}-{self.call}-{self.signum}-{self.averaging}"


def train_small(
    folder: Path, averaging: str, *, epochs: int = EPOCHS, plain: bool = False
) -> tuple[list[np.ndarray], dict[str, list[float]], int]:
    """Trains in two phases and returns the weights, the history and the best epoch; checkpoints are in `folder`."""
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(SEED)
    from components.contract.artifacts.dataset import open_split, read_info
    from components.contract.tracking.run import Run
    from components.train.loop.callbacks import saving
    from components.train.loop.checkpoint import TrainingIdentity, open_checkpoints
    from components.train.loop.phases import Photographs, train_phases
    from components.train.network.architecture import build_network
    from components.train.tensorflow.devices import on_all_devices

    saving.SAVE_SECONDS = -1.0  # type: ignore[misc]  # saves after each step, so that a checkpoint always exists
    saving.LARGEST_SHARE = 1e9  # type: ignore[misc]
    params = small_params(averaging, epochs=epochs, plain=plain)
    _keep_in(folder)
    dataset_dir = folder.parent / "dataset"
    info = read_info(dataset_dir)
    with on_all_devices():
        network = build_network(params.model, image_size=info.image_size, num_classes=3, batch_size=params.batch_size)
    photos = Photographs(open_split(dataset_dir, "train"), open_split(dataset_dir, "validation"), info.fingerprint)
    identity = TrainingIdentity(info.fingerprint, params.model_dump(mode="json"), "small")
    with open_checkpoints(identity) as checkpoints:
        assert checkpoints is not None
        result = train_phases(network, photos, params, Run(None), checkpoints=checkpoints)
        checkpoints.remove()
    return network.model.get_weights(), result.history, result.best_epoch


def train_whole(folder: Path, averaging: str = "ema") -> Path:
    """Runs the train step in `folder`, with the MLflow store in the parent folder; returns the bundle's folder."""
    from components.train.step import train

    _keep_in(folder)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder.parent / 'mlflow.db'}"
    train(folder.parent / "dataset", small_params(averaging), folder / "model")
    return folder / "model"


def small_params(averaging: str, *, epochs: int = EPOCHS, plain: bool = False) -> "TrainParams":
    """Returns params that make resuming hard.

    They combine dropout, batch statistics, augmentation, two passes per epoch, a plateau schedule and two phases.

    Args:
        averaging: ema or swa.
        epochs: the number of epochs per phase.
        plain: whether to omit dropout and batch normalization.
    """
    from components.contract.layers.stack import parse_layer
    from components.contract.params.model import ModelParams
    from components.contract.params.training import Phase, TrainParams

    layers = [
        {"Conv2D": {"filters": 4, "kernel_size": 3}},
        "BatchNormalization",
        "GlobalAveragePooling2D",
        {"Dense": {"units": 8}},
        {"Dropout": {"rate": 0.2}},
    ]
    if plain:
        layers = [layers[0], *layers[2:4]]
    return TrainParams(
        model=ModelParams(kind="layers", layers=tuple(map(parse_layer, layers))),
        batch_size=4,
        min_epoch_steps=10,  # two passes through the photos
        seed=SEED,
        learning_rate=0.01,
        augmentation="light",
        early_stopping=None,
        phases=(
            Phase(epochs=epochs, trainable="all", schedule="plateau", decay_epochs=1),
            Phase(epochs=epochs, trainable="last 2", optimizer="adamw", layer_decay=0.5),
        ),
        **{averaging: 0.9},
    )


def _keep_in(folder: Path) -> None:
    os.environ["DARKROOM_CHECKPOINTS"] = str(folder)
    os.environ["DARKROOM_CACHE"] = f"{folder}-cache"


def interrupt_at(point: Point) -> None:
    """Makes this process send itself the signal when it reaches the point."""
    module_name, _, path = point.function.partition(":")
    owner: Any = __import__(module_name, fromlist=["_"])
    *outer, name = path.split(".")
    for attribute in outer:
        owner = getattr(owner, attribute)
    function: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == point.call:
            os.kill(os.getpid(), point.signum)
        return function(*arguments, **options)

    setattr(owner, name, counted)


def run_until(point: Point, folder: Path) -> None:
    """Trains until the point is reached; if this never happens, writes the weights to `<folder>-weights.npz`."""
    interrupt_at(point)
    if point.whole:
        train_whole(folder, point.averaging)
        return
    import tensorflow as tf

    logical = [tf.config.LogicalDeviceConfiguration()] * point.num_devices
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], logical)
    plain = point.num_devices > 1
    weights, _, _ = train_small(folder, point.averaging, epochs=1 if plain else EPOCHS, plain=plain)
    np.savez(f"{folder}-weights.npz", *weights)


def interrupt_in_subprocess(folder: Path, order: Sequence[Point] | int) -> list[int]:
    """Interrupts training at the points in `order`, or at random if `order` is a seed; returns the exit codes."""
    order_text = str(order) if isinstance(order, int) else json.dumps([astuple(point) for point in order])
    command = [sys.executable, "-m", "tests.unit.train.interrupted", str(folder), order_text]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [int(line.split()[-1]) for line in result.stdout.splitlines() if line.startswith("ended with ")]


def interrupt(folder: Path, points: list[Point]) -> None:
    """Trains in a separate process for each point, forked before TensorFlow computes anything."""
    for point in points:
        child = os.fork()
        if child == 0:
            run_until(point, folder / point.folder_name)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(f"ended with {os.waitstatus_to_exitcode(status)}", flush=True)


def kill_at_random(folder: Path, rng: np.random.Generator, times: int = 5) -> None:
    """Kills a training run repeatedly, each time after further progress."""
    reached = ""
    for _ in range(times):
        child = os.fork()
        if child == 0:
            train_small(folder / AT_RANDOM, "ema", epochs=EPOCHS_AT_RANDOM)
            os._exit(0)
        while not (newest := _newest(folder / AT_RANDOM)) > reached and os.waitpid(child, os.WNOHANG) == (0, 0):
            time.sleep(0.001)
        reached = newest
        time.sleep(rng.uniform(0, 0.2))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        print(f"ended with {os.waitstatus_to_exitcode(status)}", flush=True)


def _newest(folder: Path) -> str:
    """The name of the newest checkpoint."""
    return max((path.name for path in folder.glob("*/phase-*")), default="")


def main(folder: Path, order: str) -> None:
    """Interrupts training as `order` says; TensorFlow is imported once, before the processes are forked."""
    import components.train.loop.phases  # noqa: F401

    if order.isdecimal():
        kill_at_random(folder, np.random.default_rng(int(order)))
    else:
        interrupt(folder, [Point(*fields) for fields in json.loads(order)])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
