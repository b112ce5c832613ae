"""Collects the content of import.json, which is stored next to our copy of an uploaded model."""

import math
from collections.abc import Iterator
from pathlib import Path

from components.contract.layers.attention import ATTENTION
from components.contract.record import StrictRecord
from components.contract.system.atomic_files import read_json
from components.train.keras_import.plan import Output, Plan
from components.train.keras_import.preprocessing import Preprocessing, infer_preprocessing


class LayerFacts(StrictRecord):
    """A layer, or a submodel, of an imported network."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    num_parameters: int


class ImportedModel(StrictRecord):
    """The content of import.json, next to model.keras.

    Attributes:
        form: the file format of the upload.
        keras_version: the version of Keras that saved the file, if it is recorded.
        input_shape: (height, width, channels); None for a variable size.
        input_dtype: the type of the input tensor.
        output_shape: the shape of the output for one photo; for a photo of 224 px if the size is variable.
        num_outputs: the number of output values per photo; None if the output is a map, as in a network without a head.
        class_names: the class names in the order of the outputs, from a file in the zip; None if there is none.
        output: the kind of output: softmax and sigmoid are probabilities, values may be logits, features are a map.
        num_layers: the number of layers, including those of submodels.
        layers: the layers of the outermost network, in order; the output of each can be used as features.
        feature_layer: the input of a new head: the last feature map if no attention layer follows it; otherwise the
            layer before the output layer.
        num_parameters: the number of parameters of the network.
        preprocessing: the pixel range that the network expects; None if it cannot be inferred from the upload, so the
            user must set it.
        uploaded_sha256: the hash of the uploaded file.
        model_sha256: the hash of our copy, model.keras; None before it is created.
    """

    form: str
    keras_version: str
    input_shape: tuple[int | None, int | None, int | None]
    input_dtype: str
    output_shape: tuple[int, ...]
    num_outputs: int | None
    class_names: tuple[str, ...] | None = None
    output: Output
    num_layers: int
    layers: tuple[LayerFacts, ...]
    feature_layer: str
    num_parameters: int
    preprocessing: Preprocessing | None
    uploaded_sha256: str
    model_sha256: str | None


def read_import(imported_dir: Path) -> ImportedModel:
    """Reads import.json.

    Raises:
        ArtifactError: import.json is missing or damaged.
    """
    return read_json(imported_dir / "import.json", ImportedModel, "imported model")


def facts_of(plan: Plan, uploaded_sha256: str, model_sha256: str | None) -> ImportedModel:
    """Collects the facts of an upload, with the hashes of the uploaded file and of our copy."""
    height, width, channels = plan.graph.input_shape or plan.sizes.input_shape
    shape = plan.sizes.output_shape
    layers = tuple(_layer_facts(plan))
    return ImportedModel(
        form=plan.contents.form,
        keras_version=plan.contents.keras_version,
        input_shape=(height, width, channels),
        input_dtype=plan.graph.input_dtype,
        output_shape=shape,
        num_outputs=shape[0] if len(shape) == 1 else None,
        class_names=plan.contents.class_names,
        output=plan.output,
        num_layers=plan.graph.num_layers,
        layers=layers,
        feature_layer=_feature_layer(layers),
        num_parameters=plan.sizes.num_parameters,
        preprocessing=infer_preprocessing(plan.graph),
        uploaded_sha256=uploaded_sha256,
        model_sha256=model_sha256,
    )


def _layer_facts(plan: Plan) -> Iterator[LayerFacts]:
    """Yields the layers in the order of computation."""
    shapes, kinds = plan.sizes.layer_shapes, {layer.name: layer.kind for layer in plan.graph.layers}
    for name, shape in shapes.items():
        weights = [
            shape
            for path, shape_by_name in plan.sizes.weights.items()
            if path[0] == name
            for shape in shape_by_name.values()
        ]
        yield LayerFacts(name=name, kind=kinds[name], output_shape=shape, num_parameters=sum(map(math.prod, weights)))


def _feature_layer(layers: tuple[LayerFacts, ...]) -> str:
    maps = [place for place, layer in enumerate(layers) if len(layer.output_shape) == 3]
    if len(maps) > 1 and not any(layer.kind in ATTENTION for layer in layers[maps[-1] :]):
        return layers[maps[-1]].name
    dense = [place for place, layer in enumerate(layers) if layer.kind == "Dense"]
    return layers[dense[-1] - 1 if dense else -1].name
