"""Photos per second for eight parallel clients.

The service is compared with FastAPI around the same network in Keras, and with decoding and inference alone: the same
cores in one process, without HTTP and without clients.
"""

import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import served_model
from benchmarks.load import NUM_CLIENTS, Load
from benchmarks.serving import run_app
from benchmarks.table import Row
from components.deploy.bento.server import serving
from components.deploy.service.classifier import Classifier

NUM_ROUNDS = 3
SECONDS = 6.0
WARM_SECONDS = 2.0
BATCH_SIZES = (1, 8)
"""The batch sizes for decoding and inference without the service; the result of the faster one is used."""


def measure() -> list[Row]:
    """Queries the three services in turn; all run at the same time, and the clients use the same cores."""
    with tempfile.TemporaryDirectory() as folder:
        bento_dir, model = Path(folder), Path(folder) / "model.keras"
        _export(bento_dir / "bundle" / "export", model)
        served_model.pack(bento_dir)
        with (
            serving(bento_dir) as our_url,
            run_app("keras_app", KERAS_MODEL=str(model), KERAS_CALL="predict") as predict_url,
            run_app("keras_app", KERAS_MODEL=str(model), KERAS_CALL="function") as function_url,
        ):
            ours, predict, function = _measure_rates(our_url, predict_url, function_url)
            alone, served, client_ms = _measure_alone(bento_dir / "bento" / "src", our_url)
    claim = f"photos per second over HTTP, {NUM_CLIENTS} clients, MobileNetV2 at {served_model.SIZE} px"
    return [
        Row(claim, f"{ours:.1f}", f"{predict:.1f}, FastAPI + model.predict", ours / predict, ">= 7"),
        Row(claim, f"{ours:.1f}", f"{function:.1f}, FastAPI + tf.function", ours / function, ">= 2.2"),
        Row(
            claim,
            f"{served:.1f}",
            f"{alone:.1f}, decoding and inference alone; the clients of the service use {client_ms:.1f} ms per photo",
            served / alone,
            ">= 0.5",
        ),
    ]


def _measure_rates(*urls: str) -> list[float]:
    loads = [Load(url, photos_per_request=1) for url in urls]
    for load in loads:
        assert load.ask()[0] == 200
        load.capacity(WARM_SECONDS)
    rounds = [[load.capacity(SECONDS) for load in loads] for _ in range(NUM_ROUNDS)]
    return [statistics.median(rates) for rates in zip(*rounds, strict=True)]


def _measure_alone(bundle_dir: Path, url: str) -> tuple[float, float, float]:
    """Compares the service with decoding and inference in this process, in turn.

    Returns:
        The photos per second in this process and of the service, and the processor time that the clients of the
        service use per photo, in milliseconds.
    """
    num_threads = len(os.sched_getaffinity(0))
    classifier, photo, load = Classifier(bundle_dir, num_threads), served_model.photo(), Load(url, photos_per_request=1)
    classifier.warm(max(BATCH_SIZES))
    load.capacity(WARM_SECONDS)

    def classify(batch_size: int, end: float) -> int:
        num_photos = 0
        while time.monotonic() < end:
            pixels = np.stack([classifier.decode(photo) for _ in range(batch_size)])
            num_photos += len(classifier.examine(pixels, alone=False))
        return num_photos

    alone: dict[int, list[float]] = {batch_size: [] for batch_size in BATCH_SIZES}
    served, client_seconds = [], []
    with ThreadPoolExecutor(num_threads) as pool:
        for _ in range(NUM_ROUNDS):
            for batch_size, rates in alone.items():
                start = time.monotonic()
                counts = pool.map(classify, [batch_size] * num_threads, [start + SECONDS] * num_threads)
                rates.append(sum(counts) / (time.monotonic() - start))
            start, start_cpu = time.monotonic(), time.process_time()
            served.append(load.capacity(SECONDS))
            client_seconds.append((time.process_time() - start_cpu) / (served[-1] * (time.monotonic() - start)))
    fastest = max(map(statistics.median, alone.values()))
    return fastest, statistics.median(served), 1000 * statistics.median(client_seconds)


def _export(export_dir: Path, model: Path) -> None:
    """Exports one network with random weights for Keras and for the service."""
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(seed=0)
    from components.contract.layers.stack import parse_layer
    from components.contract.params.model import ModelParams
    from components.train.export.graph import export_network
    from components.train.network.architecture import build_network

    size = (served_model.SIZE, served_model.SIZE)
    params = ModelParams(
        kind="pretrained", name="MobileNetV2", weights="none", head=(parse_layer("GlobalAveragePooling2D"),)
    )
    network = build_network(params, image_size=size, num_classes=served_model.NUM_CLASSES, batch_size=1)
    export_network(network, export_dir, np.empty((0, *size, 3), np.uint8))
    network.model.save(model)
