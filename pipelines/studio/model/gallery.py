"""The pretrained backbones that the page shows: the cost of each, and when to choose it."""

import json
import os
from pathlib import Path

from components.contract.layers.backbones import BACKBONES
from components.contract.record import BaseRecord


class Card(BaseRecord):
    """One backbone.

    Attributes:
        image_size: the image size that it was designed for, in pixels.
        megabytes: the size of its weights.
        giga_multiply_adds: billions of multiply-adds for one photo of this size.
        milliseconds: the time per photo in the service, measured on this machine; None if not measured yet.
        is_here: whether its ImageNet weights are on this machine.
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
    """Returns all backbones, those with the fewest multiply-adds first."""
    speeds = read_speeds(home)
    return [
        Card(
            name=name,
            image_size=facts.size,
            num_parameters=facts.num_parameters,
            megabytes=round(facts.num_parameters * 4 / 1e6, 1),
            giga_multiply_adds=facts.giga_multiply_adds,
            advice=facts.advice,
            milliseconds=speeds.get(name),
            is_here=has_weights(name),
        )
        for name, facts in sorted(BACKBONES.items(), key=lambda item: item[1].giga_multiply_adds)
    ]


def has_weights(name: str) -> bool:
    """Whether the Keras cache contains the backbone's weights without the top layers."""
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    files = BACKBONES[name].weight_files
    file = files.cache_names[1] if files.cache_names else files.without_top
    return any(folder.glob(file.format(side="*")))


def speeds_path(home: Path) -> Path:
    """The path of the file that contains the measured speeds."""
    return home / "speeds.json"


def read_speeds(home: Path) -> dict[str, float]:
    """Reads the measured milliseconds per photo, by backbone."""
    try:
        speeds: dict[str, float] = json.loads(speeds_path(home).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return speeds
