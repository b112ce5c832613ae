"""Builds a checked network with Keras' constructors, loads its weights, tries it out, and saves our own copy.

The program runs confined, because even a network of known layers may exceed TensorFlow's limits. Keras receives only
checked names, numbers and plain strings, never a part of the upload.
"""

import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from components.contract.errors import UploadError
from components.contract.layers.arguments import Constraint, Regularizer
from components.contract.layers.attention import ATTENTION
from components.contract.layers.augmentation import AUGMENTATION
from components.contract.layers.catalog import KINDS
from components.train.keras_import.confined import confinement
from components.train.keras_import.graph import Graph, Layer, order
from components.train.keras_import.matching import Matches

if TYPE_CHECKING:
    import keras

    from components.train.keras_import.plan import Plan

MODULE: Final = "components.train.keras_import.builder"
SUM_TOLERANCE: Final = 1e-3
TRIAL_SEED: Final = 7


def main(argv: list[str]) -> int:
    """Builds the network that description.json and limits.json in the folder describe; saves it as model.keras."""
    confinement.enter(argv)
    folder = Path(argv[0])
    import keras  # noqa: F401  imported before `handle`, so that a broken TensorFlow is not reported as a bad upload

    from components.train.keras_import.plan import read_plan

    plan = read_plan(folder)
    return confinement.handle(folder, lambda: make_copy(plan, folder))


def make_copy(plan: "Plan", folder: Path) -> None:
    """Builds the network, tries it out, and saves it as model.keras.

    Raises:
        UploadError: the network cannot be built, or its outputs are unusable.
    """
    try:
        model = assemble(plan, folder / "weights.bin")
        try_out(model, plan)
        model.save(folder / "model.keras")
    except UploadError:
        raise
    except MemoryError:
        raise UploadError(_TOO_LARGE) from None
    except Exception as error:  # Keras and TensorFlow raise errors of any kind
        raise UploadError(
            f"Keras cannot build or run the uploaded model: {' '.join(str(error).split())[:400]}. "
            "Save it again with Keras."
        ) from None


_TOO_LARGE: Final = (
    "There is not enough memory to build the uploaded model and run it on even one photo. Use a smaller model, or "
    "smaller photos."
)


def assemble(plan: "Plan", weights_path: Path) -> "keras.Model":
    """Builds the network with its stored weights.

    Args:
        plan: the network and its weights.
        weights_path: the file that `reader` wrote.
    """
    model = build(plan.graph)
    if plan.matches:
        layers = {path: _layer_at(model, path) for path in plan.matches}
        assign(layers, plan.matches, np.memmap(weights_path, "<f4", "r"))
    return model


def _layer_at(model: "keras.Model", path: tuple[str, ...]) -> Any:
    layer: Any = model
    for name in path:
        layer = layer.get_layer(name)
    return layer


def build(graph: Graph) -> "keras.Model":
    """Builds the network with random weights."""
    import keras

    start = keras.Input(_open_shape(graph), dtype=graph.input_dtype, name=graph.input)
    return _connect(graph, start, graph.name.replace("/", "_"))


def _open_shape(graph: Graph) -> tuple[int | None, ...]:
    assert graph.input_shape is not None, "sizes.measure must have rejected a network without an input shape"
    return graph.input_shape


def _connect(graph: Graph, start: "keras.KerasTensor", name: str) -> "keras.Model":
    import keras

    tensors = {(graph.input, 0): start}
    keras_layers: dict[str, Any] = {}
    for layer, number in order(graph.layers, graph.name):
        inputs = [tensors[reference] for reference in layer.calls[number].inputs]
        if layer.name not in keras_layers:
            keras_layer = (
                construct(layer.kind, layer.arguments, layer.name, layer.policy)
                if layer.model is None
                else _submodel(layer.name, layer.model, inputs[0])
            )
            keras_layers[layer.name] = keras_layer
        training = layer.calls[number].training
        mode = {} if training is None or not has_modes(layer) else {"training": training}
        tensors[layer.name, number] = keras_layers[layer.name](*call_arguments(layer.kind, inputs), **mode)
    model = keras.Model(start, tensors[graph.output], name=name)
    for layer in graph.layers:
        if layer.name in keras_layers and layer.model is None and not layer.trainable:
            keras_layers[layer.name].trainable = False
    if not graph.trainable:
        model.trainable = False
    return model


def call_arguments(kind_name: str, inputs: list[Any]) -> list[Any]:
    """Returns the arguments of a layer's call: its input, a list of several inputs, or several inputs one by one."""
    kind = KINDS.get(kind_name)
    if kind is None or not kind.merges:
        return inputs[:1]
    return inputs if kind.spreads else [inputs]


def has_modes(layer: Layer) -> bool:
    """Whether the layer can be called with a fixed training mode."""
    return layer.model is not None or layer.kind in _WITH_MODES


