"""CIFAR and IDX files are converted to photos."""

import gzip
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.dataset import open_split
from components.contract.errors import DataError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.sources.probe import probe
from components.preprocess.step import preprocess

PARAMS = PreprocessParams(image_size=16)


def write_cifar(folder: Path) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    (folder / "batches.meta.txt").write_text("cat\ndog\n\n")
    for name in ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"):
        rows = rng.integers(0, 256, (12, 3073), np.uint8)
        rows[:, 0] = np.arange(12) % 2
        rows[0, 1:1025], rows[0, 1025:] = 200, 10  # a red cat
        rows.tofile(folder / name)


def test_cifar_batches_become_photos(tmp_path: Path) -> None:
    write_cifar(tmp_path / "made" / "cifar-10-batches-bin")
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as file:
        file.add(tmp_path / "made" / "cifar-10-batches-bin", "cifar-10-batches-bin")
    assert probe(str(tmp_path / "cifar-10-binary.tar.gz")).native_size == (32, 32)
    params = PreprocessParams(image_size=32)
    info = preprocess(str(tmp_path / "cifar-10-binary.tar.gz"), params, tmp_path / "dataset")
    assert (info.class_names, info.native_size) == (("cat", "dog"), (32, 32))
    assert info.num_images("test") == 12
    test = open_split(tmp_path / "dataset", "test")
    red = [index for index in range(12) if (test.image(index) == (200, 10, 10)).all()]
    assert [info.class_names[test.labels[index]] for index in red] == ["cat"]
    again = preprocess(str(tmp_path / "made"), params, tmp_path / "folder")
    assert again.fingerprint == info.fingerprint


def write_idx(folder: Path, *, num_labels: int = 12) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for split, suffix in (("train", ""), ("t10k", ".gz")):
        pixels = struct.pack(">IIII", 0x803, 12, 9, 8) + rng.integers(0, 256, 12 * 72, np.uint8).tobytes()
        labels = struct.pack(">II", 0x801, num_labels) + bytes(number % 2 + 7 for number in range(num_labels))
        for name, content in ((f"{split}-images-idx3-ubyte", pixels), (f"{split}-labels-idx1-ubyte", labels)):
            (folder / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)


def test_idx_files_become_photos(tmp_path: Path) -> None:
    write_idx(tmp_path / "mnist")
    assert probe(str(tmp_path / "mnist")).native_size == (9, 8)
    info = preprocess(str(tmp_path / "mnist"), PreprocessParams(image_size=(9, 8)), tmp_path / "dataset")
    assert info.class_names == ("7", "8")
    assert info.num_images("test") == 12
    originals = (tmp_path / "mnist" / "train-images-idx3-ubyte").read_bytes()
    for index in range(info.num_images("train")):
        assert open_split(tmp_path / "dataset", "train").image(index)[..., 0].tobytes() in originals


def test_damaged_binary_files_are_rejected(tmp_path: Path) -> None:
    write_cifar(tmp_path / "cifar")
    with (tmp_path / "cifar" / "data_batch_1.bin").open("ab") as file:
        file.write(b"more")
    write_idx(tmp_path / "counts", num_labels=11)
    write_idx(tmp_path / "short")
    path = tmp_path / "short" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    write_idx(tmp_path / "bomb")
    (tmp_path / "bomb" / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 0x803, 2**31, 2**15, 2**15))
    write_idx(tmp_path / "alone")
    (tmp_path / "alone" / "train-labels-idx1-ubyte").unlink()
    write_idx(tmp_path / "gzip")
    (tmp_path / "gzip" / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8bno")
    (tmp_path / "pickles").mkdir()
    for name in ("data_batch_1", "batches.meta"):
        (tmp_path / "pickles" / name).write_bytes(b"cos\nsystem\n.")
    for name, message in {
        "cifar": "multiple of 3,073 bytes",
        "counts": "12 pictures, but .* has 11 labels",
        "short": "it has 863",
        "bomb": "must contain at most",
        "alone": "must be next to it",
        "gzip": "cannot be read as an IDX file",
        "pickles": "pickles",
    }.items():
        with pytest.raises(DataError, match=message):
            preprocess(str(tmp_path / name), PARAMS, tmp_path / "dataset")
