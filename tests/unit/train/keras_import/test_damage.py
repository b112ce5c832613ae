"""Damaged descriptions and weights are either read or refused with UploadError; no other error occurs."""

import copy
import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from components.contract.errors import UploadError
from components.train.keras_import.confined.reader import Contents, StoredArray
from components.train.keras_import.importing import Expectation, read_upload
from components.train.keras_import.limits import Limits
from components.train.keras_import.plan import Plan, make_plan
from tests.cases.hostile_models.attack import Attack
from tests.cases.hostile_models.files import keras_file, layer, legacy_file, network, weights_file

VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    7,
    10**18,
    1e300,
    0.5,
    "",
    "dense",
    "x" * 300,
    "\n",
    [],
    [None],
    [[]],
    [-1, 3],
    ["input", 0, 0],
    [["input", 0, 0]],
    {},
    {"class_name": "Dense"},
    {"class_name": ["Dense"]},
    {"class_name": "Dense", "config": {}},
    {"class_name": "__tuple__", "items": 3},
    {"class_name": "L2", "config": {"l2": "x"}},
    {"type": "ndarray", "value": []},
)


def rich_network() -> dict[str, Any]:
    """A description with every supported form: submodels, both call syntaxes, objects, arithmetic."""
    chain = {
        "class_name": "Sequential",
        "config": {
            "name": "chain",
            "layers": [
                {
                    "class_name": "Conv2D",
                    "config": {
                        "name": "conv",
                        "filters": 3,
                        "kernel_size": [3, 3],
                        "padding": "same",
                        "batch_input_shape": [None, 8, 8, 3],
                        "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.01}},
                        "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 2, "axis": 0}},
                        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
                        "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}},
                    },
                },
                {"class_name": "BatchNormalization", "config": {"name": "bn", "axis": [3], "epsilon": 1e-3}},
            ],
        },
        "name": "chain",
        "inbound_nodes": [[["scaled", 0, 0, {"training": False}]]],
    }
    scaled = {
        **layer("TrueDivide", "scaled", "input"),
        "module": "keras.src.ops.numpy",
        "registered_name": "TrueDivide",
    }
    scaled["inbound_nodes"][0]["args"].append(255.0)
    return network(
        scaled,
        chain,
        layer("Add", "sum", ["scaled", "chain"]),
        layer("ZeroPadding2D", "pad", "sum", padding=[[0, 1], 2]),
        layer("Cropping2D", "crop", "pad", cropping=[[0, 1], [2, 2]]),
        last="crop",
    )


def contents(config: str, keras_version: str = "3.15.1") -> Contents:
    shapes = {
        "dense/vars/0": (192, 3),
        "dense/vars/1": (3,),
        "sequential/layers/conv2d/vars/0": (3, 3, 3, 3),
        "sequential/layers/conv2d/vars/1": (3,),
        **{f"sequential/layers/batch_normalization/vars/{n}": (3,) for n in range(4)},
    }
    arrays = tuple(StoredArray(path=f"layers/{path}", shape=shape, offset=0) for path, shape in shapes.items())
    return Contents(form=".keras", config=config, keras_version=keras_version, layers=None, arrays=arrays)


