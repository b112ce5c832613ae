"""The pod-hours of a run, estimated before it is submitted from rates that were measured: docs/scale.md."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from components.contract.params.pipeline import Params
from components.contract.text import pluralize
from pipelines.runners.cluster.placement import DEMANDS, Placement, count_cores

READ_RATE: Final = 300.0
"""JPEGs of 500 × 375 px that one core reads, decodes and measures in a second."""
MERGE_RATE: Final = 800.0
"""Photos of up to 224 px that one task merges in a second: duplicates, splits, report, shards."""
FEATURE_RATE: Final = 100.0
"""Photos of 224 px that pass MobileNetV2 on one core in a second."""
HEAD_RATE: Final = 4000.0
"""Photos whose features a head learns from in a second, on two cores."""
TRAIN_RATE: Final = 30.0
"""Photos of 224 px that MobileNetV2 learns from in a second on one core, when some of its blocks are trained."""
START_SECONDS: Final = 60.0
"""Until a pod works: it is scheduled, and its libraries are loaded."""
REFERENCE_PIXELS: Final = 224 * 224
"""Larger pixels take longer in proportion."""


@dataclass(frozen=True)
class Work:
    """What the tasks of one kind take.

    Attributes:
        name: of the tasks.
        pods: how many run at the same time.
        hours: that each of them runs.
    """

    name: str
    pods: int
    hours: float


def estimate(params: Params, placement: Placement, num_photos: int) -> list[Work]:
    """What the tasks of a run take, one trial after another where there are trials.

    Args:
        params: without `auto`.
        placement: says how many cores training has. A GPU is not estimated.
        num_photos: of the data set.
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
    """The estimate as lines: of each kind of task, and of all."""
    works = estimate(params, placement, num_photos)
    for work in works:
        yield f"{work.name}: {pluralize(work.pods, 'pod')} for about {work.hours:.1f} h"
    total = sum(work.pods * work.hours for work in works)
    yield (
        f"About {total:.1f} pod-hours, {sum(work.hours for work in works):.1f} h from end to end, for {num_photos:,} "
        "photos; evaluate and deploy add minutes. Rates: docs/scale.md."
    )


def _hours(seconds: float) -> float:
    return (START_SECONDS + seconds) / 3600
