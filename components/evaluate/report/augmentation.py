"""How training varied its photos, in words."""

from collections.abc import Mapping
from typing import Any, Final

from components.contract.params.training import AUGMENTATION_PRESETS, AugmentationParams

WORDS: Final = {
    "horizontal_flip": "mirrored",
    "vertical_flip": "turned upside down",
    "rotation_degrees": "turned by up to {value:g}°",
    "zoom": "scaled by up to {percent:g} %",
    "shear_degrees": "slanted by up to {value:g}°",
    "shift": "moved by up to {percent:g} %",
    "brightness": "made brighter or darker by up to {percent:g} %",
    "contrast": "given up to {percent:g} % more or less contrast",
    "crop": "cut by up to {percent:g} %",
    "saturation": "given up to {percent:g} % more or less colour",
    "hue_degrees": "shifted in hue by up to {value:g}°",
    "blur": "blurred by up to {value:g} px",
    "noise": "made noisy by up to {percent:g} %",
    "erasing": "erased in a rectangle, {percent:g} % of them",
}
NEVER_VARIED: Final = "Validation and test photos are never varied."
UNVARIED: Final = "taken as they are, without augmentation"


def augmentations(params: Mapping[str, Any]) -> list[str]:
    """A sentence, or one for each phase where they differ; none where the params do not say.

    Args:
        params: the resolved train section.
    """
    phases = params.get("phases")
    stretches = [dict(params) | dict(phase) for phase in phases] if isinstance(phases, list) else [params]
    if any(stretch.get("augmentation") is None for stretch in stretches):
        return []
    found = [_of(stretch) for stretch in stretches]
    never = [NEVER_VARIED] if set(found) != {UNVARIED} else []
    if len(set(found)) == 1:
        return [f"In training the photos were {found[0]}.", *never]
    each = (f"In phase {number} of training the photos were {words}." for number, words in enumerate(found, start=1))
    return [*each, *never]


def _of(stretch: Mapping[str, Any]) -> str:
    given = stretch["augmentation"]
    settings = AUGMENTATION_PRESETS[given] if isinstance(given, str) else AugmentationParams.model_validate(given)
    changes = [
        words.format(value=float(value), percent=round(100 * float(value), 1))
        for key, words in WORDS.items()
        if (value := getattr(settings, key))
    ]
    changes += [f"mixed with others ({key}, α {stretch[key]:g})" for key in ("mixup", "cutmix") if stretch.get(key)]
    if not changes:
        return UNVARIED
    preset = f" (augmentation: {given})" if isinstance(given, str) else ""
    return f"varied at random{preset}: {', '.join(changes)}"
