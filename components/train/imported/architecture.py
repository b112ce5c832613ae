"""The network of a file that holds weights only: it must be named, and is one of keras.applications'."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from components.contract import launcher
from components.contract.backbones import BACKBONES
from components.contract.errors import UploadError
from components.train.imported.confinement import ROOT
from components.train.imported.limits import Limits
from components.train.imported.reader import Contents

MODULE: Final = "components.train.imported.architecture"
NAMES: Final = tuple(BACKBONES)
_LAST: Final = "predictions"
"""What keras.applications calls the layer that gives the classes."""


def complete(
    contents: Contents, name: str | None, image_size: tuple[int, int] | None, folder: Path, limits: Limits
) -> Contents:
    """Adds the description of the named architecture, with the head that the weights have.

    Raises:
        UploadError: none is named, or one that is not known.
    """
    if name is None:
        raise UploadError("A file of weights only must be given with the architecture that they belong to; none is "
                          f"named. Name one of {', '.join(NAMES)}, or save the whole model: "
                          "model.save('model.keras').")  # fmt: skip
    if name not in NAMES:
        raise UploadError(f"The architecture of a weights file must be one of {', '.join(NAMES)}; found {name[:60]!r}.")
    program = launcher.python(MODULE, name, json.dumps(image_size), json.dumps(_num_classes(contents)), user_site=False)
    environment = {
        "PYTHONPATH": str(ROOT), "HOME": str(folder), "KERAS_HOME": str(folder), "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3",
    }  # fmt: skip
    try:
        finished = launcher.run(program, env=environment, timeout_seconds=limits.timeout_seconds)
        finished.check_returncode()
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1][:300] if error.stderr.strip() else f"exit {error.returncode}"
        raise UploadError(f"{name} must be buildable for photos of {image_size or 'its own size'}; it is not: "
                          f"{reason}. Name another image size.") from None  # fmt: skip
    config = finished.stdout.strip().splitlines()[-1]
    return contents.model_copy(update={"config": config, "by_order": True,
                                       "form": f"{contents.form} of weights only, for {name}"})  # fmt: skip


def _num_classes(contents: Contents) -> int | None:
    """How many classes the stored head has; None where there is no head.

    In Keras 2's layout it is found by its name, in Keras 3's, which keeps none, by its class.
    """
    is_named = contents.layers is not None
    heads = [
        array.shape[1]
        for array in contents.arrays
        if len(array.shape) == 2 and (_LAST in array.path.split("/") if is_named else "layers/dense" in array.path)
    ]
    return heads[-1] if heads else None


def main(argv: list[str]) -> None:
    """Prints the description of `argv[0]` for photos of `argv[1]` and `argv[2]` classes, both JSON."""
    import keras

    name, image_size, num_classes = argv[0], json.loads(argv[1]), json.loads(argv[2])
    assert name in NAMES
    model = getattr(keras.applications, name)(
        weights=None, include_top=num_classes is not None,
        **({} if image_size is None else {"input_shape": (*image_size, 3)}),
        **({} if num_classes is None else {"classes": num_classes}),
    )  # fmt: skip
    print(json.dumps(keras.saving.serialize_keras_object(model)))


if __name__ == "__main__":
    main(sys.argv[1:])
