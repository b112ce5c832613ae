"""Estimates the pod-hours of a run before its submission, from the measured rates in docs/scale.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from components.contract.params.pipeline import Params
from components.contract.text import pluralize
from pipelines.runners.cluster.placement import DEMANDS, Placement, count_cores

READ_RATE: Final = 300.0
"""The number of JPEGs of 500 × 375 px that one core reads, decodes and inspects per second."""
MERGE_RATE: Final = 800.0
"""The number of photos of up to 224 px that one task merges per second, with duplicate search, splits and report."""
FEATURE_RATE: Final = 100.0
"""The number of photos of 224 px whose MobileNetV2 features one core computes per second."""
HEAD_RATE: Final = 4000.0
"""The number of photos per second on whose cached features two cores train a head."""
TRAIN_RATE: Final = 30.0
"""The number of photos of 224 px on which one core trains some blocks of MobileNetV2 per second."""
START_SECONDS: Final = 60.0
"""The time until a pod starts its work: it must be scheduled and import its libraries."""
REFERENCE_PIXELS: Final = 224 * 224
"""The number of pixels per photo for which the rates hold; larger photos take proportionally longer."""


@dataclass(frozen=True)
class Work:
    """The estimated work of all tasks of one kind.

    Attributes:
        name: the name of the tasks.
        pods: the number of tasks that run at the same time.
        hours: the hours that each task takes.
    """

    name: str
    pods: int
    hours: float


def estimate(params: Params, placement: Placement, num_photos: int) -> list[Work]:
    """Estimates the work of the tasks of a run; each tune task is assumed to run its trials one after another.

    Args:
        params: the resolved params.
        placement: determines the cores for training; GPUs are ignored.
        num_photos: the number of photos in the data set.
    """
    height, width = params.preprocess.size
    scale = height * width / REFERENCE_PIXELS
    read_cores = count_cores(DEMANDS["preprocess"].cpu)
    train_cores = count_cores(placement.demand_of("train", is_training=True).cpu)
    readers, feature_workers = params.data.workers, params.data.feature_workers
    reading = num_photos / READ_RATE / read_cores
    merging = num_photos * max(1.0, scale) / MERGE_RATE
    works = [Work("read-photos", readers, _hours(reading / readers))] if readers > 1 else []
    works.append(Work("preprocess", 1, _hours(merging if readers > 1 else reading + merging)))
    phases = params.train.all_phases
    has_features = params.train.model.kind == "pretrained" and any(phase.trainable != "all" for phase in phases)
    views = params.train.views + 1
    featuring = views * num_photos * scale / FEATURE_RATE / train_cores if has_features else 0.0
    if feature_workers > 1 and has_features:
        works.append(Work("compute-features", feature_workers, _hours(featuring / feature_workers)))
        featuring = 0.0
    learning = sum(
        phase.epochs * num_photos / (HEAD_RATE if phase.trainable == "head" else TRAIN_RATE * train_cores / scale)
        for phase in phases
    )
    if params.tune.trials:
        works.append(Work("tune", params.tune.workers, _hours(params.tune.trials * learning / params.tune.workers)))
    works.append(Work("train", 1, _hours(featuring + learning)))
    return works


def describe_estimate(params: Params, placement: Placement, num_photos: int) -> Iterator[str]:
    """Describes the estimate: a line for each kind of task, and the total."""
    works = estimate(params, placement, num_photos)
    for work in works:
        yield f"{work.name}: {pluralize(work.pods, 'pod')} for about {work.hours:.1f} h"
    total = sum(work.pods * work.hours for work in works)
    yield (
        f"About {total:.1f} pod-hours, {sum(work.hours for work in works):.1f} h from end to end, for {num_photos:,} "
        "photos; evaluate and deploy add a few minutes. Rates: docs/scale.md."
    )


def _hours(seconds: float) -> float:
    return (START_SECONDS + seconds) / 3600
