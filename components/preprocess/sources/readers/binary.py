"""Converts CIFAR's binary batches and MNIST's IDX files to class folders of PNG files."""

import contextlib
import gzip
import logging
import math
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

import numpy as np

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DataError
from components.contract.foreign.confinement import UnsafeNameError, within
from components.contract.system.budget import Budget, PacedFile, open_regular, read_regular
from components.contract.system.progress import log_progress
from components.preprocess.sources.listing import list_folder

log = logging.getLogger(__name__)

CIFAR_SIDE: Final = 32
CIFAR_NAME: Final = re.compile(r"(data_batch_\d+|test_batch|train|test)\.bin", re.IGNORECASE)
IDX_NAME: Final = re.compile(r"(?P<prefix>.*)images[-.]idx3[-.]ubyte(?P<gz>\.gz)?", re.IGNORECASE)
PICKLE_NAME: Final = re.compile(r"(.*/)?(data_batch_1|batches\.meta)")
CLASS_FILES: Final = ("batches.meta.txt", "fine_label_names.txt")

IDX_IMAGES, IDX_LABELS = 0x803, 0x801
MAX_BYTES: Final = 2**30
"""The maximum total size of the pictures in a file; the largest data sets in these formats have 640 MB."""
SMALL_BYTES: Final = 2**26
MAX_RATIO: Final = 200
CHUNK_BYTES: Final = 2**20
MAX_NAMES_BYTES: Final = 2**20


@dataclass(frozen=True)
class Batch:
    """The pictures of one file.

    Attributes:
        name: the name of the file, which is part of the names of the pictures.
        split: the split, according to the name of the file.
        pixels: uint8 (n, height, width) or (n, height, width, 3), RGB.
        labels: int (n,).
    """

    name: str
    split: SplitName
    pixels: np.ndarray
    labels: np.ndarray


def is_binary(names: Sequence[str]) -> bool:
    """Whether files are CIFAR batches or IDX files, judging by their names."""
    plain = [name.rsplit("/", 1)[-1] for name in names]
    if any(IDX_NAME.fullmatch(name) for name in plain):
        return True
    # A file named train.bin may be anything, so there must also be CIFAR's file of class names.
    return any(CIFAR_NAME.fullmatch(name) for name in plain) and any(name in CLASS_FILES for name in plain)


def refuse_pickles(names: Sequence[str]) -> None:
    """Raises an error for CIFAR's Python version: its files are pickles, which can run code when they are read."""
    if {"data_batch_1", "batches.meta"} <= {name.rsplit("/", 1)[-1] for name in names}:
        raise DataError(
            "The data must be pictures; these are pickles of CIFAR's Python version, which can run code. "
            "Use CIFAR's binary version: cifar-10-binary.tar.gz."
        )


def native_size(name: str, content: bytes) -> tuple[int, int] | None:
    """(height, width) of the pictures in a CIFAR or IDX file, from its name and first bytes; None for other files."""
    plain = name.rsplit("/", 1)[-1]
    if CIFAR_NAME.fullmatch(plain):
        return CIFAR_SIDE, CIFAR_SIDE
    match = IDX_NAME.fullmatch(plain)
    if match is None:
        return None
    try:
        header = zlib.decompressobj(wbits=31).decompress(content, 16) if match["gz"] else content[:16]
    except zlib.error:
        return None
    return int.from_bytes(header[8:12], "big"), int.from_bytes(header[12:16], "big")


def unpack(folder: Path, target: Path) -> None:
    """Writes the pictures below `folder` as `<split>/<class>/<file>-<number>.png` below `target`.

    Raises:
        DataError: a file is damaged, or its labels are missing.
    """
    import cv2

    paths = [file.path for file in list_folder(folder).files]
    class_names = _class_names(paths)
    for batch in _batches(paths):
        names = [class_names[label] if label < len(class_names) else str(label) for label in batch.labels.tolist()]
        for name in set(names):
            _class_folder(target / batch.split, name).mkdir(parents=True, exist_ok=True)
        pictures = log_progress(zip(batch.pixels, names, strict=True), len(names), f"pictures of {batch.name} written")
        for number, (pixels, name) in enumerate(pictures):
            _, png = cv2.imencode(".png", pixels if pixels.ndim == 2 else pixels[..., ::-1])
            folder = target / batch.split / name
            (folder / f"{batch.name}-{number:05d}.png").write_bytes(png.tobytes())


def _class_folder(folder: Path, name: str) -> Path:
    try:
        return within(folder, name)
    except UnsafeNameError as reason:
        raise DataError(f"A class name must be a valid folder name; {name[:80]!r} {reason}.") from None


def _class_names(paths: Sequence[Path]) -> list[str]:
    for path in paths:
        if path.name in CLASS_FILES:
            try:
                lines = read_regular(path, MAX_NAMES_BYTES).decode("utf-8", "replace").splitlines()
            except OSError as error:
                raise DataError(f"The list of classes {path.name} cannot be read: {error.strerror}.") from None
            return [line.strip().replace("/", "-") for line in lines if line.strip()]
    return []


