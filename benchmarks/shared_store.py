"""Throughput of the shared object store, relative to a link of 100 or 500 MB/s with 20 ms latency.

The storage is simulated: files in memory, a pause for each request, and one link that all requests share.
"""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import fsspec
import numpy as np

from benchmarks.table import Row, peak_memory_mb
from components.contract.store.object_store import ObjectStore

ON_REQUEST = "it needs an idle machine; run it by name"
LATENCY_SECONDS = 0.02
NUM_BYTES = 192 * 2**20
"""About the size of the features of 1,500 photos."""
LINKS = ((100e6, ">= 0.5"), (500e6, ">= 0.1"))
"""(speed of the link in bytes per second, target for the fraction of this speed that the store reaches)."""


class SlowSystem:
    """fsspec's in-memory files behind a simulated link."""

    def __init__(self, bytes_per_second: float):
        self._system = fsspec.filesystem("memory")
        self._bytes_per_second = bytes_per_second
        self._link = threading.Lock()

    def cat_file(self, path: str) -> bytes:
        """Reads a file."""
        time.sleep(LATENCY_SECONDS)
        content: bytes = self._system.cat_file(path)
        self._pass(len(content))
        return content

    def pipe_file(self, path: str, content: bytes) -> None:
        """Writes a file."""
        time.sleep(LATENCY_SECONDS)
        self._pass(len(content))
        self._system.pipe_file(path, content)

    def info(self, path: str) -> dict[str, Any]:
        """Describes a file."""
        time.sleep(LATENCY_SECONDS)
        return dict(self._system.info(path))

    def _pass(self, num_bytes: int) -> None:
        with self._link:
            time.sleep(num_bytes / self._bytes_per_second)


def measure() -> list[Row]:
    """Measures writing and reading over each link."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        source, copy = Path(folder) / "features.npy", Path(folder) / "copy.npy"
        source.write_bytes(np.random.default_rng(0).bytes(NUM_BYTES))
        for bytes_per_second, target in LINKS:
            store = ObjectStore(f"memory://darkroom-{bytes_per_second:.0f}", SlowSystem(bytes_per_second))
            start_time = time.perf_counter()
            store.put("features", source)
            written_time = time.perf_counter()
            store.fetch("features", copy)
            rows.append(_row("writing", written_time - start_time, bytes_per_second, target))
            rows.append(_row("reading", time.perf_counter() - written_time, bytes_per_second, target))
    return rows


def _row(verb: str, seconds: float, bytes_per_second: float, target: str) -> Row:
    least_seconds = NUM_BYTES / bytes_per_second
    return Row(
        f"{verb} {NUM_BYTES / 1e6:.0f} MB over a link of {bytes_per_second / 1e6:.0f} MB/s with 20 ms latency",
        f"{seconds:.2f} s",
        f"{least_seconds:.2f} s, the link's limit",
        least_seconds / seconds,
        target,
        peak_memory_mb(),
    )
