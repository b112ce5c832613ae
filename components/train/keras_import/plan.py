"""Everything that is known of an upload before anything is built: a network, its sizes, and where its numbers are."""

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
"""What the network gives: probabilities that sum to 1; one probability each; a flat vector; a map."""


@dataclass(frozen=True)
class Plan:
    """A checked network with its numbers."""

    contents: Contents
    graph: Graph
    sizes: Sizes
    matches: Matches
    output: Output


def make_plan(contents: Contents, limits: Limits) -> Plan:
    """Checks the description, the sizes and the weights of an upload against each other.

    Raises:
        UploadError: the network is not what an upload may be; the message names the place.
    """
    assert contents.config is not None, "a file of weights only has been given its architecture by now"
    where = "config.json" if ".keras" in contents.form else "model_config"
    tree = strict_json.parse(contents.config, where, max_bytes=limits.max_config_bytes, max_depth=limits.max_depth)
    sweep(tree, where)
    graph = read_graph(tree, where, limits, keras_version=contents.keras_version)
    sizes = measure(graph, limits)
    return Plan(
        contents, graph, sizes, match(graph, sizes, contents, by_order=contents.by_order), _output(graph, sizes)
    )


def write_plan(folder: Path, contents: Contents, limits: Limits) -> None:
    """Hands a plan to the builder: not the plan itself, but what it follows from."""
    (folder / "description.json").write_text(contents.model_dump_json(), encoding="utf-8")
    (folder / "limits.json").write_text(json.dumps(asdict(limits)), encoding="utf-8")


def read_contents(folder: Path, limits: Limits) -> Contents:
    """What the reader wrote; it has touched the upload, so its word is checked as well.

    Raises:
        UploadError: it is missing, too long, or not what a reader writes.
    """
    path = folder / "description.json"
    try:
        if path.stat().st_size > 8 * limits.max_config_bytes:
            raise UploadError(
                f"The description in the upload must have at most {limits.max_config_bytes:,} bytes; it has more."
            )
        return Contents.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise UploadError(
            "The uploaded model must be readable; the process that read it returned no description. The "
            "file is damaged or malicious; nothing was kept. Save it again with Keras."
        ) from None


def read_plan(folder: Path) -> Plan:
    """The plan that `write_plan` passed."""
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
