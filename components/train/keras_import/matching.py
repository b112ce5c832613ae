"""Matches stored arrays with weights by name if possible, otherwise by order; their shapes must be equal."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from components.contract.errors import UploadError
from components.contract.layers.catalog import NOT_TRAINED
from components.contract.layers.shapes import Shape
from components.train.keras_import.confined.reader import Contents, StoredArray
from components.train.keras_import.graph import Graph, Layer
from components.train.keras_import.sizes import Path, Sizes


@dataclass(frozen=True)
class Weight:
    """A weight of the network.

    Attributes:
        path: the names of the submodels that contain the layer, and its name.
        stored_layer: the layer's name in the file.
        name: Keras' name of the weight: kernel, gamma …
        shape: the shape that the network requires.
        is_trained: whether it is trained: its layer and all enclosing models must be trainable.
    """

    path: Path
    stored_layer: str
    name: str
    shape: Shape
    is_trained: bool


Matches = dict[Path, list[StoredArray]]
"""For each layer with weights, the stored arrays in Keras' order."""


def match(graph: Graph, sizes: Sizes, contents: Contents, *, by_order: bool = False) -> Matches:
    """Finds the stored array of every weight.

    Args:
        graph: the network.
        sizes: the shapes of its weights.
        contents: the stored arrays.
        by_order: whether layers whose names differ from those in the file may be matched by their order.

    Raises:
        UploadError: a weight has no array, or one of a different shape.
    """
    if contents.layers is None:
        array_by_weight = dict(_by_path(graph, sizes, contents))
    else:
        array_by_weight = dict(_by_group(graph, sizes, contents, by_order))
    matches: Matches = {}
    for weight, array in array_by_weight.items():
        if array.shape != weight.shape:
            raise UploadError(
                f"The weights in the upload do not match its network: {'.'.join(weight.path)} needs a "
                f"{weight.name} of the shape {weight.shape}, but {array.path} in the file has the shape "
                f"{array.shape}. Save network and weights together."
            )
        matches.setdefault(weight.path, []).append(array)
    return matches


def _missing(weight: Weight, why: str) -> UploadError:
    return UploadError(
        f"The weights in the upload do not match its network: {'.'.join(weight.path)} needs a {weight.name} "
        f"of the shape {weight.shape}, but {why}. Save network and weights together."
    )


def _weights(graph: Graph, sizes: Sizes, within: Path = (), *, trained: bool = True) -> Iterator[list[Weight]]:
    """Yields the weights of each layer of the graph in Keras' order; those of a submodel are one item."""
    trained = trained and graph.trainable
    for layer in graph.layers:
        path = (*within, layer.name)
        if layer.model is not None:
            inner = [w for weights in _weights(layer.model, sizes, path, trained=trained) for w in weights]
            yield sorted(inner, key=lambda weight: not weight.is_trained)
        else:
            yield [
                Weight(path, layer.stored_name, name, shape, trained and layer.trainable and name not in NOT_TRAINED)
                for name, shape in sizes.weights.get(path, {}).items()
            ]


# Keras 2's layout: a group for each layer of the outermost model, with its weights in order


def _by_group(graph: Graph, sizes: Sizes, contents: Contents, by_order: bool) -> Iterator[tuple[Weight, StoredArray]]:
    assert contents.layers is not None
    arrays = {array.path: array for array in contents.arrays}
    stored = {layer.name: layer.weight_names for layer in contents.layers if layer.weight_names}
    weighted_layers = [
        (layer, weights) for layer, weights in zip(graph.layers, _weights(graph, sizes), strict=True) if weights
    ]
    same_names = {layer.stored_name for layer, _ in weighted_layers} == set(stored)
    if by_order and not same_names and len(weighted_layers) == len(stored):
        groups = list(stored.values())
    else:
        groups = [stored.get(layer.stored_name, ()) for layer, _ in weighted_layers]
    for (layer, weights), names in zip(weighted_layers, groups, strict=True):
        if len(names) != len(weights):
            raise _missing(
                weights[0], f"the array count in the file is {len(names)} for {layer.stored_name!r}, not {len(weights)}"
            )
        yield from zip(weights, _sorted_for(layer, weights, [arrays[name] for name in names]), strict=True)


def _sorted_for(layer: Layer, weights: list[Weight], arrays: list[StoredArray]) -> list[StoredArray]:
    """Sorts the arrays of a group in the order of `weights`: those of a submodel by name, if all names are unique."""
    if layer.model is None:
        return arrays
    array_by_name = {f"/{re.sub(r':[0-9]+$', '', array.path)}": array for array in arrays}
    by_name = [
        [array for name, array in array_by_name.items() if name.endswith(f"/{weight.stored_layer}/{weight.name}")]
        for weight in weights
    ]
    unique_arrays = [candidates[0] for candidates in by_name if len(candidates) == 1]
    return unique_arrays if len({array.path for array in unique_arrays}) == len(weights) else arrays


# Keras 3's layout: layers/<class>_<number>/vars/<number>, with submodels inside


def _by_path(graph: Graph, sizes: Sizes, contents: Contents) -> Iterator[tuple[Weight, StoredArray]]:
    arrays = {array.path: array for array in contents.arrays}
    if any(path.startswith("_layer_checkpoint_dependencies") for path in arrays):
        raise UploadError(
            "An uploaded .keras file must come from Keras 2.13 or later, or Keras 3; this file has an "
            "older layout. Save it as .h5 with the Keras version that wrote it."
        )
    places = dict(_stored_paths(graph))
    for weights in _weights(graph, sizes):
        position: Counter[tuple[Path, str]] = Counter()
        for weight in sorted(weights, key=lambda weight: weight.name in NOT_TRAINED):
            part = weight.name.rpartition("/")[0]
            number = position[weight.path, part]
            position[weight.path, part] += 1
            paths = [f"{places[weight.path]}/{folder}vars/{number}" for folder in _part_folders(part)]
            path = next((path for path in paths if path in arrays), None)
            if path is None:
                raise _missing(weight, f"the file has no {paths[0]}")
            yield weight, arrays[path]


def _part_folders(part: str) -> tuple[str, ...]:
    """Returns where a part of a layer may be stored: `query` in query_dense or, in older files, _query_dense."""
    attribute = f"{part.removeprefix('attention_')}_dense/"
    return (attribute, f"_{attribute}") if part else ("",)


def _stored_paths(graph: Graph, within: Path = (), folder: str = "") -> Iterator[tuple[Path, str]]:
    """Yields the folder of each layer's weights in Keras 3; its name depends on the layer's class and number."""
    used: dict[str, int] = {}
    for layer in graph.layers:
        if layer.class_name != layer.kind and layer.model is None:
            continue  # arithmetic, which Keras does not store as a layer
        name = _snake_case(_CLASSES.get(layer.class_name, layer.class_name))
        number = used.get(name)
        used[name] = 0 if number is None else number + 1
        place = f"{folder}layers/{name}" + (f"_{used[name]}" if used[name] else "")
        path = (*within, layer.name)
        yield path, place
        if layer.model is not None:
            yield from _stored_paths(layer.model, path, f"{place}/")


_CLASSES: Final = {"Model": "Functional", "GroupQueryAttention": "GroupedQueryAttention"}
"""Keras classes that have a different name in a weights file."""


def _snake_case(name: str) -> str:
    """The same as keras.src.utils.naming.to_snake_case."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
