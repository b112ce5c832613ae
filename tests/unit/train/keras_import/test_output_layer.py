"""The output layer of a network that is used unchanged: its allowed forms, and how outputs become class logits."""

from typing import Any

import numpy as np
import pytest

from components.contract.errors import UploadError
from components.train.keras_import.description.network import read_graph
from components.train.keras_import.graph import Graph
from components.train.keras_import.limits import Limits
from components.train.keras_import.outputs.output_layer import as_logits, find_columns
from tests.cases.hostile_models.files import layer, network


def read(tree: dict[str, Any]) -> Graph:
    return read_graph(tree, "config.json", Limits(), keras_version="3.15.1")


def ending(*last: dict[str, Any], **dense: Any) -> Graph:
    """A network whose Dense layer is followed by these layers, each called on the previous one."""
    tree = network(**dense)
    tree["config"]["layers"] += last
    tree["config"]["output_layers"] = [[(last[-1] if last else {"name": "dense"})["name"], 0, 0]]
    return read(tree)


@pytest.mark.parametrize(
    ("num_outputs", "num_classes", "order", "columns"),
    [
        (3, 3, None, None),
        (3, 3, (0, 1, 2), None),
        (3, 3, (1, 2, 0), [[0, 0, 1], [1, 0, 0], [0, 1, 0]]),
        (1, 2, None, [[-0.5, 0.5]]),
        (1, 2, (1, 0), [[0.5, -0.5]]),
    ],
)
def test_the_logit_of_each_class_is_a_weighted_sum_of_outputs(
    num_outputs: int, num_classes: int, order: Any, columns: Any
) -> None:
    found = find_columns(num_outputs, num_classes, order)
    assert (found is None) == (columns is None)
    if found is not None:
        assert found.tolist() == columns


def test_two_logits_from_one_sigmoid_reproduce_its_probabilities() -> None:
    z = np.linspace(-5, 5, 11)[:, None]
    columns = find_columns(1, 2, None)
    assert columns is not None
    logits = z @ columns
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(softmax[:, 1:], 1 / (1 + np.exp(-z)))


ORDERED = np.eye(3, dtype=np.float32)[:, [2, 0, 1]]
BINARY = np.array([[-0.5, 0.5]], np.float32)


@pytest.mark.parametrize(
    ("graph", "columns"),
    [
        (ending(), ORDERED),
        (ending(activation="linear"), ORDERED),
        (ending(layer("Softmax", "soft", "dense"), activation=None), ORDERED),
        (ending(layer("Activation", "soft", "dense", activation="softmax"), activation=None), ORDERED),
        (ending(layer("Identity", "same", "dense"), layer("Softmax", "soft", "same"), activation=None), ORDERED),
        (ending(units=1, activation="sigmoid"), BINARY),
        (ending(units=1, activation=None), BINARY),
        (ending(layer("Activation", "s", "dense", activation="sigmoid"), units=1, activation="linear"), BINARY),
    ],
)
def test_the_output_layer_is_found_and_outputs_one_logit_per_class(graph: Graph, columns: np.ndarray) -> None:
    changed, path = as_logits(graph, columns)
    assert path == ("dense",)
    dense = changed.layer("dense")
    assert dense.arguments["units"] == columns.shape[1]
    assert dense.arguments["activation"] in (None, "linear")
    assert as_logits(graph, None if len(columns) > 1 else columns)[0].output == graph.output


@pytest.mark.parametrize(
    ("graph", "columns", "reason"),
    [
        (ending(activation="sigmoid"), None, "one sigmoid for two classes"),
        (ending(activation="sigmoid"), ORDERED, "one sigmoid for two classes"),
        (ending(activation="relu"), None, "with the activation relu"),
        (ending(units=1, activation="softmax"), BINARY, "with the activation softmax"),
        (ending(layer("ReLU", "last", "dense"), activation=None), None, "last is ReLU"),
        (ending(layer("BatchNormalization", "bn", "dense"), activation=None), ORDERED, r"bn \(BatchNormalization\)"),
    ],
)
def test_an_unsupported_output_layer_is_rejected(graph: Graph, columns: np.ndarray | None, reason: str) -> None:
    with pytest.raises(UploadError, match=reason):
        as_logits(graph, columns)
