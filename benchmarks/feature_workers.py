"""Computing the features of a MobileNetV2 at 224 px with two workers, one core each, compared with one worker.

Uses the ImageNet weights in the folder that DARKROOM_SHARED names (default: `shared/` in the repository); if there are
none, random weights, which take the same time. Each worker waits until all workers have built their network.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.frozen_backbone import write_dataset
from benchmarks.table import Row, SkipError
from benchmarks.tuning import shared_dir
from components.contract.system.cores import num_cores

ON_REQUEST = "it needs two idle cores; run it by name"
NUM_PHOTOS = 1024
PORTION_PHOTOS = 128
ROUNDS = 3
WEIGHTS = "weights/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
WORKER = """
import os, sys, time
from pathlib import Path
dataset_dir, weights, portion, core, part, num_parts = Path(sys.argv[1]), sys.argv[2] or None, *map(int, sys.argv[3:])
os.sched_setaffinity(0, {core})
from components.contract.artifacts.dataset import open_split, read_info
from components.contract.params.augmentation import AUGMENTATION_PRESETS
from components.contract.params.training import Phase, TrainParams
from components.train.setup import open_network
params = TrainParams.model_validate(
    {"model": {"kind": "pretrained", "name": "MobileNetV2", "weights": weights}, "trainable": "head"}
)
network = open_network(params, read_info(dataset_dir), use_all_devices=False).network
from components.train.loop import features, inference
from components.train.network.freezing import frozen_part, select
features.PORTION_PHOTOS = portion
(phase,) = params.all_phases
frozen = frozen_part(network, select(network, phase).boundary)
cache = features.FeatureCache(frozen, params.cache_precision)
infer = inference.fastest_inference(frozen)
features.fastest_inference = lambda _: infer
photos = open_split(dataset_dir, "train")
request = inference.FeatureRequest(photos, "random", 1, AUGMENTATION_PRESETS["medium"], 0)
infer(photos.gather(range(32)))
print("ready", flush=True)
sys.stdin.readline()
start, start_cpu = time.monotonic(), time.process_time()
num_portions = cache.compute_part([request], part, num_parts)
print(num_portions * portion, start, time.monotonic(), time.process_time() - start_cpu, flush=True)
"""


@dataclass(frozen=True)
class Pace:
    """The combined speed of all workers in one measurement, and their cost."""

    photos_per_second: float
    seconds_per_photo: float
    """The processor time per photo, in seconds."""


def measure() -> list[Row]:
    """Measures the photos per second, and the processor time, which does not depend on other programs."""
    if num_cores() < 2:
        raise SkipError("it needs two cores")
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), NUM_PHOTOS)
        alone, both = [], []
        for number in range(ROUNDS):
            alone.append(_run(Path(folder), [cores[number % 2]], f"alone-{number}"))
            both.append(_run(Path(folder), cores, f"both-{number}"))
    one, two = (statistics.median(pace.photos_per_second for pace in paces) for paces in (alone, both))
    cost_one, cost_two = (statistics.median(pace.seconds_per_photo for pace in paces) for paces in (alone, both))
    return [
        Row(
            "features of a MobileNetV2 at 224 px, photos per second, 2 workers with one core each",
            f"{two:.1f}",
            f"2 × {one:.1f}, one worker",
            two / (2 * one),
            ">= 0.9",
        ),
        Row(
            "processor seconds for these features per 1,000 photos, 2 workers",
            f"{1000 * cost_two:.2f} s",
            f"{1000 * cost_one:.2f} s, one worker",
            cost_two / cost_one,
            "<= 1.1",
        ),
    ]


def _run(dataset_dir: Path, cores: list[int], name: str) -> Pace:
    """Runs one worker on each core; all workers compute at the same time, and their startup is not timed."""
    weights = shared_dir() / WEIGHTS
    environment = os.environ | {"DARKROOM_CACHE": str(dataset_dir / name)}
    workers = []
    for part, core in enumerate(cores):
        numbers = map(str, (PORTION_PHOTOS, core, part, len(cores)))
        command = [sys.executable, "-c", WORKER, str(dataset_dir), str(weights) if weights.exists() else "", *numbers]
        workers.append(
            subprocess.Popen(
                command,
                env=environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        )
    for worker in workers:
        assert worker.stdout is not None
        while worker.stdout.readline() != "ready\n":
            assert worker.poll() is None, "a worker must not exit before it is ready"
    results = []
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        output, _ = worker.communicate()
        results.append([float(word) for word in output.split()])
    photos, starts, ends, seconds = zip(*results, strict=True)
    assert sum(photos) == NUM_PHOTOS
    return Pace(sum(photos) / (max(ends) - min(starts)), sum(seconds) / sum(photos))
