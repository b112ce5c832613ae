"""OpenVINO, the format of the service: <target>/model.xml and model.bin, with probabilities as an output."""

from pathlib import Path

import numpy as np

from components.contract.inference.graph import CPU_SETTINGS, openvino
from components.train.export.formats.source import INPUT, OUTPUTS, Ask, Source
from components.train.export.graph import save_graph


def write_openvino(source: Source, folder: Path) -> None:
    """Writes the exported graph with the calibrated softmax as an additional output."""
    graph = openvino().Core().read_model(source.bundle_dir / "export" / "model.xml")
    from openvino import opset13 as ops

    logits = graph.output("logits").get_node().input_value(0)
    probabilities = ops.softmax(ops.divide(logits, np.float32(source.temperature)), 1)
    pixels = graph.get_parameters()[0]
    model = openvino().Model([ops.result(logits), ops.result(probabilities)], [pixels])
    pixels.output(0).get_tensor().set_names({INPUT})
    for output, name in zip(model.outputs, OUTPUTS, strict=True):
        output.get_tensor().set_names({name})
    save_graph(model, folder)


def load_openvino(folder: Path) -> Ask:
    """Loads the model for this machine's CPU, in float32."""
    compiled = openvino().Core().compile_model(folder / "model.xml", "CPU", CPU_SETTINGS)
    return lambda pixels: np.array(compiled({0: pixels})["probabilities"])
