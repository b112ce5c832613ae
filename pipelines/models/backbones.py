"""Lists the trainable layers of a pretrained network, and times pretrained networks on this machine."""

import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from components.train.network.architecture import Network

NUM_WARM, NUM_TIMED = 3, 20
GROUP: Final = re.compile(r"(.*?\d+)(?:[_/]|$)")
"""Matches the block in the name of a layer: `block_13_expand` belongs to `block_13`."""


def list_layers(name: str) -> list[tuple[str, str]]:
    """The trainable layers of a pretrained network, each with the block that it belongs to."""
    from components.contract.params.training import Phase

    network = _build_network(name)
    from components.train.network.freezing import select

    names = select(network, Phase(trainable="all", train_batch_norm=True)).trained
    return [(layer, match[1] if (match := GROUP.match(layer)) else layer) for layer in names]


def measure_all(names: Iterable[str], output: Path | None) -> Iterator[tuple[str, float]]:
    """Measures how many milliseconds each network takes for one photo, and adds the times to `output` as JSON."""
    from components.contract.system.atomic_files import write_json

    times = json.loads(output.read_text(encoding="utf-8")) if output is not None and output.exists() else {}
    for name in names:
        times[name] = measure_milliseconds(name)
        if output is not None:
            write_json(output, times)
        yield name, times[name]


def measure_milliseconds(name: str) -> float:
    """The exported graph's median time for one photo, in ms; the weights are random, which does not affect the time."""
    import numpy as np

    network = _build_network(name)
    import keras

    from components.contract.inference.graph import InferenceGraph, openvino
    from components.train.export.graph import to_openvino, trace

    with tempfile.TemporaryDirectory(prefix="darkroom-speed-") as scratch:
        served_model = keras.Model(
            network.model.input, {"logits": network.model.output, "embedding": network.embedding}
        )
        openvino_model = to_openvino(trace(served_model))
        for output in openvino_model.outputs:
            output.get_tensor().set_names(output.get_names() & {"logits", "embedding"})
        openvino().save_model(openvino_model, Path(scratch) / "model.xml", compress_to_fp16=False)
        graph = InferenceGraph(Path(scratch))
    keras.utils.clear_session(free_memory=True)
    photo = np.random.default_rng(0).integers(0, 256, (1, *graph.image_size, 3)).astype(np.uint8)
    times = []
    for _ in range(NUM_WARM + NUM_TIMED):
        start_time = time.perf_counter()
        graph.run(photo, with_feature_map=False)
        times.append(time.perf_counter() - start_time)
    return round(1000 * statistics.median(times[NUM_WARM:]), 2)


def _build_network(name: str) -> "Network":
    from components.contract.layers.backbones import BACKBONES
    from components.contract.params.model import ModelParams, head_layers
    from components.train.tensorflow.start import start_tensorflow

    start_tensorflow(0)
    from components.train.network.architecture import build_network

    size = BACKBONES[name].size
    params = ModelParams.model_validate({"kind": "pretrained", "name": name, "weights": "none"})
    params = params.model_copy(update={"head": head_layers("linear")})
    return build_network(params, image_size=(size, size), num_classes=10, batch_size=1)
