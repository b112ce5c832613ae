"""Files with one defect each in their HDF5, zip, JSON or array data are refused with a reason."""

import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from components.contract.errors import UploadError
from components.contract.params.model import ModelParams
from components.train.network.upload_check import check_upload
from tests.cases.hostile_models.attack import Attack
from tests.cases.hostile_models.files import keras_file, legacy_file, network, weights_file
from tests.cases.hostile_models.hdf5 import KERNEL

Change = Callable[[h5py.File], None]


def kernel(**options: Any) -> Change:
    """Returns a change that writes the kernel with these options of h5py's create_dataset."""
    return lambda file: file.create_dataset(KERNEL, **options)


def kernel_of_type(kind: Any, values: np.ndarray) -> Change:
    def change(file: h5py.File) -> None:
        space = h5py.h5s.create_simple(values.shape)
        dataset = h5py.h5d.create(file["layers/dense/vars"].id, b"0", kind, space)
        if kind.get_class() == h5py.h5t.INTEGER:
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, values)

    return change


def integer(num_bytes: int) -> Any:
    kind = h5py.h5t.STD_I32LE.copy()
    kind.set_size(num_bytes)
    return kind


def float_with_bias(bias: int) -> Any:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_ebias(bias)
    return kind


def damaged_chunk(file: h5py.File) -> None:
    dataset = file.create_dataset(KERNEL, (192, 3), "f4", chunks=(192, 3), compression="gzip")
    dataset.id.write_direct_chunk((0, 0), b"\x78\x9c" + b"\xff" * 40)


def wrong_checksum(file: h5py.File) -> None:
    dataset = file.create_dataset(KERNEL, (192, 3), "f4", chunks=(192, 3), fletcher32=True)
    dataset.id.write_direct_chunk((0, 0), bytes(192 * 3 * 4) + b"\xff\xff\xff\xff")


def group_for_an_array(file: h5py.File) -> None:
    file.create_group(KERNEL)


KERNELS: dict[str, tuple[Change, str]] = {
    "complex": (kernel(data=np.ones((192, 3), "c8")), "not of plain numbers"),
    "bool": (kernel(data=np.ones((192, 3), bool)), "not of plain numbers"),
    "enum": (kernel(shape=(192, 3), dtype=h5py.enum_dtype({"A": 1})), "not of plain numbers"),
    "text": (kernel(data=np.full((192, 3), b"1.0")), "not of plain numbers"),
    "text_of_variable_length": (kernel(shape=(3,), dtype=h5py.string_dtype()), "not of plain numbers"),
    "lists": (kernel(shape=(3,), dtype=h5py.vlen_dtype(np.float32)), "not of plain numbers"),
    "references": (kernel(shape=(3,), dtype=h5py.ref_dtype), "not of plain numbers"),
    "regions": (kernel(shape=(3,), dtype=h5py.regionref_dtype), "not of plain numbers"),
    "opaque": (kernel(data=np.zeros((3,), "V8")), "not of plain numbers"),
    "records": (kernel(data=np.zeros((3,), [("a", "f4")])), "not of plain numbers"),
    "arrays_in_an_array": (kernel(shape=(192,), dtype=np.dtype(("f4", (3,)))), "not of plain numbers"),
    "long_double": (kernel(data=np.ones((192, 3), np.longdouble)), "not of plain numbers"),
    "empty_dataspace": (kernel(data=h5py.Empty("f4")), "has the shape"),
    "rank_9": (kernel(data=np.ones((1,) * 9, "f4")), "has the shape"),
    "no_rows": (kernel(shape=(0, 3), dtype="f4"), "of the shape"),
    "scalar": (kernel(data=np.float32(1)), "of the shape"),
    "transposed": (kernel(data=np.ones((3, 192), "f4")), "of the shape"),
    "integer_of_3_bytes": (kernel_of_type(integer(3), np.ones((192, 3), "i4")), "cannot be read"),
    "odd_bias": (kernel_of_type(float_with_bias(2**30), np.ones((192, 3))), "cannot be read|are present"),
    "damaged_chunk": (damaged_chunk, "cannot be read"),
    "wrong_checksum": (wrong_checksum, "cannot be read"),
    "group": (group_for_an_array, "the file has no layers/dense/vars/0"),
}


