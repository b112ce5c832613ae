"""Unpacks an upload and converts its HDF5 weights to plain numbers; runs only in the confined process of `inspection`.

All data that C libraries must parse is parsed here, in the confined process, which writes the weights only as float32:
weights.bin       the values of all arrays in order, float32, little-endian
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from components.contract.errors import UploadError
from components.contract.foreign.archive import members
from components.contract.record import StrictRecord
from components.train.keras_import.outputs.class_names import LABEL_FILES, MAX_LABEL_BYTES, read_class_names

ZIP_MAGIC, HDF5_MAGIC = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"

MAX_MEMBERS: Final = 64
MAX_SMALL_BYTES: Final = 2**16
KERAS_MEMBERS: Final = {"metadata.json", "config.json", "model.weights.h5"}
HDF5_SUFFIXES: Final = (".h5", ".hdf5")


class StoredArray(StrictRecord):
    """An array of the upload.

    Attributes:
        path: its path in the HDF5 file, without the leading slash.
        shape: its shape as stored.
        offset: the index of its first value in weights.bin.
    """

    path: str = Field(max_length=4000)
    shape: tuple[int, ...] = Field(max_length=8, strict=False)
    offset: int = Field(ge=0)


class StoredLayer(StrictRecord):
    """A group of weights in Keras 2's layout."""

    name: str = Field(max_length=1000)
    weight_names: tuple[str, ...] = Field(strict=False)


class Contents(StrictRecord):
    """The content of an upload.

    Attributes:
        form: the file format, for display.
        config: the description of the network as JSON; None in a weights file.
        keras_version: the version of Keras that saved the file, if it is recorded.
        layers: the groups of weights in order, in Keras 2's layout; None in Keras 3's layout.
        arrays: all weights.
        class_names: the class names in the order of the outputs, from a label file in the zip; None if there is none.
        by_order: whether layers whose names differ from those of the network may be matched by their order.
    """

    form: str
    config: str | None
    keras_version: str
    layers: tuple[StoredLayer, ...] | None = Field(strict=False)
    arrays: tuple[StoredArray, ...] = Field(strict=False)
    class_names: tuple[str, ...] | None = Field(None, strict=False)
    by_order: bool = False


