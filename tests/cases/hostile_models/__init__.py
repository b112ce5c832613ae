"""Functions that create hostile model files, without Keras.

If code in such a file runs, it writes a marker file and connects to a port. Each function takes an `Attack` and returns
the path of the file to upload. Importing this package fills `HOSTILE`.
"""

from tests.cases.hostile_models import (
    archives,
    damage,
    embedded_code,
    hdf5,
    invalid_networks,
    outside_files,
    oversized,
)
from tests.cases.hostile_models.attack import HOSTILE

__all__ = ["HOSTILE", "archives", "damage", "embedded_code", "hdf5", "invalid_networks", "outside_files", "oversized"]
