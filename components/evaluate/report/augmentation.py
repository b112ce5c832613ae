"""Describes the augmentation of the training photos as text."""

from collections.abc import Mapping
from typing import Any, Final

from components.contract.params.augmentation import AUGMENTATION_PRESETS, AugmentationParams

PHRASES: Final = {
    "horizontal_flip": "mirrored",
    "vertical_flip": "flipped vertically",
    "rotation_degrees": "rotated by up to {value:g}°",
    "zoom": "zoomed by up to {percent:g} %",
    "shear_degrees": "sheared by up to {value:g}°",
    "shift": "shifted by up to {percent:g} %",
    "brightness": "made brighter or darker by up to {percent:g} %",
    "contrast": "changed in contrast by up to {percent:g} %",
    "crop": "cropped by up to {percent:g} %",
    "saturation": "changed in saturation by up to {percent:g} %",
    "hue_degrees": "shifted in hue by up to {value:g}°",
    "blur": "blurred by up to {value:g} px",
    "noise": "overlaid with up to {percent:g} % noise",
    "erasing": "erased in a random rectangle ({percent:g} % of the photos)",
}
NEVER_VARIED: Final = "Validation and test photos are never augmented."
UNVARIED: Final = "used without augmentation"


def augmentation_sentences(params: Mapping[str, Any]) -> list[str]:
    """Describes the augmentation in sentences, one per phase if phases differ; empty if the params do not define it.

    Args:
        params: the resolved train section.
    """
    phases = params.get("phases")
    phase_params = [dict(params) | dict(phase) for phase in phases] if isinstance(phases, list) else [params]
    if any(section.get("augmentation") is None for section in phase_params):
        return []
    descriptions = [_describe(section) for section in phase_params]
    closing = [NEVER_VARIED] if set(descriptions) != {UNVARIED} else []
    if len(set(descriptions)) == 1:
        return [f"During training, the photos were {descriptions[0]}.", *closing]
    sentences = (
        f"In training phase {number}, the photos were {description}."
        for number, description in enumerate(descriptions, start=1)
    )
    return [*sentences, *closing]


def _describe(settings: Mapping[str, Any]) -> str:
    augmentation = settings["augmentation"]
    is_preset = isinstance(augmentation, str)
    augmentation_params = (
        AUGMENTATION_PRESETS[augmentation] if is_preset else AugmentationParams.model_validate(augmentation)
    )
    changes = [
        phrase.format(value=float(value), percent=round(100 * float(value), 1))
        for key, phrase in PHRASES.items()
        if (value := getattr(augmentation_params, key))
    ]
    changes += [f"mixed with others ({key}, α {settings[key]:g})" for key in ("mixup", "cutmix") if settings.get(key)]
    if not changes:
        return UNVARIED
    preset = f" (augmentation: {augmentation})" if is_preset else ""
    return f"changed at random{preset}: {', '.join(changes)}"
