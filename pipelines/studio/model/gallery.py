"""The pretrained backbones, as a page shows them: what each costs, and when to choose it."""

import json
import os
from pathlib import Path
from typing import Final

from components.contract.layers.backbones import BACKBONES
from components.contract.strict_record import StrictRecord

Facts = tuple[int, float, str]
FACTS: Final[dict[str, Facts]] = {
    "MobileNetV2": (2_257_984, 0.30, "The place to start: small, quick on any machine, good on most photos."),
    "EfficientNetV2B0": (5_919_312, 0.72, "More exact than MobileNetV2 for about twice the work."),
    "NASNetMobile": (4_269_716, 0.56, "Made for phones; slower here than its size suggests."),
    "EfficientNetV2B1": (6_931_124, 1.20, "A step up from B0, with larger photos."),
    "DenseNet121": (7_037_504, 2.83, "Few weights; good where photos are few."),
    "EfficientNetV2B2": (8_769_374, 1.70, "A step up from B1."),
    "EfficientNetV2B3": (12_930_622, 3.00, "Fine detail, at 300 pixels."),
    "ResNet50": (23_587_712, 3.86, "The best known; easy to compare with what others report."),
    "InceptionV3": (21_802_784, 5.71, "Looks at several scales at once."),
    "Xception": (20_861_480, 8.36, "Exact on textures and clothes; wants time, or a GPU."),
    "EfficientNetV2S": (20_331_360, 8.40, "Very exact; wants a GPU to be trained."),
    "ConvNeXtTiny": (27_820_128, 4.46, "Modern and exact; wants a GPU to be trained."),
    "ConvNeXtSmall": (49_454_688, 8.69, "The most exact of these, and the heaviest."),
    "VGG16": (14_714_688, 15.35, "Old and slow; for comparison with earlier work."),
}
"""Weights without top; thousand million multiply-adds for a photo of its own size, roughly; when to choose it."""
assert FACTS.keys() == BACKBONES.keys()


class Card(StrictRecord):
    """One backbone.

    Attributes:
        image_size: what it was made for, in pixels.
        megabytes: of its weights.
        giga_multiply_adds: for one photo of that size.
        milliseconds: for one photo, as served, measured on this machine; None before that.
        is_here: whether its ImageNet weights are on this machine already.
    """

    name: str
    image_size: int
    num_parameters: int
    megabytes: float
    giga_multiply_adds: float
    advice: str
    milliseconds: float | None
    is_here: bool


def list_cards(home: Path) -> list[Card]:
    """All of them, the lightest first."""
    speeds = read_speeds(home)
    return [
        Card(
            name=name,
            image_size=BACKBONES[name].size,
            num_parameters=weights,
            megabytes=round(weights * 4 / 1e6, 1),
            giga_multiply_adds=work,
            advice=advice,
            milliseconds=speeds.get(name),
            is_here=has_weights(name),
        )
        for name, (weights, work, advice) in sorted(FACTS.items(), key=lambda item: item[1][1])
    ]


def has_weights(name: str) -> bool:
    """Whether Keras' cache holds the backbone's weights without top."""
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    prefix = WEIGHT_FILES[name]
    return folder.is_dir() and any(
        path.name.lower().startswith(prefix) and "no" in path.name and "top" in path.name for path in folder.iterdir()
    )


WEIGHT_FILES: Final = {
    "ConvNeXtSmall": "convnext_small",
    "ConvNeXtTiny": "convnext_tiny",
    "DenseNet121": "densenet121",
    "EfficientNetV2B0": "efficientnetv2-b0",
    "EfficientNetV2B1": "efficientnetv2-b1",
    "EfficientNetV2B2": "efficientnetv2-b2",
    "EfficientNetV2B3": "efficientnetv2-b3",
    "EfficientNetV2S": "efficientnetv2-s",
    "InceptionV3": "inception_v3",
    "MobileNetV2": "mobilenet_v2",
    "NASNetMobile": "nasnet",
    "ResNet50": "resnet50",
    "VGG16": "vgg16",
    "Xception": "xception",
}
"""How Keras' files of each begin."""


def speeds_path(home: Path) -> Path:
    """Where what was measured is kept."""
    return home / "speeds.json"


def read_speeds(home: Path) -> dict[str, float]:
    """Milliseconds for one photo, by name."""
    try:
        speeds: dict[str, float] = json.loads(speeds_path(home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return speeds
