"""The plan of an uploaded network before anything is built: its layers, its sizes, and where its weights are stored."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from components.contract.errors import UploadError
from components.train.keras_import.confined import strict_json
from components.train.keras_import.confined.reader import Contents
from components.train.keras_import.description.allow_list import sweep
from components.train.keras_import.description.network import read_graph
from components.train.keras_import.graph import Graph
from components.train.keras_import.limits import Limits
from components.train.keras_import.matching import Matches, match
from components.train.keras_import.sizes import Sizes, measure

Output = Literal["softmax", "sigmoid", "values", "features"]
"""softmax: probabilities that sum to 1; sigmoid: independent probabilities; values: other vectors; features: a map."""


@dataclass(frozen=True)
class Plan:
    """A checked network, and where its weights are stored."""

    contents: Contents
    graph: Graph
    sizes: Sizes
    matches: Matches
    output: Output


def make_plan(contents: Contents, limits: Limits) -> Plan:
    """Checks the description, the sizes and the weights of an upload against each other.

    Raises:
        UploadError: the network is not allowed; the message names the layer or the file at fault.
    """
    assert contents.config is not None, "for a weights file, the architecture must be added first"
    where = "config.json" if ".keras" in contents.form else "model_config"
    tree = strict_json.parse(contents.config, where, max_bytes=limits.max_config_bytes, max_depth=limits.max_depth)
    sweep(tree, where)
    graph = read_graph(tree, where, limits, keras_version=contents.keras_version)
    sizes = measure(graph, limits)
    return Plan(
        contents, graph, sizes, match(graph, sizes, contents, by_order=contents.by_order), _output(graph, sizes)
    )


def write_plan(folder: Path, contents: Contents, limits: Limits) -> None:
    """Writes the data from which the builder computes the same plan."""
    (folder / "description.json").write_text(contents.model_dump_json(), encoding="utf-8")
    (folder / "limits.json").write_text(json.dumps(asdict(limits)), encoding="utf-8")


def read_contents(folder: Path, limits: Limits) -> Contents:
    """Reads and checks the output of the reader, which is untrusted because the reader has processed the upload.

    Raises:
        UploadError: the output is missing, too long, or invalid.
    """
    path = folder / "description.json"
    try:
        max_bytes = 8 * limits.max_config_bytes
        if path.stat().st_size > max_bytes:
            raise UploadError(f"The description in the upload must have at most {max_bytes:,} bytes; it has more.")
        return Contents.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise UploadError(
            "The uploaded model cannot be read: the process that read it returned no description. The "
            "file is damaged or malicious; nothing was kept. Save it again with Keras."
        ) from None


def read_plan(folder: Path) -> Plan:
    """Reads the plan that `write_plan` wrote."""
    limits = Limits(**json.loads((folder / "limits.json").read_bytes()))
    return make_plan(read_contents(folder, limits), limits)


def _output(graph: Graph, sizes: Sizes) -> Output:
    if len(sizes.output_shape) != 1:
        return "features"
    layer = graph.layer(graph.output[0])
    while layer.model is not None:
        layer = layer.model.layer(layer.model.output[0])
    activation = "softmax" if layer.kind == "Softmax" else layer.arguments.get("activation")
    if activation == "softmax":
        return "softmax"
    return "sigmoid" if activation == "sigmoid" else "values"
