"""How much the feature cache and pruning speed up a search for the best params of a head on a frozen MobileNetV2.

Requires real photos and weights in the folder that DARKROOM_SHARED names (default: `shared/` in the repository).
"""

import gc
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.table import Row, SkipError, peak_memory_mb

if TYPE_CHECKING:
    import numpy as np

    from components.train.setup import Photographs

TRIALS, EPOCHS = 20, 20
SIDE = 224
NUM_PHOTOS = 1024
"""The number of training photos, small so that `make bench` stays short; more photos would gain more from the cache."""
PLAIN_PHOTOS = 512
"""The number of photos in a timed epoch without the cache; the time is scaled up."""
EARLY, LATE = 2, TRIALS


@dataclass
class StudyFigures:
    """The measurements of one study.

    Attributes:
        seconds: the total time, including the computation of the features.
        epochs: the total number of epochs of all trials.
        accuracy: the validation accuracy of the best trial.
        memory_mb: the memory of the process after each trial.
    """

    seconds: float
    epochs: int
    accuracy: float
    memory_mb: list[float] = field(default_factory=list)


def measure() -> list[Row]:
    """Runs the study with and without pruning, and one epoch without the cache, whose time is scaled up."""
    photos, weights = find_photos_and_weights()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ.update({"DARKROOM_CACHE": str(folder / "cache"), "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/m.db"})
        from components.contract.params.pipeline import PreprocessParams
        from components.preprocess.step import preprocess

        info = preprocess(str(photos), PreprocessParams(image_size=SIDE), folder / "dataset")
        pruned = run_study(folder / "dataset", weights, "halving")
        unpruned = run_study(folder / "dataset", weights, "none")
        plain_epoch = time_plain_epoch(folder / "dataset", weights)
        num_validation = info.num_images("validation")
    from components.contract.artifacts.figures import wilson_interval

    interval = wilson_interval(round(unpruned.accuracy * num_validation), num_validation)
    plain = TRIALS * EPOCHS * plain_epoch
    study_text = f"{TRIALS} trials of up to {EPOCHS} epochs, head of MobileNetV2 at {SIDE} px, {NUM_PHOTOS} photos"
    accuracy_text = f"{pruned.accuracy:.1%} validation accuracy"
    return [
        Row(
            f"a study of {study_text}; {accuracy_text}",
            f"{pruned.seconds:.0f} s",
            f"{plain:,.0f} s without cache and pruning ({plain_epoch:.0f} s per epoch, scaled up)",
            plain / pruned.seconds,
            ">= 20",
            peak_memory_mb(),
        ),
        Row(
            f"epochs of the same study; {accuracy_text}",
            f"{pruned.epochs}",
            f"{unpruned.epochs} without pruning ({unpruned.accuracy:.1%})",
            unpruned.epochs / pruned.epochs,
            ">= 2.5",
        ),
        Row(
            "validation accuracy of that study's best trial",
            f"{pruned.accuracy:.1%}",
            f"{interval.low:.1%}, the lower bound of the 95 % interval without pruning ({unpruned.accuracy:.1%})",
            pruned.accuracy / interval.low,
            ">= 1",
        ),
        Row(
            f"memory after trial {LATE} of that study",
            f"{pruned.memory_mb[LATE - 1]:,.0f} MB",
            f"{pruned.memory_mb[EARLY - 1]:,.0f} MB after trial {EARLY}",
            pruned.memory_mb[LATE - 1] / pruned.memory_mb[EARLY - 1],
            "<= 1.1",
        ),
    ]


def shared_dir() -> Path:
    """Returns the folder with the real photos and the weights; the folder need not exist."""
    return Path(os.environ.get("DARKROOM_SHARED", Path(__file__).parents[1] / "shared"))


def find_photos_and_weights() -> tuple[Path, Path]:
    """Finds the photos and the weights.

    Raises:
        SkipError: the photos or the weights are missing.
    """
    shared = shared_dir()
    photos = shared / "data" / "clothing-dataset-small"
    weights = list((shared / "weights").glob("mobilenet_v2_*no_top.h5"))
    if not photos.is_dir() or not weights:
        raise SkipError(f"no real photos and weights in {shared}; set their folder with DARKROOM_SHARED")
    return photos, weights[0]