def legacy_with(change: Callable[[h5py.File], None]) -> Callable[[Attack], Path]:
    def make(attack: Attack) -> Path:
        path = legacy_file(attack, network())
        with h5py.File(path, "a") as file:
            change(file)
        return path

    return make


def attribute(where: str, name: str, value: Any, dtype: Any = None) -> Callable[[Attack], Path]:
    return legacy_with(lambda file: file[where].attrs.create(name, value, dtype=dtype))


def parts(**changes: bytes | None) -> Callable[[Attack], Path]:
    """Returns a function that writes a .keras file with these members replaced (None removes one); `__` means a dot."""

    def make(attack: Attack) -> Path:
        path = keras_file(attack, network())
        with zipfile.ZipFile(path) as archive:
            contents: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
        contents |= {name.replace("__", "."): content for name, content in changes.items()}
        with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
            for name, content in contents.items():
                if content is not None:
                    archive.writestr(name, content)
        return path

    return make


def raw(content: bytes, name: str = "model.keras") -> Callable[[Attack], Path]:
    def make(attack: Attack) -> Path:
        path = attack.folder / name
        path.write_bytes(content)
        return path

    return make


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def folder(attack: Attack) -> Path:
    path = attack.folder / "model.keras"
    path.mkdir()
    return path


def fifo(attack: Attack) -> Path:
    path = attack.folder / "model.h5"
    os.mkfifo(path)
    return path


def link_to_nothing(attack: Attack) -> Path:
    path = attack.folder / "model.h5"
    path.symlink_to(path)
    return path


