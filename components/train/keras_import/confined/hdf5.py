"""Reads the weights of an untrusted HDF5 file; runs only in the confined process that runs `reader`.

HDF5 files can refer to other files, run code in filter plug-ins, describe arrays of any size in a few bytes, and
contain cycles. Each link is checked before its object is opened; the type, size and storage of each array are checked
before its data is read.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z

from components.contract.errors import UploadError

MAX_OBJECTS: Final = 100_000
MAX_DEPTH: Final = 40
MAX_RANK: Final = 8
MAX_PATH: Final = 4000
MAX_NAME: Final = 1000
MAX_TEXT_BYTES: Final = 2**25
MAX_RATIO: Final = 50
"""The maximum ratio of an array's size to its stored bytes. Weights hardly compress; bombs expand a thousandfold."""
SMALL_BYTES: Final = 2**16
VALUES_AT_ONCE: Final = 2**20

_FILTERS: Final = {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}
_LAYOUTS: Final = {h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED}
_LINKS: Final = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}
_NOT_WEIGHTS: Final = ("optimizer_weights", "optimizer", "_optimizer")
"""Names of groups that contain the optimizer's state; they are neither opened nor read."""


def _refused(where: str, why: str) -> UploadError:
    return UploadError(
        f"The HDF5 part of an uploaded model must contain only plain arrays of numbers, but /{where[:200]} "
        f"{why}. Save the model again with Keras."
    )


