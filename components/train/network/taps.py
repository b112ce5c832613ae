"""Finds two tensors of a complete network: the input of its output layer, and its last feature map."""

from typing import Any

import keras


def find_embedding(output: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the input of the output layer; the output itself if the last layer is not dense."""
    tensor = output
    while isinstance(_history(tensor).operation, keras.layers.Activation | keras.layers.Identity):
        (tensor,) = _inputs(tensor)
    if isinstance(_history(tensor).operation, keras.layers.Dense):
        (embedding,) = _inputs(tensor)
        return embedding if len(embedding.shape) == 2 else output
    return output


def _inputs(tensor: keras.KerasTensor) -> list[keras.KerasTensor]:
    operation, place, _ = _history(tensor)
    inputs: list[keras.KerasTensor] = operation._inbound_nodes[place].input_tensors  # noqa: SLF001 - Keras has no public name for this
    return inputs


def _history(tensor: keras.KerasTensor) -> Any:
    """Returns the operation that created a tensor, the index of the call, and the tensor's index in the outputs."""
    return tensor._keras_history  # noqa: SLF001 - Keras has no public name for this


def find_feature_map(model: keras.Model) -> keras.KerasTensor | None:
    """Returns the tensor with height and width that is closest to the output; None if only the photo has these axes."""
    for _, nodes in sorted(model._nodes_by_depth.items()):  # noqa: SLF001 - Keras has no public name for this
        for node in nodes:
            if len(node.outputs[0].shape) == 4 and max(node.outputs[0].shape[1:3]) > 1 and not _is_photo(node):
                feature_map: keras.KerasTensor = node.outputs[0]
                return feature_map
    return None


def _is_photo(node: Any) -> bool:
    """Whether the node's output is the photo itself, at most with scaled or reordered values."""
    kinds = ("InputLayer", "Rescaling", "Normalization", "Reshape", "Cropping2D")
    return type(node.operation).__name__ in kinds or node.operation.name in ("grey", "channels_turned")
