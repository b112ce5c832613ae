"""Selects the layers of a network that are trained, and finds the freeze boundary.

The freeze boundary is the last tensor before which no layer is trained. The layers before it give a photo the same
output in every epoch, so this output is computed only once.
"""

import fnmatch
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import keras

from components.contract.errors import ModelError
from components.contract.params.training import Phase
from components.contract.validation_messages import suggestion
from components.train.network.architecture import Network
from components.train.network.summary import multiply_adds

FIXED: Final = (
    keras.layers.Activation,
    keras.layers.Add,
    keras.layers.AveragePooling2D,
    keras.layers.Concatenate,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.InputLayer,
    keras.layers.MaxPooling2D,
    keras.layers.Multiply,
    keras.layers.Rescaling,
    keras.layers.Resizing,
    keras.layers.ZeroPadding2D,
)
"""Layers that have no weights and behave the same in training and inference."""
FIXED_WHEN_FROZEN: Final = (
    keras.layers.BatchNormalization,
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.Dense,
    keras.layers.DepthwiseConv2D,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.SeparableConv2D,
)
"""Layers that behave the same in training and inference if they are frozen."""


LARGEST_CUT: Final = 3
"""The maximum size of the tensor before the last blocks, relative to the smallest tensor between blocks."""


@dataclass(frozen=True)
class Selection:
    """The layers that a phase trains.

    Attributes:
        trained: the names of the trained layers in network order; layers of a submodel as `submodel/layer`.
        frozen: the names of the other layers that have weights.
        boundary: the freeze boundary; None if training starts from the pixels.
        boundary_name: the name of the layer that outputs the boundary.
    """

    trained: tuple[str, ...]
    frozen: tuple[str, ...]
    boundary: keras.KerasTensor | None
    boundary_name: str | None


@dataclass(frozen=True)
class TrainingPlan:
    """The layers that at least one phase trains.

    Attributes:
        layers: the names of the trained layers in network order; layers of a submodel as `submodel/layer`.
        num_parameters: the number of trained parameters in these layers.
    """

    layers: tuple[str, ...]
    num_parameters: int


def plan_training(network: Network, phases: Sequence[Phase]) -> TrainingPlan:
    """Plans all phases in advance, so that an unknown layer name is reported before any work is done.

    Raises:
        ModelError: a phase names layers that the network does not have.
    """
    trained: set[str] = set()
    weights: dict[str, int] = {}
    for phase in phases:
        trained.update(select(network, phase).trained)
        weights |= {weight.path: math.prod(weight.shape) for weight in network.model.trainable_weights}
    return TrainingPlan(
        tuple(path for path, _ in _named_layers(network.model) if path in trained), sum(weights.values())
    )


def select(network: Network, phase: Phase) -> Selection:
    """Sets which layers of the network are trained in a phase.

    Args:
        network: the network, modified in place.
        phase: the resolved phase.

    Raises:
        ModelError: the phase names layers that the network does not have.
    """
    layers = dict(_named_layers(network.model))
    inside = {path for path in layers if _in_base(network, path)}
    share = phase.trained_share
    trainable = phase.trainable if share is None else f"from {_first_of_last_blocks(network, share)}"
    trained_paths = _trained_paths(trainable, layers, inside)
    for path, layer in layers.items():
        keeps_statistics = isinstance(layer, keras.layers.BatchNormalization) and path in inside
        layer.trainable = path in trained_paths and not (keeps_statistics and not phase.train_batch_norm)
    weighted = {path: layer for path, layer in layers.items() if layer.weights}
    node = _boundary(network)
    return Selection(
        trained=tuple(path for path, layer in weighted.items() if layer.trainable_weights),
        frozen=tuple(path for path, layer in weighted.items() if not layer.trainable_weights),
        boundary=node.outputs[0] if node else None,
        boundary_name=node.operation.name if node else None,
    )


def frozen_part(network: Network, boundary: keras.KerasTensor) -> keras.Model:
    """Returns the network from pixels to the freeze boundary."""
    return keras.Model(network.model.input, boundary, name="frozen_part")


def learning_part(network: Network, boundary: keras.KerasTensor | None) -> keras.Model:
    """Returns the part from the freeze boundary (None: the pixels) to the logits; it shares the network's layers."""
    return keras.Model(
        network.model.input if boundary is None else boundary, network.model.output, name="learning_part"
    )


def rate_scales(network: Network, selection: Selection, layer_decay: float) -> dict[str, float]:
    """Computes the learning rate factor of each weight: 1 in the last trained layer, smaller in earlier layers.

    Returns:
        The factors, keyed by the path of the Keras variable.
    """
    layers = dict(_named_layers(network.model))
    depth_first = reversed(selection.trained)
    return {
        weight.path: layer_decay**depth
        for depth, path in enumerate(depth_first)
        for weight in layers[path].trainable_weights
    }


