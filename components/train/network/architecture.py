"""Builds the Keras network that the params describe, from pixels to logits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import keras

from components.contract.artifacts.bundle import ModelFacts
from components.contract.errors import ModelError
from components.contract.layers.layer import Layer
from components.contract.layers.shapes import shape_text
from components.contract.layers.stack import TracedLayer, parse_layer, trace
from components.contract.params.model import ModelParams, head_layers
from components.train.keras_import.loading import open_imported
from components.train.keras_import.outputs.output_layer import find_columns
from components.train.keras_import.wiring import wire
from components.train.network.backbone import build_backbone
from components.train.network.initial_model import InitialModel
from components.train.network.keras_layers import check_memory, layer_outputs
from components.train.network.pixels import scale_pixels, shrink, to_gray
from components.train.network.taps import find_embedding, find_feature_map

NUM_IMAGENET_CLASSES: Final = 1000


@dataclass(frozen=True)
class Network:
    """A network, and the parts of it that other modules need.

    Attributes:
        model: the model from pixels (uint8, RGB) to logits (float32).
        embedding: the input of the output layer.
        feature_map: the last tensor with height and width; None if the network has none.
        backbone: the part of `model` that is usually pretrained; None in a custom network.
    """

    model: keras.Model
    embedding: keras.KerasTensor
    feature_map: keras.KerasTensor | None
    backbone: keras.Model | None


def build_network(
    params: ModelParams,
    *,
    image_size: tuple[int, int],
    num_classes: int,
    batch_size: int,
    initial_model: InitialModel | None = None,
    input_size: tuple[int, int] | None = None,
    backbone: keras.Model | None = None,
) -> Network:
    """Builds the network of `train.model`, with the weights of an uploaded or earlier model, or random weights.

    Args:
        params: the resolved params of the model.
        image_size: (height, width) of the photos, in pixels.
        num_classes: the number of logits.
        batch_size: the batch size, for the check that training fits into memory.
        initial_model: the result of `import_initial_model` for the kinds upload and bundle.
        input_size: (height, width) to which the network scales the photos down; None for `image_size`.
        backbone: a backbone that was built earlier for these params and sizes; None builds a new one.

    Raises:
        ModelError: the network cannot be built; the message names the layer and its input.
    """
    if params.name == "auto":
        raise ModelError("train.model.name must name a network here, because only training resolves auto. Set a name.")
    input_size = input_size or image_size
    pixels = backbone.input if backbone else keras.Input((*image_size, 3), dtype="uint8", name="pixels")
    if initial_model is not None:
        return _stack_on_initial_model(initial_model, pixels, input_size, params, num_classes, batch_size)
    if params.name is None:
        assert params.layers is not None, "the kind layers requires layers"
        start = shrink(scale_pixels(pixels, "0 to 1"), input_size)
        return _stack_layers(
            pixels, start, None, params.layers, "train.model.layers", "own_network", num_classes, batch_size
        )
    if params.head == "imagenet":
        return _build_imagenet_classifier(params.name, pixels, input_size, num_classes)
    backbone = backbone or build_backbone(params.name, pixels, image_size=input_size)
    head = head_layers(params.head)
    return _stack_layers(
        pixels, backbone.output, backbone, head, "train.model.head", params.name, num_classes, batch_size
    )


def _build_imagenet_classifier(
    name: str, pixels: keras.KerasTensor, input_size: tuple[int, int], num_classes: int
) -> Network:
    if num_classes != NUM_IMAGENET_CLASSES:
        raise ModelError(
            f"The head imagenet has {NUM_IMAGENET_CLASSES} classes, but the data has {num_classes}. Use "
            "another head: train.model.head=linear."
        )
    return _keep_output_layer(name, pixels, build_backbone(name, pixels, image_size=input_size, with_top=True).output)


def _stack_on_initial_model(
    initial_model: InitialModel,
    pixels: keras.KerasTensor,
    input_size: tuple[int, int],
    params: ModelParams,
    num_classes: int,
    batch_size: int,
) -> Network:
    """Builds a network from an uploaded or earlier model, with its output layer or a new head."""
    if (
        initial_model.pixels == "0 to 255"
        and initial_model.facts.input_dtype == "uint8"
        and input_size == tuple(pixels.shape[1:3])
    ):
        start = pixels
    else:
        start = scale_pixels(
            to_gray(pixels) if initial_model.facts.input_shape[2] == 1 else pixels, initial_model.pixels
        )
        start = shrink(start, input_size)
    used_names = {layer.name for layer in keras.Model(pixels, start).layers} | {"pixels"}
    used_names |= {"logits"} if initial_model.layer else set()
    with open_imported(initial_model.folder) as (plan, weights_path):
        columns = None
        if initial_model.layer is None and initial_model.facts.num_outputs is not None:
            columns = find_columns(initial_model.facts.num_outputs, num_classes, initial_model.class_order)
        flat_network = wire(
            plan, weights_path, start, used_names, as_it_is=initial_model.layer is None, columns=columns
        )
    if initial_model.layer is None:
        return _keep_output_layer(initial_model.name, pixels, flat_network.output)
    features = flat_network.features(initial_model.layer)
    backbone = keras.Model(pixels, features)
    head = head_layers(params.head, on_a_map=len(features.shape) == 4)
    return _stack_layers(
        pixels, features, backbone, head, "train.model.head", initial_model.name, num_classes, batch_size
    )


def _keep_output_layer(name: str, pixels: keras.KerasTensor, output: keras.KerasTensor) -> Network:
    logits = output
    if logits.dtype != "float32":
        logits = keras.layers.Activation("linear", dtype="float32", name="logits")(logits)
    embedding = find_embedding(output)
    backbone = keras.Model(pixels, embedding)
    return Network(
        model=keras.Model(pixels, logits, name=name),
        embedding=embedding,
        feature_map=find_feature_map(backbone),
        backbone=backbone if embedding is not output else None,
    )


def _stack_layers(
    pixels: keras.KerasTensor,
    start: keras.KerasTensor,
    backbone: keras.Model | None,
    layers: tuple[Layer, ...],
    where: str,
    name: str,
    num_classes: int,
    batch_size: int,
) -> Network:
    """Stacks layers and the output layer on the features of a backbone, or on pixels."""
    hidden, output = split_output(layers, num_classes, where)
    traced = trace(hidden, tuple(start.shape[1:]), where)
    shape = traced[-1].output_shape if traced else tuple(start.shape[1:])
    check_memory(
        [*traced, TracedLayer(output, (shape,), (num_classes,), output.count_parameters(shape))], batch_size, where
    )
    used_names = {layer.name for layer in (backbone or keras.Model(pixels, start)).layers}
    tensors = [start, *layer_outputs(start, (*hidden, output), where, used_names)]

    features = [tensor for tensor in tensors[0 if backbone else 1 :] if len(tensor.shape) == 4]
    return Network(
        model=keras.Model(pixels, tensors[-1], name=name),
        embedding=tensors[-2],
        feature_map=features[-1] if features else find_feature_map(backbone) if backbone else None,
        backbone=backbone,
    )


def split_output(layers: tuple[Layer, ...], num_classes: int, where: str) -> tuple[tuple[Layer, ...], Layer]:
    """Returns the layers before the output layer, and the output layer, which outputs logits.

    If the list ends in a `Dense` layer with one unit per class, with or without softmax, that layer is the output
    layer; otherwise an output layer is added.

    Raises:
        ModelError: the list ends in a softmax over a different number of classes.
    """
    *before, last = layers
    softmax = last.kind == "Activation" and last.arguments.get("activation") == "softmax" and bool(before)
    if softmax:
        last = before.pop()
    arguments = last.arguments
    activation = arguments.get("activation", "linear")
    if last.kind == "Dense" and activation in ("linear", "softmax"):
        if arguments["units"] == num_classes:
            return tuple(before), last.model_copy(update={"activation": None, "name": last.name or "logits"})
        if softmax or activation == "softmax":
            raise ModelError(
                f"{where} ends in a softmax over {arguments['units']} classes, but the data has "
                f"{num_classes}. Set units: {num_classes}, or leave that layer out; a matching one is then added "
                "automatically."
            )
    return layers, parse_layer({"Dense": {"units": num_classes, "name": "logits"}})


def model_facts(
    network: Network,
    params: ModelParams,
    weights_sha256: str | None,
    initial_model: InitialModel | None = None,
    *,
    trained: tuple[str, ...],
    num_trained: int,
) -> ModelFacts:
    """Collects the facts about a network that are stored in its bundle.

    Args:
        network: the network with its weights loaded.
        params: the resolved params of the model.
        weights_sha256: the hash of the pretrained weights file; None if there is none.
        initial_model: the uploaded or earlier model, for the kinds upload and bundle.
        trained: the names of the layers that at least one phase trains.
        num_trained: the number of trained parameters in these layers.
    """
    model = network.model
    return ModelFacts(
        kind=params.kind,
        name=model.name,
        num_parameters=model.count_params(),
        num_trained_parameters=num_trained,
        trained_layers=trained,
        num_layers=len(model.layers),
        weights_sha256=weights_sha256,
        uploaded_sha256=initial_model.facts.uploaded_sha256 if initial_model else None,
        imported_sha256=initial_model.facts.model_sha256 if initial_model else None,
        from_mlflow_run_id=initial_model.bundle.mlflow_run_id if initial_model and initial_model.bundle else None,
    )


def summary_lines(network: Network) -> Iterator[str]:
    """Yields the network as a table, line by line; a backbone is one line."""
    inside = {layer.name for layer in network.backbone.layers} if network.backbone else set()
    yield f"{'layer':<44} {'output':<18} {'parameters':>12}"
    if network.backbone is not None:
        name = f"{network.model.name} ({len(inside)} layers)"
        yield _table_row(name, network.backbone.output, network.backbone)
    for layer in network.model.layers:
        if layer.name not in inside:
            yield _table_row(f"{layer.name} ({type(layer).__name__})", layer.output, layer)
    yield f"{network.model.count_params():,} parameters."


def _table_row(name: str, tensor: keras.KerasTensor, layer: keras.Layer) -> str:
    return f"{name:<44} {shape_text(tensor.shape[1:]):<18} {layer.count_params():>12,}"
