"""The files of the feature cache: one for each view, and portions that tasks exchange through a shared store."""

import contextlib
import io
import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import keras
import numpy as np

from components.contract.store.shared_store import SharedStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureFile:
    """The file for the features of a view: an array (n, …) as .npy, where n is the number of photos.

    Attributes:
        path: the file; it does not exist if the features have not been computed yet.
        frozen_part: the network from pixels to the freeze boundary.
        dtype: the type of the features.
    """

    path: Path
    frozen_part: keras.Model
    dtype: np.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the features of one photo."""
        return tuple(self.frozen_part.output.shape[1:])

    def map(self, num_photos: int) -> np.memmap | None:
        """Maps the features into memory; returns None if they are missing, damaged or of another shape or type."""
        try:
            features: np.memmap = np.load(self.path, mmap_mode="r")
            if features.shape == (num_photos, *self.shape) and features.dtype == self.dtype:
                with contextlib.suppress(OSError):  # fails in a read-only cache, which is fine
                    os.utime(self.path)
                return features
            log.warning("The cached features %s have an unexpected shape or type; they are computed again.", self.path)
        except FileNotFoundError:
            log.debug("The features %s are not cached yet.", self.path)
        except (OSError, ValueError) as error:
            log.warning("%s is damaged (%s); it is computed again.", self.path, error)
        return None

    @contextlib.contextmanager
    def write(self, num_photos: int) -> Iterator[IO[bytes]]:
        """Opens the file for the values of all photos; it is complete only if the block ends without an error.

        Raises:
            OSError: the file cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=self.path.parent, prefix=".partial-", suffix=".npy", delete=False
        ) as output:
            partial = Path(output.name)
            try:
                # Not written through a memory map: if the disk were full, the system would kill the process.
                output.write(_npy_header((num_photos, *self.shape), self.dtype))
                yield output
                output.flush()
                os.fsync(output.fileno())
                partial.replace(self.path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def portion_name(self, rows: range) -> str:
        """The name of these rows in a shared store."""
        return f"features/{self.path.stem}/{rows.start:08d}.npy"

    def fetch_portion(self, shared: SharedStore, rows: range) -> np.ndarray | None:
        """Returns a portion from the shared store; None if it is missing, damaged or of the wrong shape or type."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=".partial-") as scratch:
            path = Path(scratch) / "portion.npy"
            if not shared.fetch(self.portion_name(rows), path):
                return None
            try:
                values: np.ndarray = np.load(path)
            except (OSError, ValueError, EOFError) as error:
                log.warning("Features from another task are damaged (%s); they are computed again.", error)
                return None
        return values if values.shape == (len(rows), *self.shape) and values.dtype == self.dtype else None

    def put_portion(self, shared: SharedStore, rows: range, values: np.ndarray) -> None:
        """Puts a portion into the shared store, where `fetch_portion` in another task finds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.path.parent, prefix=".partial-", suffix=".npy") as file:
            np.save(file, values)
            file.flush()
            shared.put(self.portion_name(rows), Path(file.name))


def _npy_header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """Creates the header of a .npy file, which precedes the values."""
    header = io.BytesIO()
    header_fields = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, header_fields)
    return header.getvalue()
