"""`darkroom model layers` and `darkroom model speed`: what a backbone is made of, and how fast it is here."""

import argparse
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from components.train.network.architecture import Network

NUM_WARM, NUM_TIMED = 3, 20
GROUP: Final = re.compile(r"(.*?\d+)(?:[_/]|$)")
"""`block_13_expand` belongs to `block_13`."""


def add_backbone_actions(actions: Any) -> None:
    """Adds the two to `darkroom model`.

    Args:
        actions: argparse's subparsers.
    """
    text = "name the layers of a pretrained network that can be trained"
    layers = actions.add_parser("layers", help=text, description=f"{text[0].upper()}{text[1:]}.")
    layers.set_defaults(verb=_list_layers)
    layers.add_argument("name", type=parse_backbone, metavar="NAME", help="such as MobileNetV2")
    layers.add_argument("--output", type=Path, metavar="FILE", help="write [name, block] pairs as JSON there")

    text = "measure how long a photo takes through pretrained networks on this machine, as they would be served"
    speed = actions.add_parser("speed", help=text, description=f"{text[0].upper()}{text[1:]}.")
    speed.set_defaults(verb=_measure_speed)
    speed.add_argument("names", nargs="+", type=parse_backbone, metavar="NAME", help="such as MobileNetV2")
    speed.add_argument("--output", type=Path, metavar="FILE", help="add milliseconds by name to this JSON file")


def _list_layers(arguments: argparse.Namespace) -> int:
    from components.contract.params.training import Phase
    from components.contract.system.atomic_files import write_json

    network = _build_network(arguments.name)
    from components.train.network.freezing import select

    names = select(network, Phase(trainable="all", train_batch_norm=True)).trained
    pairs = [[name, match[1] if (match := GROUP.match(name)) else name] for name in names]
    if arguments.output is not None:
        write_json(arguments.output, pairs)
    else:
        print(*names, sep="\n")
    return 0


def _measure_speed(arguments: argparse.Namespace) -> int:
    import json

    from components.contract.system.atomic_files import write_json

    milliseconds = json.loads(arguments.output.read_text()) if arguments.output and arguments.output.exists() else {}
    for name in arguments.names:
        milliseconds[name] = _measure_milliseconds(name)
        print(f"{name:<18} {milliseconds[name]:8.1f} ms a photo", flush=True)
        if arguments.output is not None:
            write_json(arguments.output, milliseconds)
    return 0


def _measure_milliseconds(name: str) -> float:
    """The median time of one photo through the exported graph; the weights are random, which changes nothing."""
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


def parse_backbone(text: str) -> str:
    """Parses the name of a backbone.

    Raises:
        ArgumentTypeError: there is none of that name.
    """
    from components.contract.layers.backbones import BACKBONES
    from components.contract.validation_messages import nearest

    if text not in BACKBONES:
        raise argparse.ArgumentTypeError(
            f"the name of a backbone is expected; found {text!r}{nearest(text, BACKBONES)}"
        )
    return text
