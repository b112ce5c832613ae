"""The types used in the table of pretrained backbones: names, pixel scales, sizes and weights files."""

from dataclasses import dataclass
from typing import Final, Literal

BackboneName = Literal[
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2S",
    "InceptionV3",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "Xception",
]
"""Names as in keras.applications."""
Step = tuple[int, int]
"""(window, stride) of an unpadded layer that reduces each side."""


PixelScale = Literal["0 to 255", "-1 to 1", "0 to 1", "ImageNet mean and deviation", "BGR less ImageNet mean"]
"""The range of pixel values that a network expects."""
BackboneScale = PixelScale | Literal["ImageNet mean and root of deviation"]
"""PixelScale, and the scale that only Keras' EfficientNet expects."""


_IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION: Final = (0.229, 0.224, 0.225)
_CAFFE_MEAN: Final = (123.68, 116.779, 103.939)
"""The mean of red, green and blue, on a scale from 0 to 255."""

SCALES: Final[dict[BackboneScale, tuple[float | list[float], float | list[float]]]] = {
    "0 to 255": (1.0, 0.0),
    "-1 to 1": (1 / 127.5, -1.0),
    "0 to 1": (1 / 255, 0.0),
    "ImageNet mean and deviation": (
        [1 / (255 * deviation) for deviation in _IMAGENET_DEVIATION],
        [-mean / deviation for mean, deviation in zip(_IMAGENET_MEAN, _IMAGENET_DEVIATION, strict=True)],
    ),
    "ImageNet mean and root of deviation": (
        [deviation**-0.5 for deviation in _IMAGENET_DEVIATION],
        [
            255 * mean * (1 - deviation**-0.5)
            for mean, deviation in zip(_IMAGENET_MEAN, _IMAGENET_DEVIATION, strict=True)
        ],
    ),
    "BGR less ImageNet mean": (1.0, [-mean for mean in _CAFFE_MEAN]),
}
"""(factor, offset) for red, green and blue, to apply to pixels from 0 to 255.

The first layers of Keras' EfficientNet subtract the mean and divide by the square root of the standard deviation (not
by the standard deviation itself). If Keras loads the ImageNet weights itself, it adds a layer that divides by this root
again (keras.src.applications.efficientnet). The factor and the offset replace that layer: they are applied before the
first layers, with the same result.
"""


@dataclass(frozen=True)
class WeightFiles:
    """The files with the ImageNet weights of a backbone.

    Attributes:
        folder: the folder below the base URL of Google's public files.
        with_top: the name of the file with the classification layer.
        without_top: the name of the file without it.
        cache_names: the names of the two files in Keras' cache; None if these are `with_top` and `without_top`.
    """

    folder: str
    with_top: str
    without_top: str
    cache_names: tuple[str, str] | None = None


@dataclass(frozen=True)
class BackboneFacts:
    """A backbone without its top.

    Attributes:
        size: the image size that it was designed for, in pixels.
        smallest: the minimum length of a side, in pixels.
        steps: the layers that reduce each side, up to the feature map.
        channels: the number of channels of the feature map.
        num_parameters: the number of parameters without the top.
        giga_multiply_adds: approximately how many billion multiply-adds a photo of `size` takes.
        advice: when to choose this backbone.
        weight_files: the files with the ImageNet weights.
        pixels: the scale of the pixels that the weights expect; None if Keras' network scales its input itself.
    """

    size: int
    smallest: int
    steps: tuple[Step, ...]
    channels: int
    num_parameters: int
    giga_multiply_adds: float
    advice: str
    weight_files: WeightFiles
    pixels: BackboneScale | None


APPLICATIONS_FOLDER: Final = "tensorflow/keras-applications"


def tf_kernels(folder: str, stem: str) -> WeightFiles:
    """The weights files of the oldest networks of keras.applications."""
    name = f"{stem}_weights_tf_dim_ordering_tf_kernels"
    return WeightFiles(f"{APPLICATIONS_FOLDER}/{folder}", f"{name}.h5", f"{name}_notop.h5")


def named_by_size(folder: str, stem: str) -> WeightFiles:
    """The weights files that are named only after their network."""
    return WeightFiles(f"{APPLICATIONS_FOLDER}/{folder}", f"{stem}.h5", f"{stem}_notop.h5")


def mobilenet_v3(size: str) -> WeightFiles:
    """The weights files of MobileNetV3."""
    name = f"weights_mobilenet_v3_{size}_224_1.0_float"
    return WeightFiles(f"{APPLICATIONS_FOLDER}/mobilenet_v3", f"{name}.h5", f"{name}_no_top_v2.h5")


def efficientnet(size: str) -> WeightFiles:
    """The weights files of EfficientNet (V1)."""
    return WeightFiles("keras-applications", f"efficientnet{size}.h5", f"efficientnet{size}_notop.h5")
