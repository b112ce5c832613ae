"""Infers the preprocessing of an uploaded network from its layers; if they do not show it, the user must set it."""

from collections.abc import Iterator
from typing import Final

from components.contract.layers.augmentation import AUGMENTATION
from components.contract.layers.backbone_facts import PixelScale
from components.contract.record import BaseRecord
from components.train.keras_import.graph import Graph, Layer, Reference


class Preprocessing(BaseRecord):
    """How pixels from 0 to 255 must be preprocessed for the network.

    Attributes:
        pixels: the pixel range that the network expects; "0 to 255" for no preprocessing.
        why: how this is known, in one or two sentences.
        is_certain: whether the network itself scales its pixels; otherwise it has the layers of a known network, but
            its weights may have been trained on a different pixel range.
    """

    pixels: PixelScale
    why: str
    is_certain: bool


_FAMILIES: Final[dict[str, tuple[PixelScale, tuple[str, ...]]]] = {
    "MobileNetV2": ("-1 to 1", ("Conv1", "bn_Conv1", "block_1_expand", "block_16_project")),
    "MobileNetV3": ("-1 to 1", ("conv", "conv_bn", "expanded_conv_depthwise", "conv_1_bn")),
    "InceptionV3": ("-1 to 1", ("mixed0", "mixed5", "mixed10")),
    "Xception": ("-1 to 1", ("block1_conv1", "block2_sepconv1", "block14_sepconv2")),
    "NASNet": ("-1 to 1", ("stem_conv1", "stem_bn1", "adjust_relu_1_stem_2")),
    "EfficientNetV2": ("-1 to 1", ("stem_conv", "block1a_project_conv", "top_conv")),
    "DenseNet": ("ImageNet mean and deviation", ("conv1_conv", "conv2_block1_1_conv", "pool4_conv")),
    "VGG": ("BGR less ImageNet mean", ("block1_conv1", "block3_conv3", "block5_conv3", "block5_pool")),
    "ResNet V2": ("-1 to 1", ("conv1_conv", "conv2_block1_preact_bn", "post_bn")),
    "ResNet": ("BGR less ImageNet mean", ("conv1_conv", "conv1_bn", "conv2_block1_1_conv", "conv5_block3_out")),
}
"""Layers that identify the networks of keras.applications, and the pixel range of their ImageNet weights."""

_BEFORE: Final = {*AUGMENTATION, "CenterCrop", "Identity", "Resizing", "ZeroPadding2D"}
"""Layers that may precede the rescaling."""


def infer_preprocessing(graph: Graph) -> Preprocessing | None:
    """Infers the preprocessing from the network's layers; None if they do not show it."""
    for layer in _from_input(graph):
        if layer.kind in ("Rescaling", "Normalization"):
            return Preprocessing(
                pixels="0 to 255",
                is_certain=True,
                why=f"The network scales its pixels itself, in the layer {layer.name} ({layer.kind}).",
            )
        if layer.kind not in _BEFORE:
            break
    names = {layer.name for layer in _all_layers(graph)}
    for family, (pixels, signs) in _FAMILIES.items():
        if names.issuperset(signs):
            return Preprocessing(
                pixels=pixels,
                is_certain=False,
                why=f"It has the layers of {family} ({', '.join(signs[:3])} …), whose ImageNet weights were "
                "trained on this pixel range. Set another value if this network was trained differently.",
            )
    return None


def _from_input(graph: Graph) -> Iterator[Layer]:
    """Yields the layers from the input up to the first fork, including those of submodels."""
    outer: list[tuple[Graph, Reference]] = []
    reference: Reference = (graph.input, 0)
    while True:
        while outer and reference == graph.output:
            graph, reference = outer.pop()
        users = [
            (layer, number)
            for layer in graph.layers
            for number, call in enumerate(layer.calls)
            if reference in call.inputs
        ]
        if len(users) != 1:
            return
        layer, number = users[0]
        if layer.model is not None:
            outer.append((graph, (layer.name, number)))
            graph, reference = layer.model, (layer.model.input, 0)
        else:
            yield layer
            reference = (layer.name, number)


def _all_layers(graph: Graph) -> Iterator[Layer]:
    for layer in graph.layers:
        yield layer
        if layer.model is not None:
            yield from _all_layers(layer.model)
