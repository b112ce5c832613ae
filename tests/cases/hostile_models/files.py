"""A harmless model in Keras' file formats; every hostile file is a variation of these files."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.cases.hostile_models.attack import Attack, Config


def layer(class_name: str, name: str, on: str | list[str] | None, **config: Any) -> Config:
    """Returns a layer in Keras 3's format, called on the output of the layer or layers `on`."""

    def tensor(source: str) -> Config:
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None, 8, 8, 3], "dtype": "float32", "keras_history": [source, 0, 0]},
        }

    argument = [tensor(source) for source in on] if isinstance(on, list) else tensor(on) if on else None
    nodes = [] if on is None else [{"args": [argument], "kwargs": {}}]
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": {"name": name, **config},
        "name": name,
        "registered_name": None,
        "inbound_nodes": nodes,
    }


def called_on_tokens(attention: Config, *names: str) -> Config:
    """Returns the attention layer, called on the outputs of the layers with these names (query, value, key)."""
    tensors = [layer("", "", name)["inbound_nodes"][0]["args"][0] for name in names or ("input", "input")]
    return {**attention, "inbound_nodes": [{"args": tensors, "kwargs": {}}]}


def network(*inner: Config, last: str = "input", compile_config: Config | None = None, **dense: Any) -> Config:
    """Returns a Functional model: input, the inner layers, Flatten, Dense. `weights_file` creates its weights."""
    layers = [
        layer("InputLayer", "input", None, batch_shape=[None, 8, 8, 3], dtype="float32"),
        *inner,
        layer("Flatten", "flatten", last),
        layer("Dense", "dense", "flatten", **{"units": 3, "activation": "softmax", **dense}),
    ]
    config = {
        "name": "net",
        "trainable": True,
        "layers": layers,
        "input_layers": [["input", 0, 0]],
        "output_layers": [["dense", 0, 0]],
    }
    tree = {"module": "keras", "class_name": "Functional", "config": config, "registered_name": "Functional"}
    return tree | ({"compile_config": compile_config} if compile_config else {})


def weights_file(change: Callable[[h5py.File], None] | None = None) -> bytes:
    """Returns a file with the weights of `network()` in Keras 3's format."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/dense/vars/0"] = np.random.default_rng(0).normal(size=(192, 3)).astype(np.float32)
        file["layers/dense/vars/1"] = np.zeros(3, np.float32)
        if change is not None:
            change(file)
    return buffer.getvalue()


def keras_file(attack: Attack, tree: Config | str, weights: bytes | None = None) -> Path:
    """Writes a .keras file with this description and these weights."""
    path = attack.folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", tree if isinstance(tree, str) else json.dumps(tree))
        archive.writestr("model.weights.h5", weights_file() if weights is None else weights)
    return path


def legacy_file(attack: Attack, tree: Config, training: Config | None = None) -> Path:
    """Writes an .h5 file in Keras 2's layout."""
    path = attack.folder / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(tree)
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense"]
        dense = group.create_group("dense")
        dense.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        dense["dense/kernel:0"] = np.ones((192, 3), np.float32)
        dense["dense/bias:0"] = np.zeros(3, np.float32)
    return path


def honest(attack: Attack) -> Path:
    """Writes the harmless model, from which all hostile files are derived; it must be accepted."""
    return keras_file(attack, network())
