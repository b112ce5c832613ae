"""The pretrained network that a file of weights belongs to."""

import math
import tempfile
from pathlib import Path

from components.contract.errors import UploadError, WeightsError
from components.contract.layers.backbones import BACKBONES
from components.train.keras_import.importing import read_stored, take_snapshot
from components.train.keras_import.limits import Limits


def recognize_network(path: Path, limits: Limits = Limits()) -> str:  # noqa: B008 frozen
    """The backbone that has as many weights without top as the file holds; no two of them have equally many.

    Raises:
        WeightsError: the file is missing, is not HDF5, or belongs to no known backbone.
    """
    if path.suffix not in (".h5", ".hdf5"):
        raise WeightsError(
            f"Pretrained weights must be an HDF5 file named *.h5; {path} is not. If it is a whole network, set "
            "train.model.path instead."
        )
    with tempfile.TemporaryDirectory(prefix="darkroom-weights-") as scratch:
        folder = Path(scratch)
        try:
            take_snapshot(path, folder / "upload", limits)
            contents = read_stored(folder, limits)
        except UploadError as error:
            raise WeightsError(f"Pretrained weights must be readable; {path} is not: {error}") from None
    num_values = sum(math.prod(array.shape) for array in contents.arrays)
    for name, facts in BACKBONES.items():
        if facts.num_parameters == num_values:
            return name
    raise WeightsError(
        f"Pretrained weights without a train.model.name must be those of a known network without its top; {path} holds "
        f"{num_values:,} numbers, and none of {', '.join(BACKBONES)} has as many. Set train.model.name, or, if the "
        "file is a whole network, train.model.path instead."
    )