def read_params(weights: Path) -> Any:
    """Returns the resolved train section, without early stopping."""
    from components.contract.params.model import ModelParams
    from components.contract.params.resolve import resolve_train
    from components.contract.params.training import TrainParams

    model = ModelParams(kind="pretrained", name="MobileNetV2", weights=str(weights))
    return resolve_train(
        TrainParams(model=model, augmentation="none", epochs=EPOCHS, early_stopping=None), (SIDE, SIDE)
    )[0]


def run_study(dataset_dir: Path, weights: Path, pruner: Literal["halving", "none"]) -> StudyFigures:
    """Runs one study; its features are computed unless an earlier study has cached them."""
    from components.contract.artifacts.dataset import read_info
    from components.contract.params.tuning import TuneParams, auto_space
    from components.contract.system.cache import cache_dir
    from components.contract.tracking.run import Run
    from components.train.setup import open_photographs
    from components.train.tune import trainer

    info = read_info(dataset_dir)
    from components.train.tuning.search import Search

    params = read_params(weights)
    # Without augmentation, all trials share the features of the original photos.
    space = {key: dimension for key, dimension in auto_space(params).items() if key != "augmentation"}
    start_time = time.perf_counter()
    memory: list[float] = []
    train = trainer(info, reduce_training(open_photographs(dataset_dir, info)))
    shutil.rmtree(cache_dir() / "studies", ignore_errors=True)  # so that the study starts from the beginning
    search = Search(info, params, TuneParams(trials=TRIALS, pruner=pruner), space)
    search_result = search.run(note_memory(train, memory), Run(None))
    best = next(trial for trial in search_result.trials if trial.number == search_result.best)
    seconds, epochs = time.perf_counter() - start_time, sum(trial.epochs for trial in search_result.trials)
    return StudyFigures(seconds, epochs, best.accuracy or 0.0, memory)


def reduce_training(photographs: "Photographs") -> "Photographs":
    """Replaces the training photos with NUM_PHOTOS of them."""
    from dataclasses import replace

    from components.contract.artifacts.dataset import Split

    rows, training = pick_rows(len(photographs.training)), photographs.training
    ids = [training.image_ids[row] for row in rows]
    return replace(photographs, training=Split([training.gather(rows)], training.labels[rows], ids))


def pick_rows(num: int) -> "np.ndarray":
    """Draws which training photos the benchmark uses; returns their row numbers: int64 (NUM_PHOTOS,)."""
    import numpy as np

    return np.random.default_rng(0).permutation(num)[:NUM_PHOTOS]


def note_memory(train: Callable[..., Any], memory: list[float]) -> Callable[..., Any]:
    """Wraps the objective to record the memory of this process after each trial."""

    def trial(*arguments: Any) -> Any:
        try:
            return train(*arguments)
        finally:
            gc.collect()
            memory.append(memory_mb())

    return trial


def memory_mb() -> float:
    """Returns the current memory of this process, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 2**10


def time_plain_epoch(dataset_dir: Path, weights: Path) -> float:
    """Estimates the seconds of an epoch that trains the head without the cache, from a part of the photos."""
    from components.contract.artifacts.dataset import open_split, read_info
    from components.train.setup import open_network

    info = read_info(dataset_dir)
    network = open_network(read_params(weights), info).network
    import keras

    assert network.backbone is not None, "the params must name a backbone"
    for layer in network.backbone.layers:
        layer.trainable = False
    training = open_split(dataset_dir, "train")
    rows = pick_rows(len(training))[:PLAIN_PHOTOS]
    photos, labels = training.gather(rows), training.labels[rows]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.model.compile("adam", loss, metrics=["accuracy"], jit_compile=False)
    starts: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_begin=lambda _epoch, _logs: starts.append(time.perf_counter()))
    network.model.fit(photos, labels, epochs=2, batch_size=32, verbose=0, callbacks=[clock])
    starts.append(time.perf_counter())
    num_photos = NUM_PHOTOS + info.num_images("validation")
    return (starts[2] - starts[1]) / PLAIN_PHOTOS * num_photos
