"""How long one photo takes through the exported graph, and how large the graph is."""

import statistics
import time
from pathlib import Path

import numpy as np

from components.contract.dataset import Split
from components.contract.runtime import InferenceGraph

NUM_WARM, NUM_TIMED = 3, 30


def measure_latency_ms(graph: InferenceGraph, split: Split) -> float:
    """The median time of one photo at a time."""
    photos = [split.gather(np.array([number % len(split)])) for number in range(NUM_WARM + NUM_TIMED)]
    times = []
    for photo in photos:
        started = time.perf_counter()
        graph.run(photo, with_feature_map=False)
        times.append(time.perf_counter() - started)
    return round(1000 * statistics.median(times[NUM_WARM:]), 3)


def size_bytes(export_dir: Path) -> int:
    """Of the exported graph's files together."""
    return sum(path.stat().st_size for path in export_dir.iterdir() if path.is_file())