class Hdf5Model:
    """A weights file in one of Keras' layouts."""

    def __init__(self, path: Path, max_bytes: int):
        self._path = path
        self._left = max_bytes
        self._datasets: dict[str, h5d.DatasetID] = {}
        self._groups: dict[str, h5g.GroupID] = {}
        self._seen: set[Any] = set()

    def __enter__(self) -> "Hdf5Model":
        try:
            self._file = h5py.File(self._path, "r", locking=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise UploadError(
                f"The uploaded HDF5 file cannot be opened: {' '.join(str(error).split())[:200]}. Copy or save it again."
            ) from None
        try:
            self._walk(h5g.open(self._file.id, b"/"), "", 0)
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise _refused("", f"is damaged: {' '.join(str(error).split())[:200]}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    # Checking, without reading the data

    def _walk(self, group: h5g.GroupID, where: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _refused(where, f"is nested deeper than {MAX_DEPTH} groups")
        self._once(group, where)
        self._groups[where] = group
        for name in self._names(group, where):
            path = f"{where}/{name.decode(errors='replace')}".lstrip("/")
            if path in _NOT_WEIGHTS:
                continue
            if len(path) > MAX_PATH:
                raise _refused(path, f"has a path of {len(path):,} characters")
            link = group.links.get_info(name).type
            if link != h5l.TYPE_HARD:
                raise _refused(path, f"is {_LINKS.get(link, 'a link of an unknown type')}")
            kind = h5o.get_info(group, name).type
            if kind == h5o.TYPE_GROUP:
                self._walk(h5g.open(group, name), path, depth + 1)
            elif kind == h5o.TYPE_DATASET:
                dataset = h5d.open(group, name)
                self._once(dataset, path)
                self._check_dataset(dataset, path)
                self._datasets[path] = dataset
            else:
                raise _refused(path, "is neither a group nor an array")

    def _names(self, group: h5g.GroupID, where: str) -> list[bytes]:
        if len(group) > MAX_OBJECTS:
            raise _refused(where, f"has {len(group):,} objects, more than {MAX_OBJECTS:,}")
        return list(group)

    def _once(self, item: Any, where: str) -> None:
        info = h5o.get_info(item)
        key = (info.fileno, info.addr)
        if key in self._seen:
            raise _refused(where, "is reachable in two ways, as in a cycle")
        self._seen.add(key)
        if len(self._seen) > MAX_OBJECTS:
            raise _refused(where, f"is one of more than {MAX_OBJECTS:,} objects")

    def _check_dataset(self, dataset: h5d.DatasetID, where: str) -> None:
        created = dataset.get_create_plist()
        # The layout is checked first, because the size of a virtual array must not be queried.
        if created.get_layout() not in _LAYOUTS:
            raise _refused(where, "is a virtual array that refers to other files")
        if created.get_external_count():
            raise _refused(where, "stores its values in another file")
        for number in range(created.get_nfilters()):
            if created.get_filter(number)[0] not in _FILTERS:
                raise _refused(where, "is compressed with a filter that is not part of HDF5")
        kind = dataset.get_type()
        if kind.get_class() not in (h5t.FLOAT, h5t.INTEGER) or kind.get_size() > 8:
            raise _refused(where, f"is of the type {_type_name(kind)}, not of plain numbers")
        space = dataset.get_space()
        if space.get_simple_extent_type() not in (h5s.SIMPLE, h5s.SCALAR) or len(dataset.shape) > MAX_RANK:
            raise _refused(where, f"has the unsupported shape {dataset.shape}")
        num_bytes = math.prod(dataset.shape) * kind.get_size()
        stored = dataset.get_storage_size()
        if num_bytes > max(SMALL_BYTES, MAX_RATIO * stored) or stored > self._path.stat().st_size:
            raise _refused(
                where, f"declares the shape {dataset.shape}, {num_bytes:,} bytes, of which {stored:,} are present"
            )
        self._left -= 4 * math.prod(dataset.shape)
        if self._left < 0:
            raise _refused(where, "exceeds the size limit of an upload's weights")

    # Reading the data

    def write_arrays(self, target: IO[bytes]) -> Iterator[tuple[str, tuple[int, ...], int]]:
        """Writes every weight as float32; yields the path, the shape, and the offset of the first value of each."""
        offset = 0
        for path, dataset in self._datasets.items():
            yield path, tuple(map(int, dataset.shape)), offset
            for values in self._values(dataset, path):
                if not np.isfinite(values).all():
                    raise _refused(path, "contains NaN or infinity, as if training had failed")
                target.write(values.tobytes())
                offset += values.size

    def _values(self, dataset: h5d.DatasetID, where: str) -> Iterator[np.ndarray]:
        """Yields an array as float32, in slabs; HDF5 detects damage only when it decompresses and converts."""
        try:
            for values in _slabs(h5py.Dataset(dataset)):
                with np.errstate(over="ignore"):
                    yield np.ascontiguousarray(values, "<f4")
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            raise _refused(where, f"cannot be read: {' '.join(str(error).split())[:200]}") from None

    def text(self, name: str) -> str | None:
        """Returns a text attribute of the file, such as the description of the network; None if it is missing."""
        for where in ("", "model_weights"):
            if where in self._groups and h5a.exists(self._groups[where], name.encode()):
                values = self._strings(where, name)
                return values[0] if len(values) == 1 else None
        return None

    def layers(self) -> list[tuple[str, list[str]]] | None:
        """Returns the layers and the names of their weights in Keras 2's layout; None in Keras 3's layout."""
        top = "model_weights" if "model_weights" in self._groups else ""
        names = self._list(top, "layer_names")
        if names is None:
            return None
        layers = []
        for name in names:
            if len(name) > MAX_NAME:
                raise _refused(top, f"has a layer with a name of {len(name):,} characters")
            where = f"{top}/{name}".lstrip("/")
            if where not in self._groups:
                raise _refused(where, "is listed in layer_names, but missing")
            weights = self._list(where, "weight_names") or []
            for weight in weights:
                if f"{where}/{weight}" not in self._datasets:
                    raise _refused(f"{where}/{weight}", "is listed in weight_names, but missing")
            layers.append((name, [f"{where}/{weight}" for weight in weights]))
        return layers

    def _list(self, where: str, name: str) -> list[str] | None:
        """Reads a list of names; Keras stores a long list in parts: name0, name1 and so on."""
        group = self._groups[where]
        if h5a.exists(group, name.encode()):
            return self._strings(where, name)
        parts: list[str] = []
        number = 0
        while h5a.exists(group, f"{name}{number}".encode()):
            parts += self._strings(where, f"{name}{number}")
            number += 1
        return parts if number else None

    def _strings(self, where: str, name: str) -> list[str]:
        attribute = h5a.open(self._groups[where], name.encode())
        kind = attribute.get_type()
        if math.prod(attribute.shape) == 0:
            return []
        if kind.get_class() != h5t.STRING:
            raise _refused(where, f"has an attribute {name} of the type {_type_name(kind)}, not text")
        if math.prod(attribute.shape) * kind.get_size() > MAX_TEXT_BYTES:
            raise _refused(where, f"has an attribute {name} of more than {MAX_TEXT_BYTES:,} bytes")
        try:
            value = h5py.Group(self._groups[where]).attrs[name]
            values = value if isinstance(value, np.ndarray) else [value]
            texts = [item.decode() if isinstance(item, bytes) else str(item) for item in np.ravel(values)]
            for text in texts:
                text.encode()  # h5py decodes bytes that are not UTF-8 as lone surrogates
        except (UnicodeError, OSError, RuntimeError, TypeError) as error:
            raise _refused(where, f"has an attribute {name} that cannot be read: {error}") from None
        else:
            return texts


def _slabs(array: h5py.Dataset) -> Iterator[np.ndarray]:
    """Yields the values of an array in slabs, so that an array of any size fits into memory."""
    if not array.shape or array.size <= VALUES_AT_ONCE:
        yield array[()] if array.size else np.zeros(0)
        return
    rows = max(1, VALUES_AT_ONCE // math.prod(array.shape[1:]))
    for start in range(0, array.shape[0], rows):
        yield array[start : start + rows]


def _type_name(kind: h5t.TypeID) -> str:
    return type(kind).__name__.removeprefix("Type").removesuffix("ID").lower()
