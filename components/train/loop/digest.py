"""The digest of a network: networks with equal digests have the same outputs."""

import hashlib
import importlib.metadata
import json

import keras
import numpy as np

from components.train.loop.inference import gpu_names


def network_digest(model: keras.Model) -> str:
    """Returns the SHA-256 of everything that the outputs depend on: layers, weights, library versions and GPUs."""
    config_text = json.dumps(_without_trainable(model.get_config()), sort_keys=True, default=str)
    digest = hashlib.sha256(config_text.encode())
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight).tobytes())
    runtime = [f"{name} {importlib.metadata.version(name)}" for name in ("keras", "openvino", "opencv-python-headless")]
    digest.update("; ".join([*runtime, *gpu_names()]).encode())
    return digest.hexdigest()


def _without_trainable(config: object) -> object:
    """Drops `trainable` from a config, because it does not change a layer's outputs."""
    if isinstance(config, dict):
        return {key: _without_trainable(value) for key, value in config.items() if key != "trainable"}
    return [_without_trainable(value) for value in config] if isinstance(config, list | tuple) else config
