"""A small training that can be killed at a point, and gone on with.

python -m tests.unit.train.interrupted FOLDER JSON    kills one process for each of the points that JSON lists
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SEED = 3


@dataclass(frozen=True)
class Point:
    """Where a training is interrupted: at the n-th call of a function, by a signal to itself.

    Attributes:
        function: such as `components.train.checkpoint:_write`, or `…:Checkpoints.save`.
        call: counted from 1.
        signum: SIGKILL, or SIGTERM.
        averaging: what averages the weights: ema or swa.
        where: the folder of the training; one of its own where none is given.
    """

    function: str
    call: int
    signum: int = signal.SIGKILL
    averaging: str = "ema"
    where: str = ""

    @property
    def folder_name(self) -> str:
        return self.where or f"{self.function.partition(':')[2]}-{self.call}-{self.signum}-{self.averaging}"


def train_small(folder: Path, averaging: str) -> tuple[list[np.ndarray], dict[str, list[float]], int]:
    """Trains in two phases and gives the weights, the history and the best epoch; checkpoints stand in `folder`.

    It has what makes going on hard: dropout, a running mean, augmentation, a plateau, a phase that changes the layers.
    """
    from components.train.tensorflow_start import start_tensorflow

    start_tensorflow(SEED)
    from components.contract.dataset import open_split, read_info
    from components.contract.layers import parse_layer
    from components.contract.model_params import ModelParams
    from components.contract.tracking import Run
    from components.contract.train_params import Phase, TrainParams
    from components.train import resume
    from components.train.architecture import build_network
    from components.train.checkpoint import Belongings, open_checkpoints
    from components.train.phases import Photographs, train_phases

    resume.SAVE_SECONDS = -1.0  # type: ignore[misc]  # after each step, so that there is something to go on from
    resume.LARGEST_SHARE = 1e9  # type: ignore[misc]
    layers = [{"Conv2D": {"filters": 4, "kernel_size": 3}}, "BatchNormalization", "GlobalAveragePooling2D",
              {"Dense": {"units": 8}}, {"Dropout": {"rate": 0.2}}]  # fmt: skip
    params = TrainParams(
        model=ModelParams(kind="layers", layers=tuple(map(parse_layer, layers))), batch_size=2, seed=SEED,
        learning_rate=0.01, augmentation="light", early_stopping=None,
        phases=(
            Phase(epochs=2, trainable="all", schedule="plateau", decay_epochs=1),
            Phase(epochs=2, trainable="last 2", optimizer="adamw", layer_decay=0.5),
        ),
        **{averaging: 0.9},
    )  # fmt: skip
    os.environ["DARKROOM_CHECKPOINTS"] = str(folder)
    dataset_dir = folder.parent / "dataset"
    info = read_info(dataset_dir)
    network = build_network(params.model, image_size=info.image_size, num_classes=3, batch_size=params.batch_size)
    photos = Photographs(open_split(dataset_dir, "train"), open_split(dataset_dir, "validation"), info.fingerprint)
    belongings = Belongings(info.fingerprint, params.model_dump(mode="json"), "small")
    with open_checkpoints(belongings) as checkpoints:
        assert checkpoints is not None
        fitted = train_phases(network, photos, params, Run(None), checkpoints=checkpoints)
        checkpoints.remove()
    return network.model.get_weights(), fitted.history, fitted.best_epoch


def interrupt_at(point: Point) -> None:
    """From now on the n-th call of the function ends, or asks to end, this process."""
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


def main(folder: Path, points: list[Point]) -> None:
    """TensorFlow is imported once; each point has a process of its own, forked before TensorFlow computes anything."""
    import components.train.phases  # noqa: F401

    for point in points:
        child = os.fork()
        if child == 0:
            interrupt_at(point)
            train_small(folder / point.folder_name, point.averaging)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(f"ended with {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Point(*given) for given in json.loads(sys.argv[2])])
