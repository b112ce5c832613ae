"""Describes the network that a weights file belongs to; the user names it, and keras.applications must contain it."""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from components.contract.errors import UploadError
from components.contract.layers.backbone_facts import SCALES
from components.contract.layers.backbones import BACKBONES
from components.contract.validation_messages import suggestion
from components.train.keras_import.confined.confinement import Confinement, enter, handle, run_confined
from components.train.keras_import.confined.reader import Contents
from components.train.keras_import.limits import Limits

MODULE: Final = "components.train.keras_import.architecture"
NAMES: Final = tuple(BACKBONES)
_LAST: Final = ("predictions", "logits")
"""Names of the output layer in keras.applications; it is a convolution in MobileNetV3."""
_LAST_CONVOLUTION: Final = re.compile(r"(?:.*/)?layers/conv2d(?:_(\d+))?/vars/(\d)")


def complete(
    contents: Contents, name: str | None, image_size: tuple[int, int] | None, folder: Path, limits: Limits
) -> Contents:
    """Adds the description of the named architecture, with a head that matches the weights.

    Raises:
        UploadError: no network is named, or the name is unknown.
    """
    if name is None:
        raise UploadError(
            "A weights file requires the name of its network, but none is set. Set one of "
            f"{', '.join(NAMES)}, or save the whole model: model.save('model.keras')."
        )
    if name not in NAMES:
        raise UploadError(
            f"The network of a weights file must be one of {', '.join(NAMES)}; found "
            f"{name[:60]!r}{suggestion(name[:60], NAMES)}."
        )
    confinement = Confinement(
        folder, limits.builder_memory_bytes, limits.builder_cpu_seconds, limits.max_config_bytes, limits.timeout_seconds
    )
    run_confined(MODULE, [name, json.dumps(image_size), json.dumps(_num_classes(contents, name))], confinement)
    config = (folder / "architecture.json").read_text(encoding="utf-8")
    return contents.model_copy(
        update={"config": config, "by_order": True, "form": f"{contents.form} of weights only, for {name}"}
    )


def _num_classes(contents: Contents, name: str) -> int | None:
    """Returns the number of classes of the stored head; None if there is no head.

    In Keras 2's layout, the head is found by its name. Keras 3's layout has no names, so it is found by its class: the
    last Dense layer or, for MobileNetV3, the last convolution if it has a bias.
    """
    kernels = [array for array in contents.arrays if len(array.shape) in (2, 4)]
    if contents.layers is not None:
        heads = [array.shape[-1] for array in kernels if set(_LAST).intersection(array.path.split("/"))]
        return heads[-1] if heads else None
    heads = [array.shape[1] for array in kernels if "layers/dense" in array.path]
    if heads or not name.startswith("MobileNetV3"):
        return heads[-1] if heads else None
    numbered = [(match, array) for array in contents.arrays if (match := _LAST_CONVOLUTION.fullmatch(array.path))]
    last = ((int(match[1] or 0), int(match[2]), array.shape) for match, array in numbered)
    shape = max(last, default=(0, 0, ()))[2]
    return shape[0] if len(shape) == 1 else None


def main(argv: list[str]) -> int:
    """Describes an architecture from its name, image size and number of classes; the last two are JSON."""
    name, image_size, num_classes = enter(argv)
    assert name in NAMES
    folder = Path(argv[0])
    import keras  # noqa: F401  imported before `handle`, so that a broken TensorFlow is not reported as a bad upload

    return handle(folder, lambda: describe(name, json.loads(image_size), json.loads(num_classes), folder))


def describe(name: str, image_size: list[int] | None, num_classes: int | None, folder: Path) -> None:
    """Writes the description as architecture.json.

    Raises:
        UploadError: Keras cannot build the network for this image size or number of classes.
    """
    import keras

    settings: dict[str, Any] = {} if num_classes is None else {"classes": num_classes}
    facts = BACKBONES[name]
    if facts.pixels == "ImageNet mean and root of deviation":
        factor, offset = SCALES[facts.pixels]
        pixels = keras.Input((*(image_size or (facts.size, facts.size)), 3))
        settings["input_tensor"] = keras.layers.Rescaling(factor, offset=offset)(pixels)
    elif image_size is not None:
        settings["input_shape"] = (*image_size, 3)
    try:
        model = getattr(keras.applications, name)(weights=None, include_top=num_classes is not None, **settings)
    except Exception as error:  # Keras and TensorFlow raise errors of any kind
        raise UploadError(
            f"{name} cannot be built for {f'the image size {image_size}' if image_size else 'its default image size'}: "
            f"{' '.join(str(error).split())[:300]}. Set another image size."
        ) from None
    description = json.dumps(keras.saving.serialize_keras_object(model))
    (folder / "architecture.json").write_text(description, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