def long_path(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file.create_dataset("x" * 5000, data=np.ones(3, "f4"))

    return keras_file(attack, network(), weights_file(change))


def unreadable_keys() -> bytes:
    """A JSON object with a million keys, the last one twice; comparing all pairs of keys would take hours."""
    keys = [f'"k{number}":0' for number in range(1_000_000)]
    return ("{" + ",".join([*keys, '"k999999":0']) + "}").encode()


TEXT = h5py.string_dtype("utf-8")
FILES: dict[str, tuple[Callable[[Attack], Path], str]] = {
    "empty": (raw(b""), "begins with"),
    "one_byte": (raw(b"P"), "begins with"),
    "zeros": (raw(bytes(100)), "begins with"),
    "only_the_zip_signature": (raw(b"PK\x03\x04"), "the file is truncated"),
    "only_the_hdf5_signature": (raw(b"\x89HDF\r\n\x1a\n"), "cannot be opened"),
    "hdf5_then_zeros": (raw(b"\x89HDF\r\n\x1a\n" + bytes(4096)), "cannot be opened"),
    "empty_zip": (raw(b"PK\x05\x06" + bytes(18)), "begins with"),
    "zip_in_a_zip_in_a_zip": (raw(zipped(a__keras=zipped(b__keras=zipped(c=b"x")))), r"A \.keras file must contain"),
    "zip_of_two_models": (raw(zipped(a__h5=b"x", b__keras=b"x")), "must contain one model"),
    "zip_without_a_model": (raw(zipped(readme__txt=b"x")), "must contain one model"),
    "folder": (folder, "a folder or special file"),
    "fifo": (fifo, "a folder or special file"),
    "link_to_itself": (link_to_nothing, "must be a file; found none at"),
    "name_too_long": (lambda attack: attack.folder / ("n" * 300), ": File name too long"),
    "long_path": (long_path, "a path of 5,000 characters"),
    "no_weights": (parts(model__weights__h5=None), "must contain model.weights.h5"),
    "weights_are_text": (parts(model__weights__h5=b"weights"), "begins with|must be HDF5"),
    "weights_are_cut_off": (parts(model__weights__h5=weights_file()[:2000]), "cannot be opened|damaged"),
    "metadata_is_a_list": (parts(metadata__json=b"[]"), "must contain the Keras version"),
    "metadata_is_not_json": (parts(metadata__json=b"{"), "must contain the Keras version"),
    "metadata_is_latin_1": (parts(metadata__json=b'{"keras_version": "\xe4"}'), "UTF-8"),
    "metadata_has_a_million_levels": (parts(metadata__json=b"[" * 10**6), "must contain the Keras version"),
    "metadata_has_a_long_number": (
        parts(metadata__json=b'{"keras_version": ' + b"9" * 6000 + b"}"),
        "the Keras version",
    ),
    "config_is_empty": (parts(config__json=b""), "JSON"),
    "config_is_a_number": (parts(config__json=b"7"), "not an object"),
    "config_is_utf_16": (parts(config__json=json.dumps(network()).encode("utf-16")), "UTF-8"),
    "config_has_a_byte_order_mark": (parts(config__json=b"\xef\xbb\xbf" + json.dumps(network()).encode()), "JSON"),
    "config_with_a_surrogate": (parts(config__json=b'{"class_name": "\\ud800"}'), r"\\ud800"),
    "config_with_escapes": (parts(config__json=b'{"class_name": "\\u001b[2J\\n"}'), r"\\x1b\[2J"),
    "config_has_a_million_keys": (parts(config__json=unreadable_keys()), "twice in one object"),
    "layer_names_are_numbers": (attribute("model_weights", "layer_names", np.arange(3)), "not text"),
    "layer_names_are_not_utf_8": (attribute("model_weights", "layer_names", [b"\xff"], TEXT), "cannot be read"),
    "layer_names_list_a_missing_layer": (
        attribute("model_weights", "layer_names", [b"other"]),
        "is listed in layer_names, but missing",
    ),
    "layer_name_too_long": (attribute("model_weights", "layer_names", [b"n" * 2000]), "a name of 2,000 characters"),
    "weight_names_list_a_missing_weight": (
        attribute("model_weights/dense", "weight_names", [b"w", b"v"]),
        "is listed in weight_names, but missing",
    ),
    "description_is_not_utf_8": (attribute("/", "model_config", b"{\xff\xfe}", TEXT), "cannot be read"),
    "description_is_a_number": (attribute("/", "model_config", 7), "not text"),
    "description_is_binary": (attribute("/", "model_config", np.void(bytes(60_000))), "not text"),
}
FAST = (
    "integer_of_3_bytes",
    "damaged_chunk",
    "long_path",
    "layer_name_too_long",
    "description_is_not_utf_8",
    "config_with_a_surrogate",
    "config_has_a_million_keys",
    "folder",
    "fifo",
    "name_too_long",
)


def marked(name: str) -> Any:
    return pytest.param(name, marks=[] if name in FAST else pytest.mark.proof)


@pytest.mark.parametrize("name", [marked(name) for name in (*KERNELS, *FILES)])
def test_a_broken_file_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    attack = Attack(tmp_path, tmp_path / "marker", 9, tmp_path)
    if name in KERNELS:
        change, reason = KERNELS[name]

        def replace(file: h5py.File) -> None:
            del file[KERNEL]
            change(file)

        path = keras_file(attack, network(), weights_file(replace))
    else:
        make, reason = FILES[name]
        path = make(attack)
    report = check_upload(path, ModelParams(path=str(path)))
    assert not report.accepted
    assert report.reason is not None
    text = report.reason.removeprefix(f"{path}: ")
    assert text.isprintable()
    assert len(text) < 1000
    with pytest.raises(UploadError, match=reason):
        raise UploadError(text)
