"""Explanation maps for 64 photos, compared with the forward pass that precedes them, at MobileNetV2's sizes."""

import numpy as np

from benchmarks.table import Row, peak_memory_mb, time_by_turns
from components.contract.inference.cam import class_activation, scale_maps
from components.contract.inference.graph import CPU_SETTINGS, openvino

NUM_PHOTOS, SIDE, CHANNELS, NUM_CLASSES = 64, 224, 1280, 10
LIMIT = 3.0


def measure() -> list[Row]:
    """Uses a network with one convolution; a real network's forward pass takes longer, so its ratio is lower."""
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)
    pixels = ops.parameter([-1, SIDE, SIDE, 3], np.uint8, name="pixels")
    planes = ops.transpose(ops.convert(pixels, np.float32), np.array([0, 3, 1, 2]))
    weights = rng.normal(size=(CHANNELS, 3, 32, 32)).astype(np.float32)
    convolved = ops.convolution(planes, weights, [32, 32], [0, 0], [0, 0], [1, 1])
    feature_map = ops.transpose(ops.relu(convolved), np.array([0, 2, 3, 1]))
    compiled = openvino().Core().compile_model(openvino().Model([feature_map], [pixels]), "CPU", CPU_SETTINGS)
    photos = rng.integers(0, 256, (NUM_PHOTOS, SIDE, SIDE, 3), dtype=np.uint8)
    features = np.array(compiled(photos)[0])
    labels = rng.integers(0, NUM_CLASSES, NUM_PHOTOS)
    class_weights = rng.normal(size=(NUM_CLASSES, CHANNELS)).astype(np.float32)
    forward_seconds, cam_seconds = time_by_turns(
        lambda: compiled(photos),
        lambda: scale_maps(class_activation(features, labels, class_weights)),
    )
    return [
        Row(
            f"class activation maps of {NUM_PHOTOS} photos",
            f"{1000 * cam_seconds:.1f} ms",
            f"{1000 * forward_seconds:.1f} ms, a forward pass",
            cam_seconds / forward_seconds,
            f"<= {LIMIT}",
            peak_memory_mb(),
        )
    ]