_WITH_MODES: Final = {
    *AUGMENTATION,
    *ATTENTION,
    "AlphaDropout",
    "BatchNormalization",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "SpatialDropout2D",
    "StochasticDepth",
}
"""Layers that behave differently in training and inference."""


def _submodel(name: str, graph: Graph, tensor: "keras.KerasTensor") -> Any:
    import keras

    shape = graph.input_shape or tuple(tensor.shape[1:])
    dtype = graph.input_dtype if graph.input_shape else tensor.dtype
    return _connect(graph, keras.Input(shape, dtype=dtype, name=graph.input), name)


def construct(kind: str, checked_arguments: Mapping[str, Any], name: str, policy: str | None = None) -> Any:
    """Constructs a Keras layer of this kind, with random weights."""
    arguments = {key: _value(value) for key, value in checked_arguments.items()}
    if "padding" in arguments and isinstance(arguments["padding"], str):
        arguments["padding"] = arguments["padding"].lower()
    if isinstance(arguments.get("axis"), tuple) and len(arguments["axis"]) == 1:
        (arguments["axis"],) = arguments["axis"]  # Keras 2 stores a list with one element
    if kind == "Dropout" and arguments.get("noise_shape") is not None:
        arguments["noise_shape"] = tuple(arguments["noise_shape"])
    return find_class(kind)(name=name, dtype=policy, **arguments)


def _value(value: Any) -> Any:
    import keras

    if isinstance(value, Regularizer):
        return keras.regularizers.L1L2(value.l1, value.l2)
    if isinstance(value, Constraint):
        constructors = {
            "MaxNorm": keras.constraints.MaxNorm,
            "MinMaxNorm": keras.constraints.MinMaxNorm,
            "NonNeg": keras.constraints.NonNeg,
            "UnitNorm": keras.constraints.UnitNorm,
        }
        return constructors[value.name](**dict(value.arguments))
    return value


def find_class(kind: str) -> Callable[..., Any]:
    """Returns the Keras class with this name, which must be a key of KINDS."""
    import keras

    assert kind in KINDS
    if kind in ("LayerScale", "StochasticDepth"):
        from keras.src.applications import convnext

        constructor: Callable[..., Any] = getattr(convnext, kind)
    else:
        constructor = getattr(keras.layers, kind)
    return constructor


def assign(
    layers: Mapping[tuple[str, ...], Any],
    matches: Matches,
    values: np.ndarray,
    output_columns: Mapping[tuple[str, ...], np.ndarray] = MappingProxyType({}),
) -> None:
    """Assigns the stored values to every weight.

    Args:
        layers: the Keras layers by path.
        matches: the stored arrays of each layer.
        values: float32 (n,), the values of all arrays in order.
        output_columns: for an output layer, the matrix from the stored outputs to class logits: float32 (outputs,
            classes).
    """
    for path, arrays in matches.items():
        layer = layers[path]
        stored_values = [
            values[array.offset : array.offset + math.prod(array.shape)].reshape(array.shape) for array in arrays
        ]
        if path in output_columns:
            stored_values = [value @ output_columns[path] for value in stored_values]
        variables = layer.weights
        if [tuple(variable.shape) for variable in variables] != [value.shape for value in stored_values]:
            raise UploadError(
                f"The weights in the upload do not match its network: for {'.'.join(path)}, Keras expects "
                f"weights of the shapes {[tuple(v.shape) for v in variables]}, but the file has "
                f"{[value.shape for value in stored_values]}. Save the model again with Keras."
            )
        for variable, value in zip(variables, stored_values, strict=True):
            variable.assign(value)
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def try_out(model: "keras.Model", plan: "Plan") -> None:
    """Runs the network on black photos and noise.

    Raises:
        UploadError: an output has an unexpected shape, is not finite, or is a softmax that does not sum to 1.
    """
    shape = plan.sizes.input_shape
    rng = np.random.default_rng(TRIAL_SEED)
    for what, photos in (
        ("black photos", np.zeros((2, *shape), np.float32)),
        ("noise from 0 to 255", rng.integers(0, 256, (2, *shape)).astype(np.float32)),
    ):
        answers = np.asarray(model(photos.astype(plan.graph.input_dtype), training=False), np.float32)
        if answers.shape != (2, *plan.sizes.output_shape):
            raise UploadError(
                f"The output of the uploaded model must have the shape {plan.sizes.output_shape}; for {what}, it "
                f"has the shape {answers.shape[1:]}. Save it again with Keras."
            )
        if not np.isfinite(answers).all():
            raise UploadError(
                f"The uploaded model outputs NaN or infinity for {what}, as if training had failed. Train it again."
            )
        if plan.output == "softmax" and np.abs(answers.sum(axis=-1) - 1).max() > SUM_TOLERANCE:
            raise UploadError(
                f"The probabilities of the uploaded model must sum to 1; for {what}, they sum to "
                f"{answers.sum(axis=-1).max():.4f}. Save it again with Keras."
            )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
