"""Loads our copy of an uploaded model as a Keras network, completely or up to the layer on which a head is added."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.errors import UploadError
from components.contract.system.atomic_files import file_sha256
from components.contract.validation_messages import suggestion
from components.train.keras_import import builder
from components.train.keras_import.facts import read_import
from components.train.keras_import.importing import Expectation, read_upload
from components.train.keras_import.limits import Limits
from components.train.keras_import.plan import Plan

if TYPE_CHECKING:
    import keras


@contextlib.contextmanager
def open_imported(imported_dir: Path) -> Iterator[tuple[Plan, Path]]:
    """Yields the plan and the weights file of a folder that `import_model` wrote.

    Raises:
        ArtifactError: import.json is missing or damaged.
        UploadError: model.keras has changed since the import.
    """
    facts = read_import(imported_dir)
    path = imported_dir / "model.keras"
    if file_sha256(path) != facts.model_sha256:
        raise UploadError(f"{path} has changed since it was imported. Import the model again.")
    with tempfile.TemporaryDirectory(prefix="darkroom-upload-") as scratch:
        folder = Path(scratch)
        shutil.copyfile(path, folder / "upload")
        yield read_upload(folder, Expectation(), Limits()), folder / "weights.bin"


def load(imported_dir: Path) -> "keras.Model":
    """Rebuilds the network in a folder that `import_model` wrote.

    Raises:
        ArtifactError: import.json is missing or damaged.
        UploadError: model.keras has changed since the import.
    """
    with open_imported(imported_dir) as (plan, weights_path):
        return builder.assemble(plan, weights_path)


def cut(model: "keras.Model", layer_name: str) -> "keras.Model":
    """Returns the part of a network from its input to a named layer, so that a new head can follow.

    Args:
        model: the result of `load`; the returned part shares its layers.
        layer_name: the name of one of its outermost layers.

    Raises:
        UploadError: no such layer exists, or the layer is used several times.
    """
    import keras

    layers = {layer.name: layer for layer in model.layers}
    if layer_name not in layers:
        hint = suggestion(layer_name[:60], layers) or f"; its last layers are {', '.join(list(layers)[-5:])}"
        raise UploadError(
            f"train.model.layer must be a layer of the uploaded model; it has no layer {layer_name[:60]!r}{hint}."
        )
    # Not `layer.output`: for a submodel, that is a tensor in the graph of the submodel, not in this network.
    nodes = layers[layer_name]._inbound_nodes  # noqa: SLF001 - Keras has no public name for this
    if len(nodes) > 1 and not isinstance(layers[layer_name], keras.Model):
        raise UploadError(
            f"train.model.layer must be a layer that is called once; {layer_name} is called {len(nodes)} "
            "times. Choose another layer."
        )
    return keras.Model(model.input, nodes[-1].output_tensors[0], name="features")