@dataclass(frozen=True)
class Reader:
    """Unpacks and reads an upload.

    Attributes:
        folder: receives the unpacked files and weights.bin.
        max_bytes: the maximum total size of the unpacked files, and of the weights.
        max_config_bytes: the maximum size of the description.
    """

    folder: Path
    max_bytes: int
    max_config_bytes: int

    def read(self, upload: Path) -> Contents:
        """Reads the content of the upload.

        Raises:
            UploadError, ArchiveError: the upload is rejected.
        """
        if _magic(upload).startswith(HDF5_MAGIC):
            return self._hdf5(upload, "an HDF5 file")
        names = self._unpack(upload, self.folder / "unpacked")
        return self._keras(names, ".keras") if "config.json" in names else self._packed(names)

    def _unpack(self, upload: Path, folder: Path) -> dict[str, Path]:
        """Unpacks regular files and names them with numbers, never with names from the upload."""
        _check_directory(upload)
        folder.mkdir()
        unpacked: dict[str, Path] = {}
        bytes_left = self.max_bytes
        for number, member in enumerate(members(upload)):
            if member.chunks is None:
                continue
            path = folder / str(number)
            member_bytes_left = self.max_config_bytes if member.name.endswith(".json") else bytes_left
            with path.open("xb") as file:
                for chunk in member.chunks():
                    bytes_left, member_bytes_left = bytes_left - len(chunk), member_bytes_left - len(chunk)
                    if min(bytes_left, member_bytes_left) < 0:
                        raise UploadError(
                            f"The uploaded model must unpack to at most {self.max_bytes:,} bytes, and its "
                            f"description to {self.max_config_bytes:,}; {member.name[:80]!r} is larger. "
                            "Save the model again with Keras."
                        )
                    file.write(chunk)
            unpacked[member.name] = path
        return unpacked

    def _keras(self, names: dict[str, Path], form: str) -> Contents:
        if extra := sorted(set(names) - KERAS_MEMBERS):
            raise UploadError(
                f"A .keras file must contain only {', '.join(sorted(KERAS_MEMBERS))}; this file also "
                f"contains {extra[0][:80]!r}. Other files, such as vocabularies, are not supported."
            )
        if missing := sorted(KERAS_MEMBERS - set(names) - {"metadata.json"}):
            raise UploadError(
                f"A .keras file must contain {missing[0]}; this file does not. Save the model again with Keras."
            )
        weights = names["model.weights.h5"]
        if not _magic(weights).startswith(HDF5_MAGIC):
            raise UploadError("model.weights.h5 in a .keras file must be HDF5; it is not. Save the model again.")
        contents = self._hdf5(weights, form)
        version = "3"
        if "metadata.json" in names:
            try:
                version = str(json.loads(_text(names["metadata.json"]))["keras_version"])[:40]
            except (ValueError, KeyError, TypeError, RecursionError):
                raise UploadError(
                    "metadata.json in a .keras file must contain the Keras version; it does not. Save "
                    "the model again with Keras."
                ) from None
        config = _text(names["config.json"])
        return contents.model_copy(update={"config": config, "keras_version": version})

    def _packed(self, names: dict[str, Path]) -> Contents:
        """Reads a zip that contains one model; files that operating systems add are ignored."""
        models = {
            name: path
            for name, path in names.items()
            if not name.startswith("__MACOSX/") and not name.rsplit("/", 1)[-1].startswith(".")
        }
        readable = {".keras": "a .keras file in a zip", **dict.fromkeys(HDF5_SUFFIXES, "an HDF5 file in a zip")}
        model_names = [name for name in models if name.lower().endswith(tuple(readable))]
        if len(model_names) != 1:
            listing = ", ".join(repr(name[:60]) for name in sorted(models)[:4]) or "nothing"
            raise UploadError(
                f"A zip must contain one model, a .keras or .h5 file; this zip contains {listing}. Pack "
                "only the model file."
            )
        path = models[model_names[0]]
        magic = _magic(path)
        if magic.startswith(HDF5_MAGIC):
            contents = self._hdf5(path, readable[".h5"])
        elif model_names[0].lower().endswith(".keras"):
            contents = self._keras(self._unpack(path, self.folder / "unpacked-inner"), readable[".keras"])
        else:
            raise UploadError(f"{model_names[0][:80]!r} in the zip must be an HDF5 file, but it is another zip.")
        return contents.model_copy(update={"class_names": _class_names(models)})

    def _hdf5(self, path: Path, form: str) -> Contents:
        from components.train.keras_import.confined.hdf5 import Hdf5Model  # imports h5py, only within the confinement

        with Hdf5Model(path, self.max_bytes) as model, (self.folder / "weights.bin").open("xb") as weights:
            arrays = tuple(
                StoredArray(path=name, shape=shape, offset=offset)
                for name, shape, offset in model.write_arrays(weights)
            )
            layers = model.layers()
            return Contents(
                form=form,
                config=model.text("model_config"),
                keras_version=(model.text("keras_version") or "1")[:40],
                arrays=arrays,
                layers=None
                if layers is None
                else tuple(StoredLayer(name=name, weight_names=tuple(weights)) for name, weights in layers),
            )


def _class_names(files: dict[str, Path]) -> tuple[str, ...] | None:
    """Reads the class names from the label file in a zip, if there is one."""
    label_files = [name for name in files if name.rsplit("/", 1)[-1] in LABEL_FILES]
    if len(label_files) > 1:
        raise UploadError(
            "A zip must contain at most one file of class names; this zip contains "
            f"{', '.join(sorted(label_files))[:200]}. Keep one of them."
        )
    for name in label_files:
        with files[name].open("rb") as file:
            return read_class_names(file.read(MAX_LABEL_BYTES + 1), name.rsplit("/", 1)[-1])
    return None


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        magic = file.read(8)
    if not magic.startswith((ZIP_MAGIC, HDF5_MAGIC)):
        raise UploadError(
            "An uploaded model must be a .keras file, an HDF5 file (.h5), or a zip of one; this file "
            f"begins with {magic[:8]!r}. Save it with Keras: model.save('model.keras')."
        )
    return magic


def _check_directory(path: Path) -> None:
    """Rejects a zip whose directory alone would fill the memory."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - MAX_SMALL_BYTES - 22))
        tail = file.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) < place + 22:
        raise UploadError("The directory of the uploaded zip is missing, so the file is truncated. Copy it again.")
    num_members = int.from_bytes(tail[place + 10 : place + 12], "little")
    directory_bytes = int.from_bytes(tail[place + 12 : place + 16], "little")
    if num_members > MAX_MEMBERS or directory_bytes > MAX_SMALL_BYTES:
        raise UploadError(
            f"The uploaded zip must contain at most {MAX_MEMBERS} files; it contains {num_members:,}. "
            "Pack only the model file."
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UploadError(
            "The description in the upload must be UTF-8 text; it is not. Save the model again."
        ) from None
