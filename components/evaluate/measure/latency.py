"""Measures the exported graph: its time per photo, and its size."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from components.contract.artifacts.dataset import Split
from components.contract.inference.graph import InferenceGraph

NUM_WARM, NUM_TIMED = 3, 30


def measure_latency_ms(graph: InferenceGraph, split: Split) -> float:
    """The graph's median time for one photo, if photos are passed to it one at a time."""
    photos = [split.gather(np.array([number % len(split)])) for number in range(NUM_WARM + NUM_TIMED)]
    times = []
    for photo in photos:
        start = time.perf_counter()
        graph.run(photo, with_feature_map=False)
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times[NUM_WARM:]), 3)


def measure_latencies_ms(models: Sequence[tuple[InferenceGraph, Split]], batch_size: int, rounds: int) -> list[float]:
    """The median time that each graph takes for one batch of photos.

    The graphs alternate, so that other load on the machine slows all of them equally.
    """
    batches = [(graph, split.gather(np.arange(batch_size) % len(split))) for graph, split in models]
    times: list[list[float]] = [[] for _ in batches]
    for _ in range(NUM_WARM + rounds):
        for (graph, photos), graph_times in zip(batches, times, strict=True):
            start = time.perf_counter()
            graph.run(photos, with_feature_map=False)
            graph_times.append(time.perf_counter() - start)
    return [round(1000 * statistics.median(graph_times[NUM_WARM:]), 3) for graph_times in times]


def size_bytes(export_dir: Path) -> int:
    """The total size of the exported graph's files."""
    return sum(path.stat().st_size for path in export_dir.iterdir() if path.is_file())
