"""The pretrained backbones: sizes, costs, weights, and when to choose which. Nothing heavy is imported."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from components.contract.errors import ModelError

BackboneName = Literal[
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2S",
    "InceptionV3",
    "MobileNetV2",
    "NASNetMobile",
    "ResNet50",
    "VGG16",
    "Xception",
]
"""As in keras.applications."""

Step = tuple[int, int]
"""A window and its stride, without padding, that a side passes."""
_UP: Final[Step] = (1, 2)
_DOWN: Final[Step] = (2, 2)
"""Half of a side, rounded up as by padding `same`, or down."""


PixelScale = Literal["0 to 255", "-1 to 1", "0 to 1", "ImageNet mean and deviation", "BGR less ImageNet mean"]
"""What a network takes for the pixels of a photo."""


@dataclass(frozen=True)
class WeightFiles:
    """The files of ImageNet weights.

    Attributes:
        folder: below Keras' own address.
        with_top: the name of the file with the layer that gives the classes.
        without_top: the same without it.
        cache_names: Keras' names of the two files in its cache, if they differ.
    """

    folder: str
    with_top: str
    without_top: str
    cache_names: tuple[str, str] | None = None


@dataclass(frozen=True)
class BackboneFacts:
    """A backbone without its top.

    Attributes:
        size: what it was made for, in pixels.
        smallest: what a side may measure at least.
        steps: what becomes of a side on its way to the feature map.
        channels: of the feature map.
        num_parameters: without top.
        giga_multiply_adds: for a photo of its own size, roughly.
        advice: when to choose it.
        weight_files: of ImageNet.
        pixels: what the weights were trained on; None if Keras' own network scales its photos.
    """

    size: int
    smallest: int
    steps: tuple[Step, ...]
    channels: int
    num_parameters: int
    giga_multiply_adds: float
    advice: str
    weight_files: WeightFiles
    pixels: PixelScale | None


def _tf_kernels(folder: str, stem: str) -> WeightFiles:
    name = f"{stem}_weights_tf_dim_ordering_tf_kernels"
    return WeightFiles(folder, f"{name}.h5", f"{name}_notop.h5")


def _by_name(folder: str, stem: str) -> WeightFiles:
    return WeightFiles(folder, f"{stem}.h5", f"{stem}_notop.h5")


_DEVIATION: Final = "ImageNet mean and deviation"
_MOBILENET: Final = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0"


_HALVED_UP: Final = (_UP,) * 5
_HALVED_DOWN: Final = (_DOWN,) * 5

BACKBONES: Final[dict[str, BackboneFacts]] = {
    "ConvNeXtSmall": BackboneFacts(
        224,
        32,
        _HALVED_DOWN,
        768,
        49_454_688,
        8.69,
        "The most exact of these, and the heaviest.",
        _by_name("convnext", "convnext_small"),
        _DEVIATION,
    ),
    "ConvNeXtTiny": BackboneFacts(
        224,
        32,
        _HALVED_DOWN,
        768,
        27_820_128,
        4.46,
        "Modern and exact; wants a GPU to be trained.",
        _by_name("convnext", "convnext_tiny"),
        _DEVIATION,
    ),
    "DenseNet121": BackboneFacts(
        224,
        32,
        (_UP, _UP, _DOWN, _DOWN, _DOWN),
        1024,
        7_037_504,
        2.83,
        "Few weights; good where photos are few.",
        _tf_kernels("densenet", "densenet121"),
        _DEVIATION,
    ),
    "EfficientNetV2B0": BackboneFacts(
        224,
        32,
        _HALVED_UP,
        1280,
        5_919_312,
        0.72,
        "More exact than MobileNetV2 for about twice the work.",
        _by_name("efficientnet_v2", "efficientnetv2-b0"),
        _DEVIATION,
    ),
    "EfficientNetV2B1": BackboneFacts(
        240,
        32,
        _HALVED_UP,
        1280,
        6_931_124,
        1.20,
        "A step up from B0, with larger photos.",
        _by_name("efficientnet_v2", "efficientnetv2-b1"),
        _DEVIATION,
    ),
    "EfficientNetV2B2": BackboneFacts(
        260,
        32,
        _HALVED_UP,
        1408,
        8_769_374,
        1.70,
        "A step up from B1.",
        _by_name("efficientnet_v2", "efficientnetv2-b2"),
        _DEVIATION,
    ),
    "EfficientNetV2B3": BackboneFacts(
        300,
        32,
        _HALVED_UP,
        1536,
        12_930_622,
        3.00,
        "Fine detail, at 300 pixels.",
        _by_name("efficientnet_v2", "efficientnetv2-b3"),
        _DEVIATION,
    ),
    "EfficientNetV2S": BackboneFacts(
        384,
        32,
        _HALVED_UP,
        1280,
        20_331_360,
        8.40,
        "Very exact; wants a GPU to be trained.",
        _by_name("efficientnet_v2", "efficientnetv2-s"),
        None,
    ),
    "InceptionV3": BackboneFacts(
        299,
        75,
        ((3, 2), (3, 1), (3, 2), (3, 1), (3, 2), (3, 2), (3, 2)),
        2048,
        21_802_784,
        5.71,
        "Looks at several scales at once.",
        _tf_kernels("inception_v3", "inception_v3"),
        "-1 to 1",
    ),
    "MobileNetV2": BackboneFacts(
        224,
        32,
        _HALVED_UP,
        1280,
        2_257_984,
        0.30,
        "The place to start: small, quick on any machine, good on most photos.",
        WeightFiles("mobilenet_v2", _MOBILENET + "_{side}.h5", _MOBILENET + "_{side}_no_top.h5"),
        "-1 to 1",
    ),
    "NASNetMobile": BackboneFacts(
        224,
        32,
        ((3, 2), _UP, _UP, _UP, _UP),
        1056,
        4_269_716,
        0.56,
        "Made for phones; slower here than its size suggests.",
        WeightFiles(
            "nasnet", "NASNet-mobile.h5", "NASNet-mobile-no-top.h5", ("nasnet_mobile.h5", "nasnet_mobile_no_top.h5")
        ),
        "-1 to 1",
    ),
    "ResNet50": BackboneFacts(
        224,
        32,
        _HALVED_UP,
        2048,
        23_587_712,
        3.86,
        "The best known; easy to compare with what others report.",
        _tf_kernels("resnet", "resnet50"),
        "BGR less ImageNet mean",
    ),
    "VGG16": BackboneFacts(
        224,
        32,
        _HALVED_DOWN,
        512,
        14_714_688,
        15.35,
        "Old and slow; for comparison with earlier work.",
        _tf_kernels("vgg16", "vgg16"),
        "BGR less ImageNet mean",
    ),
    "Xception": BackboneFacts(
        299,
        71,
        ((3, 2), (3, 1), _UP, _UP, _UP, _UP),
        2048,
        20_861_480,
        8.36,
        "Exact on textures and clothes; wants time, or a GPU.",
        _tf_kernels("xception", "xception"),
        "-1 to 1",
    ),
}
assert BACKBONES.keys() == set(get_args(BackboneName))

FAR_SMALLER: Final = 3
"""Photos enlarged by more than this to a backbone's size are far smaller than what it has learnt from."""


def feature_shape(name: str, image_size: tuple[int, int]) -> tuple[int, int, int]:
    """(height, width, channels) of what a backbone makes of photos of `image_size` (height, width).

    Raises:
        ModelError: they are too small for it.
    """
    facts = BACKBONES[name]
    if min(image_size) < facts.smallest:
        raise ModelError(
            f"{name} takes photos of at least {facts.smallest} px a side; they are {image_size[0]} × "
            f"{image_size[1]} px. Set a larger preprocess.image_size."
        )
    sides = []
    for side in image_size:
        for window, stride in facts.steps:
            side = (side - window) // stride + 1
        sides.append(side)
    return sides[0], sides[1], facts.channels


def warn_of_small_photos(name: str, native_size: tuple[int, int]) -> str | None:
    """A sentence, where the photos are far smaller than what the backbone was made for; else None."""
    size = BACKBONES[name].size
    if max(native_size) * FAR_SMALLER >= size:
        return None
    return (
        f"train.model.name: {name} learnt from photos of {size} px, and these are {native_size[0]} × {native_size[1]} "
        f"px: enlarged so much they look blurred to it. Expect less of it, unfreeze more layers, or take a network of "
        "your own (train.model.layers)."
    )
