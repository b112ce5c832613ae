"""Latency of normal photos while other clients send photos that are expensive to decode, compared with no attack."""

import contextlib
import functools
import io
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import served_model
from benchmarks.load import Load
from benchmarks.serving import memory_mb
from benchmarks.table import Row
from components.deploy.bento.server import serving
from components.deploy.service.protocol import MAX_FILES

NUM_HONEST = 100
NUM_FORMS = 2
MEMORY_MB = 600
PAUSE_SECONDS = 0.05
"""The pause between normal photos, as if people sent them."""


def measure() -> list[Row]:
    """Measures the p99 latency and the failures of single photos, and the peak memory of the service's processes."""
    with tempfile.TemporaryDirectory() as folder:
        served_model.build(Path(folder))
        with serving(Path(folder)) as url, contextlib.closing(Load(url, photos_per_request=1)) as load:
            ask_often(load)
            idle_answers = ask_often(load)
            rows = [
                row
                for name, photo in make_bombs().items()
                for row in compare_under_attack(name, photo, load, idle_answers, folder, url)
            ]
    return rows


def make_bombs() -> dict[str, bytes]:
    """Creates small files with many pixels: one above the service's pixel limit, and one just below it."""
    return {"PNGs of 89 megapixels": make_png("1", 9433), "PNGs of 24 megapixels": make_png("RGB", 4900)}


def make_png(mode: str, side: int) -> bytes:
    """Creates a PNG of one color."""
    file = io.BytesIO()
    Image.new(mode, (side, side)).save(file, "PNG")
    return file.getvalue()


def compare_under_attack(
    name: str, photo: bytes, load: Load, idle_answers: list[tuple[int, float]], folder: str, url: str
) -> list[Row]:
    """Measures the service under attack: the latency of normal photos compared with idle, failures, and peak memory."""
    with attack(url, photo), peak_memory(functools.partial(memory_mb, Path(folder))) as peak:
        attacked_answers = ask_often(load)
    ours, baseline = (
        1000 * float(np.quantile([seconds for _, seconds in answers], 0.99))
        for answers in (attacked_answers, idle_answers)
    )
    num_failed = sum(status != 200 for status, _ in attacked_answers)
    attack_text = f"while {NUM_FORMS} clients send forms of {MAX_FILES} {name}"
    return [
        Row(
            f"p99 latency of one photo {attack_text}",
            f"{ours:.0f} ms",
            f"{baseline:.0f} ms, idle",
            ours / baseline,
            "<= 10",
        ),
        Row(f"failed photos {attack_text}", f"{num_failed} of {NUM_HONEST}", "none allowed", float(num_failed), "<= 0"),
        Row(
            f"peak memory {attack_text}",
            f"{max(peak):.0f} MB",
            f"{MEMORY_MB} MB allowed",
            max(peak) / MEMORY_MB,
            "<= 1",
        ),
    ]


def ask_often(load: Load) -> list[tuple[int, float]]:
    """Sends many photos one after another; returns the status and the duration of each request, in seconds."""
    answers = []
    for _ in range(NUM_HONEST):
        answers.append(load.ask())
        time.sleep(PAUSE_SECONDS)
    return answers


@contextlib.contextmanager
def attack(url: str, photo: bytes, num_clients: int = NUM_FORMS) -> Iterator[list[int]]:
    """Runs clients that send forms of MAX_FILES copies of `photo` without pauses; yields a growing list of statuses."""
    stop, statuses = threading.Event(), []
    load = Load(url, photos_per_request=MAX_FILES, photo=photo)

    def client() -> None:
        while not stop.is_set():
            statuses.append(load.ask()[0])

    clients = [threading.Thread(target=client) for _ in range(num_clients)]
    for thread in clients:
        thread.start()
    try:
        time.sleep(0.5)
        yield statuses
    finally:
        stop.set()
        for thread in clients:
            thread.join()
        load.close()


@contextlib.contextmanager
def peak_memory(measure_mb: Callable[[], float]) -> Iterator[list[float]]:
    """Calls `measure_mb` ten times a second; yields a growing list of its results."""
    stop, samples = threading.Event(), [measure_mb()]

    def sample() -> None:
        while not stop.wait(0.1):
            samples.append(measure_mb())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield samples
    finally:
        stop.set()
        sampler.join()