def _batches(paths: Sequence[Path]) -> Iterator[Batch]:
    is_cifar = any(path.name in CLASS_FILES for path in paths)
    for path in paths:
        if IDX_NAME.fullmatch(path.name):
            yield _read_idx(path, paths)
        elif is_cifar and CIFAR_NAME.fullmatch(path.name):
            yield _read_cifar(path, has_coarse=any(other.name == "fine_label_names.txt" for other in paths))


def _read_cifar(path: Path, *, has_coarse: bool) -> Batch:
    """Reads rows of one label byte (two in CIFAR-100: coarse, then fine) and 3 × 32 × 32 values, color by color."""
    num_labels = 2 if has_coarse else 1
    row_bytes = num_labels + 3 * CIFAR_SIDE**2
    budget = _budget(path)
    with _explain_errors(path, "CIFAR batch"), open_regular(path) as file:
        content = np.frombuffer(_read_all(file, os.fstat(file.fileno()).st_size, budget), np.uint8)
    budget.spend(num_members=len(content) // row_bytes)
    if len(content) == 0 or len(content) % row_bytes:
        raise DataError(
            f"The size of a CIFAR batch must be a multiple of {row_bytes:,} bytes; {path.name} has {len(content):,} "
            "bytes. Download it again."
        )
    rows = content.reshape(-1, row_bytes)
    planes = rows[:, num_labels:].reshape(-1, 3, CIFAR_SIDE, CIFAR_SIDE)
    return Batch(path.stem, _split_of(path.name), planes.transpose(0, 2, 3, 1), rows[:, num_labels - 1])


def _read_idx(path: Path, paths: Sequence[Path]) -> Batch:
    labels_name = re.sub("images", "labels", path.name, flags=re.IGNORECASE)
    labels_name = re.sub("idx3", "idx1", labels_name, flags=re.IGNORECASE)
    plain = labels_name.removesuffix(".gz")
    labels_path = next(
        (other for other in paths if other.parent == path.parent and other.name in (plain, f"{plain}.gz")), None
    )
    if labels_path is None:
        raise DataError(
            f"The labels of {path.name} must be next to it, in {labels_name}; this file is missing. Download it too."
        )
    pixels, labels = _idx_values(path, IDX_IMAGES), _idx_values(labels_path, IDX_LABELS)
    if len(pixels) != len(labels):
        raise DataError(
            f"Each picture must have a label; {path.name} has {len(pixels):,} pictures, but "
            f"{labels_path.name} has {len(labels):,} labels. Download both again."
        )
    return Batch(path.name.split(".")[0], _split_of(path.name), pixels, labels)


def _idx_values(path: Path, magic: int) -> np.ndarray:
    """Reads the array in an IDX file: uint8 (n,) or (n, height, width)."""
    budget = _budget(path)
    with _explain_errors(path, "IDX file"), _open_idx(path, budget) as file:
        num_dimensions = magic & 0xFF
        header = np.frombuffer(file.read(4 + 4 * num_dimensions), ">u4").astype(np.int64)
        if len(header) != num_dimensions + 1 or header[0] != magic:
            raise DataError(
                f"An IDX file must begin with {magic:#010x} and array sizes; {path.name} does not. Download it again."
            )
        shape = tuple(header[1:].tolist())
        num_bytes = math.prod(shape)
        if num_bytes > budget.max_bytes:
            raise budget.limit_error(
                f"contain at most {budget.max_bytes:,} bytes", f"its header declares {num_bytes:,}"
            )
        if 0 in shape[1:]:
            raise DataError(
                f"Pictures in an IDX file must have pixels; those in {path.name} have "
                f"{' × '.join(map(str, shape[1:]))}. Download it again."
            )
        budget.spend(num_members=shape[0])
        content = _read_all(file, num_bytes + 1, budget)
    if len(content) != num_bytes:
        raise DataError(
            f"{path.name} must have {num_bytes:,} values according to its header; it has "
            f"{'more' if len(content) > num_bytes else f'{len(content):,}'}. Download it again."
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _budget(path: Path) -> Budget:
    num_bytes = path.stat().st_size
    return Budget(
        f"The file {path.name}",
        "Pass its pictures as folders of photos.",
        members="pictures",
        max_bytes=min(MAX_BYTES, max(SMALL_BYTES, MAX_RATIO * num_bytes)) if path.name.endswith(".gz") else MAX_BYTES,
    )


def _read_all(file: IO[bytes], num_bytes: int, budget: Budget) -> bytearray:
    """Reads at most `num_bytes`; the memory grows with the content of the file, not with the size in its header."""
    content = bytearray()
    while len(content) < num_bytes and (chunk := file.read(min(CHUNK_BYTES, num_bytes - len(content)))):
        budget.spend(len(chunk))
        content += chunk
    return content


@contextlib.contextmanager
def _explain_errors(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path.name} cannot be read as {'an' if kind[0] in 'AEIOU' else 'a'} {kind}: {error}. Download it again."
        ) from None


@contextlib.contextmanager
def _open_idx(path: Path, budget: Budget) -> Iterator[IO[bytes]]:
    with open_regular(path) as file:
        if path.name.endswith(".gz"):
            yield cast(IO[bytes], gzip.GzipFile(fileobj=PacedFile(file, budget)))
        else:
            yield file


def _split_of(name: str) -> SplitName:
    lowered = name.lower()
    if "t10k" in lowered or "test" in lowered:
        return "test"
    return "validation" if "valid" in lowered else "train"
