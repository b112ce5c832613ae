"""Training ignores environment settings that would change its results, and reuses freed memory."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

PAGE_BYTES = 4096
ROOT = Path(__file__).parents[4]

PROGRAM = """
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s")
from components.train.tensorflow.start import start_tensorflow
start_tensorflow(0)
import keras
import numpy as np
import tensorflow as tf
from components.train.network.architecture import build_network
from components.train.export.graph import check_exportable
from components.contract.layers.stack import parse_layer
from components.contract.params.model import ModelParams

assert tf.keras.__version__ == keras.__version__
assert keras.config.backend() == "tensorflow"
assert keras.config.epsilon() == 1e-7
layers = ({"Conv2D": {"filters": 32, "kernel_size": 3}}, "GlobalAveragePooling2D", {"Dense": {"units": 64}})
params = ModelParams(kind="layers", layers=tuple(map(parse_layer, layers)))
network = build_network(params, image_size=(16, 16), num_classes=3, batch_size=8)
assert {str(layer.compute_dtype) for layer in network.model.layers if layer.weights} == {"float32"}
for weight in network.model.trainable_weights:
    weight.assign(3 * weight)
check_exportable(network)
values = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
assert np.abs(tf.matmul(values, values).numpy() - values.astype(np.float64) @ values).max() < 1e-3
network.model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
history = network.model.fit(np.zeros((32, 16, 16, 3), np.uint8), np.zeros(32), batch_size=8, epochs=3, verbose=0)
assert len(history.history["loss"]) == 3
assert int(network.model.optimizer.iterations) == 12
"""

SETTINGS = {
    "DNNL_DEFAULT_FPMATH_MODE": "BF16",
    "KERAS_BACKEND": "jax",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_MAX_STEPS_PER_EPOCH": "2",
    "KERAS_NNX_ENABLED": "true",
    "NVIDIA_TF32_OVERRIDE": "1",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "TF_FUNCTION_JIT_COMPILE_DEFAULT": "1",
    "TF_JIT_COMPILE_REWRITE": "1",
    "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1",
    "TF_SET_ONEDNN_FPMATH_MODE": "BF16",
    "TF_USE_LEGACY_KERAS": "1",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --of_another_version=1",
}
KERAS_JSON = {
    "floatx": "float16",
    "epsilon": 1e-3,
    "backend": "torch",
    "image_data_format": "channels_first",
    "nnx_enabled": True,
}


def start_with(settings: dict[str, str], keras_json: str | None, home: Path) -> str:
    """Returns the log of a very short training run in a separate process with these settings."""
    (home / ".keras").mkdir(parents=True)
    if keras_json is not None:
        (home / ".keras" / "keras.json").write_text(keras_json)
    inherited = {name: value for name, value in os.environ.items() if name not in {*SETTINGS, "KERAS_HOME"}}
    environment = inherited | {"TF_ENABLE_ONEDNN_OPTS": "1", "HOME": str(home)} | settings
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    written_files = [path.name for path in (home / ".keras").iterdir()]
    assert written_files == ([] if keras_json is None else ["keras.json"])
    return finished.stderr


def test_no_setting_of_another_project_changes_training(tmp_path: Path) -> None:
    log = start_with(SETTINGS, json.dumps(KERAS_JSON), tmp_path)
    (line,) = (
        line
        for line in log.splitlines()
        if line.startswith("Ignoring environment variables that would change results: ")
    )
    assert all(f"{name}={value!r}" in line for name, value in SETTINGS.items())


@pytest.mark.proof
@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_alone_is_ignored(name: str, tmp_path: Path) -> None:
    assert f"Ignoring environment variables that would change results: {name}=" in start_with(
        {name: SETTINGS[name]}, None, tmp_path
    )


@pytest.mark.proof
@pytest.mark.parametrize("keras_json", ['{"floatx": "bfloat16"}', '{"epsilon": 1}', "[]", "no JSON", "", None])
@pytest.mark.parametrize("is_named", [True, False])
def test_keras_json_is_ignored(keras_json: str | None, is_named: bool, tmp_path: Path) -> None:
    settings = {"KERAS_HOME": str(tmp_path / ".keras")} if is_named else {}
    assert "Ignoring" not in start_with(settings, keras_json, tmp_path)


def bytes_of(num_bytes: int) -> None:
    """Allocates memory, writes to all of it and frees it; unlike NumPy, without requesting huge pages."""
    len(bytes([1]) * num_bytes)


@pytest.mark.skipif(sys.platform != "linux", reason="tests glibc's memory allocator, so it needs Linux")
def test_memory_that_one_step_frees_is_reused_by_the_next() -> None:
    num_bytes = 48 * 2**20  # more than the allocator keeps by default
    bytes_of(num_bytes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytes_of(num_bytes)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < num_bytes // PAGE_BYTES // 10