def _named_layers(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """Yields every layer with its path, in the order of the network; submodels are replaced by their layers."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            layer.trainable = True  # `trainable` is set separately for each of its layers
            yield from _named_layers(layer, f"{prefix}{layer.name}/")
        else:
            yield f"{prefix}{layer.name}", layer


def _in_base(network: Network, path: str) -> bool:
    return network.backbone is not None and path.partition("/")[0] in {layer.name for layer in network.backbone.layers}


def _trained_paths(trainable: str | tuple[str, ...], layers: dict[str, keras.Layer], inside: set[str]) -> set[str]:
    """Returns the paths of the layers that a phase trains, including layers without weights."""
    if trainable == "none":
        return set()
    # The head of a custom network is its output layer.
    head = set(layers) - inside if inside else {list(layers)[-1]}
    if trainable == "all":
        return set(layers)
    if trainable == "head":
        return head
    if isinstance(trainable, tuple):
        return head.union(*(_match_paths(pattern, layers) for pattern in trainable))
    paths = list(layers)
    word, _, value = trainable.partition(" ")
    if word == "from":
        return head | set(paths[paths.index(min(_match_paths(value, layers), key=paths.index)) :])
    weighted = [path for path, layer in layers.items() if layer.weights]
    if int(value) > len(weighted):
        raise ModelError(
            f"train.trainable: last {value} exceeds the number of layers with weights, which is {len(weighted)}."
        )
    return head | set(weighted[-int(value) :])


def _match_paths(pattern: str, layers: dict[str, keras.Layer]) -> set[str]:
    paths = {path for path in layers if fnmatch.fnmatchcase(path, pattern)}
    if not paths:
        hint = suggestion(pattern, layers) or f"; its last layers are {', '.join(list(layers)[-5:])}"
        raise ModelError(f"train.trainable must name layers of the network; no layer is called {pattern!r}{hint}.")
    return paths


def _boundary(network: Network) -> Any:
    """Finds the node that outputs the freeze boundary; it cuts the network and depends only on fixed layers."""
    # Unlike `layers`, `operations` includes operations that are not layers, such as x + 3 in MobileNetV3.
    inside = {operation.name for operation in network.backbone.operations} if network.backbone else set()
    boundary, saves = None, False
    for node, is_cut in _nodes_with_cuts(network.model):
        operation: Any = node.operation
        is_fixed = isinstance(operation, FIXED) or (
            isinstance(operation, FIXED_WHEN_FROZEN) and not operation.trainable
        )
        if getattr(operation, "trainable_weights", None) or not (operation.name in inside or is_fixed):
            break
        saves = saves or bool(getattr(operation, "weights", None))
        if saves and is_cut:
            boundary = node
    return boundary


def _nodes_with_cuts(model: keras.Model) -> Iterator[tuple[Any, bool]]:
    """Yields each node in the order of computation, and whether all later nodes depend on its output alone."""
    levels = model._nodes_by_depth  # noqa: SLF001 - Keras has no public name for this
    nodes = [node for _, level in sorted(levels.items(), reverse=True) for node in level]
    last_use: dict[int, int] = {id(model.output): len(nodes)}
    for position, node in enumerate(nodes):
        for tensor in node.arguments.keras_tensors:
            last_use[id(tensor)] = max(position, last_use.get(id(tensor), 0))
    alive = set[int]()
    for position, node in enumerate(nodes):
        alive = {key for key in alive if last_use[key] > position}
        alive |= {id(tensor) for tensor in node.outputs if last_use.get(id(tensor), -1) > position}
        yield node, len(alive) == 1 and len(node.outputs) == 1 and alive == {id(node.outputs[0])}


def _first_of_last_blocks(network: Network, share: float) -> str:
    """Finds the first layer of the last blocks of a backbone.

    A tensor cuts the network if all later layers depend on it alone. The last blocks begin after the first small tensor
    that cuts the network and is followed by at most this share of the multiply-adds. It is small if it has at
    most LARGEST_CUT times the size of the smallest tensor that meets these two conditions: the wide tensors within a
    block would need several times as much space in the feature cache. If there is no such tensor, as in NASNet, the
    last blocks are the last layers with this share of the multiply-adds, but at least the last layer that has any.

    Raises:
        ModelError: the network has no pretrained part.
    """
    backbone = network.backbone
    if backbone is None:
        raise ModelError("train.trainable: blocks requires a pretrained network; this one is custom. Set all or head.")
    total = left = sum(map(multiply_adds, backbone.layers))
    cuts: list[tuple[int, str | None]] = []
    first_of_share = last = ""
    for node, is_cut in _nodes_with_cuts(backbone):
        operation: Any = node.operation
        work = multiply_adds(operation) if isinstance(operation, keras.Layer) else 0
        last = operation.name if work else last
        if work and cuts and cuts[-1][1] is None:
            cuts[-1] = (cuts[-1][0], operation.name)
        if work and not first_of_share and left <= share * total:
            first_of_share = operation.name
        left -= work
        if is_cut and left <= share * total:
            cuts.append((math.prod(node.outputs[0].shape[1:]), None))
    named_cuts = [(size, name) for size, name in cuts if name is not None]
    smallest = min((size for size, _ in named_cuts), default=0)
    return next((name for size, name in named_cuts if size <= LARGEST_CUT * smallest), first_of_share or last)
