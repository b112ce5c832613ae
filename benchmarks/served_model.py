"""Builds a bento of MobileNetV2 at 224 px without TensorFlow; its random weights are as fast as trained ones."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from components.contract.artifacts.bundle import BundleInfo, ExportFacts, ModelFacts
from components.contract.artifacts.dataset import Source
from components.contract.inference.graph import export_sha256, openvino
from components.deploy.bento.build import build_bento

if TYPE_CHECKING:
    from openvino import Node

SIZE = 224
NUM_CLASSES = 10
PHOTO_SHAPE = (533, 400, 3)
"""The shape of the median photo in the clothing data set."""

MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repeats and stride of each group of blocks: Sandler et al., 2018, table 2."""


def photo() -> bytes:
    """Returns a JPEG of typical size."""
    rng = np.random.default_rng(0)
    # Smooth like photos: noise would make the JPEG three times as large.
    coarse = Image.fromarray(rng.integers(0, 256, (20, 15, 3), np.uint8))
    file = io.BytesIO()
    coarse.resize(PHOTO_SHAPE[1::-1], Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return file.getvalue()


def build(bento_dir: Path) -> None:
    """Writes the folders bundle/ and bento/."""
    export_dir = bento_dir / "bundle" / "export"
    export_dir.mkdir(parents=True)
    openvino().save_model(_mobilenet_v2(), export_dir / "model.xml", compress_to_fp16=False)
    pack(bento_dir)


def pack(bento_dir: Path) -> None:
    """Builds bento/ from the graph in bundle/export."""
    export_dir = bento_dir / "bundle" / "export"
    bundle = BundleInfo(
        dataset_name="made",
        dataset_fingerprint="0" * 64,
        source=Source(uri="made"),
        resize="stretch",
        class_names=tuple(f"class {number}" for number in range(NUM_CLASSES)),
        image_size=(SIZE, SIZE),
        params={},
        model=ModelFacts(
            kind="pretrained",
            name="MobileNetV2",
            num_parameters=0,
            num_trained_parameters=0,
            trained_layers=(),
            num_layers=0,
        ),
        export=ExportFacts(
            outputs=("logits", "embedding", "feature_map"),
            max_probability_difference=0.0,
            num_compared=0,
            sha256=export_sha256(export_dir),
        ),
        library_versions={},
        epochs_run=1,
        best_epoch=1,
    )
    build_bento(bento_dir / "bundle", bundle, "made", bento_dir / "bento")


def _mobilenet_v2() -> Any:
    ov = openvino()
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)

    def channels_of(x: "Node") -> int:
        return int(x.get_output_partial_shape(0)[1].get_length())

    def convolve(x: "Node", channels: int, kernel: int, stride: int = 1, *, linear: bool = False) -> "Node":
        shape = (channels, channels_of(x), kernel, kernel)
        weights = rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype(np.float32)
        pad = [kernel // 2] * 2
        x = ops.convolution(x, weights, [stride] * 2, pad, pad, [1, 1])
        x = ops.add(x, np.zeros((1, channels, 1, 1), np.float32))
        return x if linear else ops.clamp(x, 0.0, 6.0)

    def depthwise(x: "Node", stride: int) -> "Node":
        weights = rng.normal(0, (2 / 9) ** 0.5, (channels_of(x), 1, 1, 3, 3)).astype(np.float32)
        x = ops.group_convolution(x, weights, [stride] * 2, [1, 1], [1, 1], [1, 1])
        return ops.clamp(ops.add(x, np.zeros((1, channels_of(x), 1, 1), np.float32)), 0.0, 6.0)

    pixels = ops.parameter([-1, SIZE, SIZE, 3], np.uint8, name="pixels")
    x = ops.subtract(ops.divide(ops.convert(pixels, np.float32), np.float32(127.5)), np.float32(1))
    x = convolve(ops.transpose(x, np.array([0, 3, 1, 2])), 32, 3, 2)
    for expansion, channels, repeats, first_stride in MOBILENET_V2:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            wide = x if expansion == 1 else convolve(x, channels_of(x) * expansion, 1)
            narrow = convolve(depthwise(wide, stride), channels, 1, linear=True)
            x = ops.add(x, narrow) if stride == 1 and channels_of(x) == channels else narrow
    feature_map = ops.transpose(convolve(x, 1280, 1), np.array([0, 2, 3, 1]))
    embedding = ops.reduce_mean(feature_map, np.array([1, 2]))
    head = rng.normal(0, 0.03, (1280, NUM_CLASSES)).astype(np.float32)
    results = []
    outputs = {"logits": ops.matmul(embedding, head, False, False), "embedding": embedding, "feature_map": feature_map}
    for name, node in outputs.items():
        node.output(0).get_tensor().set_names({name})
        results.append(ops.result(node))
    return ov.Model(results, [pixels])
