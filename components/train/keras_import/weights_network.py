"""Recognizes the pretrained network that a weights file belongs to."""

import math
import tempfile
from pathlib import Path

from components.contract.errors import UploadError, WeightsError
from components.contract.layers.backbones import BACKBONES
from components.train.keras_import.importing import read_stored, take_snapshot
from components.train.keras_import.limits import Limits


def recognize_network(path: Path, limits: Limits = Limits()) -> str:  # noqa: B008 frozen
    """Returns the backbone that, without its top, has as many parameters as the file; no two have the same number.

    Raises:
        WeightsError: the file is missing, is not HDF5, or matches no known backbone.
    """
    if path.suffix not in (".h5", ".hdf5"):
        raise WeightsError(
            f"Pretrained weights must be an HDF5 file named *.h5; {path} is not. If it contains a whole network, set "
            "train.model.path instead."
        )
    with tempfile.TemporaryDirectory(prefix="darkroom-weights-") as scratch:
        folder = Path(scratch)
        try:
            take_snapshot(path, folder / "upload", limits)
            contents = read_stored(folder, limits)
        except UploadError as error:
            raise WeightsError(f"Pretrained weights cannot be read from {path}: {error}") from None
    num_values = sum(math.prod(array.shape) for array in contents.arrays)
    for name, facts in BACKBONES.items():
        if facts.num_parameters == num_values:
            return name
    raise WeightsError(
        f"Without train.model.name, pretrained weights must belong to a known network without its top; {path} contains "
        f"{num_values:,} parameters, which matches none of {', '.join(BACKBONES)}. Set train.model.name or, if the "
        "file contains a whole network, train.model.path instead."
    )
