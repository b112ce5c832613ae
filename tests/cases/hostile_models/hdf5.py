"""Hostile HDF5 files: links, decompression bombs, unsupported types and filters, and invalid weights."""

import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from tests.cases.hostile_models.attack import Attack, hostile
from tests.cases.hostile_models.files import keras_file, legacy_file, network, weights_file

KERNEL = "layers/dense/vars/0"


def _with_kernel(attack: Attack, change: Callable[[h5py.File], None]) -> Path:
    """Writes the harmless model with a different kernel."""

    def replace(file: h5py.File) -> None:
        del file[KERNEL]
        change(file)

    return keras_file(attack, network(), weights_file(replace))


@hostile("a link to another file")
def h5_external_link(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file[KERNEL] = h5py.ExternalLink(str(attack.outside / "secret.h5"), "/secret")

    return _with_kernel(attack, change)


@hostile("a soft link")
def h5_soft_link(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file["elsewhere"] = np.ones((192, 3), np.float32)
        file[KERNEL] = h5py.SoftLink("/elsewhere")

    return _with_kernel(attack, change)


@hostile("in another file")
def h5_external_storage(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file.create_dataset(KERNEL, (192, 3), np.float32, external=[(str(attack.outside / "secret.txt"), 0, 2304)])

    return _with_kernel(attack, change)


@hostile("virtual")
def h5_virtual_array(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((192, 3), np.float32)
        layout[:] = h5py.VirtualSource(str(attack.outside / "secret.h5"), "secret", (192, 3))
        file.create_virtual_dataset(KERNEL, layout)

    return _with_kernel(attack, change)


@hostile("are present")
def h5_shape_bomb(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file.create_dataset(KERNEL, (10**6, 10**6), np.float32, chunks=(1024, 1024))

    return _with_kernel(attack, change)


@hostile("are present")
def h5_packed_bomb(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        array = file.create_dataset(KERNEL, (256 * 2**20,), np.float32, chunks=(2**20,), compression="gzip")
        chunk = zlib.compress(bytes(2**22), 9)
        for number in range(256):
            array.id.write_direct_chunk((number * 2**20,), chunk)

    return _with_kernel(attack, change)


@hostile("reference")
def h5_object_references(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file.create_dataset(KERNEL, (192, 3), h5py.ref_dtype)

    return _with_kernel(attack, change)


@hostile("of the type")
def h5_texts(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file.create_dataset(KERNEL, (192, 3), h5py.string_dtype())

    return _with_kernel(attack, change)


@hostile("of the type")
def h5_opaque_objects(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file.create_dataset(KERNEL, data=np.void(pickle.dumps(np.ones(3))))

    return _with_kernel(attack, change)


@hostile("compound")
def h5_records(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file.create_dataset(KERNEL, (192, 3), np.dtype([("a", "f4"), ("b", "i4")]))

    return _with_kernel(attack, change)


@hostile("neither a group nor an array")
def h5_named_type(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file[KERNEL] = np.dtype("f4")

    return _with_kernel(attack, change)


@hostile("two ways")
def h5_circle(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file["layers/dense/again"] = file["layers"]

    return keras_file(attack, network(), weights_file(change))


@hostile("objects")
def h5_of_many_groups(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        group = file.create_group("many", track_order=False)
        for number in range(100_001):
            group.id.links.create_soft(str(number).encode(), b"/")

    return keras_file(attack, network(), weights_file(change))


@hostile("nested deeper")
def h5_of_deep_groups(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file.create_group("/".join("d" * 500))

    return keras_file(attack, network(), weights_file(change))


@hostile("filter")
def h5_foreign_filter(attack: Attack) -> Path:
    """If HDF5 does not know a filter, it searches a folder for a plugin, and plugins are native code."""

    def change(file: h5py.File) -> None:
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_chunk((192, 3))
        created.set_filter(31_999, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((192, 3))
        h5py.h5d.create(file["layers/dense/vars"].id, b"0", h5py.h5t.IEEE_F32LE, space, created)

    return _with_kernel(attack, change)


@hostile("cannot be opened")
def h5_behind_a_false_beginning(attack: Attack) -> Path:
    path = attack.folder / "model.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file[KERNEL] = np.ones((192, 3), np.float32)
    content = path.read_bytes()
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + content[8:])
    return path


@hostile("not text")
def h5_description_of_objects(attack: Attack) -> Path:
    path = legacy_file(attack, network())
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]
        file.attrs.create("model_config", file.ref, dtype=h5py.ref_dtype)
    return path


@hostile("NaN")
def weights_of_nan(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file[KERNEL] = np.full((192, 3), np.nan, np.float32)

    return _with_kernel(attack, change)


@hostile("infinity")
def weights_too_large_for_float32(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file[KERNEL] = np.full((192, 3), 1e300)

    return _with_kernel(attack, change)


@hostile("of the shape")
def weights_of_another_shape(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file[KERNEL] = np.ones((192, 4), np.float32)

    return _with_kernel(attack, change)


@hostile("the file has no layers/dense/vars/0")
def weights_missing(attack: Attack) -> Path:
    return _with_kernel(attack, lambda file: None)
