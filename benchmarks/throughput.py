"""Photos per second for eight parallel clients: the service compared with FastAPI around the same network in Keras."""

import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import served_model
from benchmarks.load import NUM_CLIENTS, Load
from benchmarks.serving import run_app
from benchmarks.table import Row
from components.deploy.bento.server import serving

NUM_ROUNDS = 3
SECONDS = 6.0
WARM_SECONDS = 2.0


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
    claim = f"photos per second over HTTP, {NUM_CLIENTS} clients, MobileNetV2 at {served_model.SIZE} px"
    return [
        Row(claim, f"{ours:.1f}", f"{predict:.1f}, FastAPI + model.predict", ours / predict, ">= 5"),
        Row(claim, f"{ours:.1f}", f"{function:.1f}, FastAPI + tf.function", ours / function, ">= 2"),
    ]


def _measure_rates(*urls: str) -> list[float]:
    loads = [Load(url, photos_per_request=1) for url in urls]
    for load in loads:
        assert load.ask()[0] == 200
        load.capacity(WARM_SECONDS)
    rounds = [[load.capacity(SECONDS) for load in loads] for _ in range(NUM_ROUNDS)]
    return [statistics.median(rates) for rates in zip(*rounds, strict=True)]


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