def places(tree: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path of every value in a JSON document."""
    if way:
        yield way
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from places(value, (*way, key))


def test_the_undamaged_description_is_read() -> None:
    plan = make_plan(contents(json.dumps(rich_network())), Limits())
    assert isinstance(plan, Plan)
    assert set(plan.matches) == {("chain", "conv"), ("chain", "bn"), ("dense",)}


@pytest.mark.parametrize(
    ("keras_version", "step"),
    [
        ("3.15.1", 7),
        pytest.param("3.15.1", 1, marks=pytest.mark.proof),
        pytest.param("2.15.0", 1, marks=pytest.mark.proof),
    ],
)
def test_a_description_with_any_one_damaged_value_is_refused_or_still_read(keras_version: str, step: int) -> None:
    tree = rich_network()
    num_refused = num_read = 0
    for way in list(places(tree))[::step]:
        for value in VALUES:
            damaged = copy.deepcopy(tree)
            node = damaged
            for key in way[:-1]:
                node = node[key]
            node[way[-1]] = value
            try:
                make_plan(contents(json.dumps(damaged), keras_version), Limits())
                num_read += 1
            except UploadError as error:
                assert len(str(error)) < 1000
                num_refused += 1
    assert num_refused > num_read > 0


def test_a_description_missing_any_one_value_is_refused_or_still_read() -> None:
    tree = rich_network()
    for way in places(tree):
        damaged = copy.deepcopy(tree)
        node = damaged
        for key in way[:-1]:
            node = node[key]
        del node[way[-1]]
        try:
            make_plan(contents(json.dumps(damaged)), Limits())
        except UploadError as error:
            assert len(str(error)) < 1000


def keras_parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def undamaged(form: str, folder: Path) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Returns the bytes to damage, and a function that makes an upload from the damaged bytes."""
    attack = Attack(folder, folder, 9, folder)
    if form in ("h5", "zip of h5"):
        content, inner = legacy_file(attack, network()).read_bytes(), "model.h5"
    else:
        path, inner = keras_file(attack, network()), "model.keras"
        if form in (parts := keras_parts(path)):
            return parts[form], lambda damaged: zipped(parts | {form: damaged})
        content = path.read_bytes()
    return content, (lambda damaged: zipped({inner: damaged})) if form.startswith("zip of") else lambda damaged: damaged


FORMS = ("h5", "zip of h5", "keras", "zip of keras", "model.weights.h5", "config.json", "metadata.json")


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Truncates the content, changes some of its bits or bytes, or removes, repeats or zeroes a part, at random."""
    kind = rng.choice(["cut", "bits", "bytes", "magic", "removed", "repeated", "zeroed"])
    start, end = sorted(rng.integers(0, len(content), 2).tolist())
    if kind == "cut":
        return content[:start]
    if kind == "removed":
        return content[:start] + content[end:]
    if kind == "repeated":
        return content[:end] + content[start:]
    if kind == "zeroed":
        return content[:start] + bytes(end - start) + content[end:]
    damaged_content = bytearray(content)
    used = np.flatnonzero(np.frombuffer(content, np.uint8))
    places = range(8) if kind == "magic" else rng.choice(used, min(len(used), int(rng.integers(1, 9))))
    for place in places:
        damaged_content[place] = (
            damaged_content[place] ^ 1 << int(rng.integers(8)) if kind == "bits" else int(rng.integers(256))
        )
    return bytes(damaged_content)


def check_read_or_refused(form: str, seed: int, folder: Path) -> bool:
    """Returns whether the damaged upload is refused; if it is not, checks that all of its weights can be read."""
    (folder / "made").mkdir()
    content, make_upload = undamaged(form, folder / "made")
    rng = np.random.default_rng(seed)
    (folder / "upload").write_bytes(make_upload(damaged(content, rng)))
    try:
        plan = read_upload(folder, Expectation(), Limits())
    except UploadError as error:
        assert len(str(error)) < 1000
        assert str(error).isprintable()
        return True
    assert len(plan.matches) == 1
    weights = np.fromfile(folder / "weights.bin", "<f4")
    assert all(array.offset + math.prod(array.shape) <= len(weights) for array in plan.contents.arrays)
    assert np.isfinite(weights).all()
    return False


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_file_is_refused_or_read(form: str, tmp_path: Path) -> None:
    check_read_or_refused(form, FORMS.index(form), tmp_path)


@pytest.mark.proof
@pytest.mark.parametrize("form", FORMS)
def test_a_file_damaged_in_fifty_ways_is_refused_or_read(form: str, tmp_path: Path) -> None:
    num_refused = 0
    for seed in range(100, 150):
        (tmp_path / str(seed)).mkdir()
        num_refused += check_read_or_refused(form, seed, tmp_path / str(seed))
    assert num_refused > 15


def test_the_weights_file_of_the_tests_is_hdf5() -> None:
    with h5py.File(io.BytesIO(weights_file())) as file:
        assert file["layers/dense/vars/0"].shape == (192, 3)
