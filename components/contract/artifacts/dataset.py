"""The prepared data set on disk: written by preprocess; read by every later step.

    dataset.json                 DatasetInfo
    manifest.parquet             one row per file, whether kept or rejected
    train-00000.arrow …          Arrow IPC files, uncompressed, one record batch each: pixels, label, image_id
    validation-00000.arrow …
    test-00000.arrow …
    golden/<image_id>.<suffix>   the original files of some test photos
    audit.json  audit.html       the findings of the audit
    samples.jpg                  a sheet of labeled samples
    augmentation.jpg             augmented variants of one photo
    classes.svg                  photos per class and split

The Arrow files are memory-mapped: pixels are NumPy views of them, and nothing is decoded or copied.
"""

import bisect
import hashlib
import mmap
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import AfterValidator, Field

from components.contract.errors import ArtifactError
from components.contract.record import StrictRecord
from components.contract.system.address import Address
from components.contract.system.atomic_files import read_json
from components.contract.system.memory_map import FileMaps

FORMAT_VERSION: Final = 1
SplitName = Literal["train", "validation", "test"]
SPLITS: Final[tuple[SplitName, ...]] = ("train", "validation", "test")
SPLIT_FOLDERS: Final[dict[str, SplitName]] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
"""Folder names that mark an existing split, in lowercase; case is ignored."""

PixelRange = tuple[int, int]
"""The values that map to black and to white in 16-bit photos; values outside this range are clipped."""
FULL_RANGE: Final[PixelRange] = (0, 65535)

SHARD_BYTES = 64 * 2**20
"""The approximate maximum number of pixel bytes per shard; larger splits are divided into more shards."""


class Source(StrictRecord):
    """The origin of the photos."""

    uri: Annotated[str, AfterValidator(Address)]
    dvc: str | None = None
    """The DVC hash of the data; None if DVC does not track it."""
    git_revision: str | None = None
    """The commit of the data's repository, followed by `-dirty` if tracked files have changed since."""


class DatasetInfo(StrictRecord):
    """The content of dataset.json. All fields except `source` and `mlflow_run_id` depend only on data and params."""

    format_version: Literal[1] = FORMAT_VERSION
    name: str
    class_names: tuple[str, ...]
    image_size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    """(height, width) in pixels."""
    resize: Literal["stretch", "crop", "pad"]
    pixel_range: PixelRange = FULL_RANGE
    """The full range if there are no 16-bit photos and the params do not set a range."""
    native_size: tuple[int, int]
    """(height, width) in pixels: the median original size of the kept photos."""
    mirror_pairs: tuple[tuple[str, str], ...] = ()
    """Pairs of classes whose mirrored photos look like photos of the other class, such as left and right arrows."""
    counts: dict[SplitName, dict[str, int]]
    """Number of photos kept, per split and class."""
    rejected: dict[str, int]
    """Number of files not kept, per reason code."""
    fingerprint: str
    """SHA-256 over the kept photos (content, label, split) and the preprocess params."""
    source: Source
    mlflow_run_id: str | None = None

    @property
    def num_kept(self) -> int:
        """Total number of photos in all splits."""
        return sum(sum(classes.values()) for classes in self.counts.values())

    @property
    def num_rejected(self) -> int:
        """Total number of rejected files."""
        return sum(self.rejected.values())

    def num_images(self, split: SplitName) -> int:
        """Number of photos in a split."""
        return sum(self.counts[split].values())


def read_info(dataset_dir: Path) -> DatasetInfo:
    """Reads dataset.json.

    Raises:
        ArtifactError: the file is missing or damaged, or has an unsupported format version.
    """
    return read_json(dataset_dir / "dataset.json", DatasetInfo, "data set")


class Split:
    """One split of a prepared data set, memory-mapped.

    Attributes:
        labels: int32 (n,).
        image_ids: n strings, the content hash of each original file.
    """

    def __init__(
        self, shards: Sequence[np.ndarray], labels: np.ndarray, image_ids: Sequence[str], maps: Sequence[mmap.mmap] = ()
    ):
        """Combines shards into a split.

        Args:
            shards: each uint8 (number of photos in the shard, height, width, 3), RGB.
            labels: int32 (n,).
            image_ids: n strings.
            maps: the memory maps that the shards are views of.
        """
        self._shards = shards
        self._file_maps = FileMaps(maps)
        self._starts = np.cumsum([0, *(len(shard) for shard in shards)]).tolist()
        self.labels = labels
        self.image_ids = image_ids

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, 3)."""
        height, width, channels = self._shards[0].shape[1:]
        return height, width, channels

    def image(self, index: int) -> np.ndarray:
        """One photo: uint8 (height, width, 3), RGB, a read-only view."""
        shard = bisect.bisect_right(self._starts, index) - 1
        pixels: np.ndarray = self._shards[shard][index - self._starts[shard]]
        return pixels

    def gather(self, indices: np.ndarray) -> np.ndarray:
        """Photos in the order of `indices`: uint8 (len(indices), height, width, 3), RGB, a copy."""
        batch = np.empty((len(indices), *self.image_shape), np.uint8)
        for row, index in enumerate(indices):
            batch[row] = self.image(int(index))
        self._file_maps.note(batch.nbytes)
        return batch

    @cached_property
    def index_of(self) -> dict[str, int]:
        """The index of each image_id in the split."""
        return {image_id: index for index, image_id in enumerate(self.image_ids)}


def open_split(dataset_dir: Path, split: SplitName) -> Split:
    """Memory-maps one split.

    Raises:
        ArtifactError: a shard is missing or damaged.
    """
    import pyarrow as pa

    info = read_info(dataset_dir)
    shape = (*info.image_size, 3)
    shards, labels, image_ids, maps = [], [], [], []
    for path in sorted(dataset_dir.glob(f"{split}-*.arrow")):
        try:
            with path.open("rb") as file:
                maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            batch = pa.ipc.open_file(pa.py_buffer(maps[-1])).get_batch(0)
            pixels = np.frombuffer(batch.column("pixels").buffers()[1], np.uint8)[: batch.num_rows * np.prod(shape)]
            shards.append(pixels.reshape(batch.num_rows, *shape))
        except (OSError, ValueError, KeyError, pa.ArrowInvalid) as error:
            raise ArtifactError(
                f"The shard {path} is damaged: expected an Arrow file of photos with shape {shape}, but reading it "
                f"failed: {error}. Run preprocess again."
            ) from None
        labels.append(batch.column("label").to_numpy())
        image_ids += batch.column("image_id").to_pylist()
    num_images = sum(map(len, shards))
    if num_images != info.num_images(split):
        raise ArtifactError(
            f"The {split} split in {dataset_dir} must have {info.num_images(split)} photos, as listed in "
            f"dataset.json; found {num_images}. Run preprocess again."
        )
    return Split(shards, np.concatenate(labels) if labels else np.empty(0, np.int32), image_ids, maps)


def write_shard(path: Path, pixels: np.ndarray, labels: np.ndarray, image_ids: Sequence[str]) -> None:
    """Writes one shard; the same content produces the same bytes.

    Args:
        path: must end in .arrow.
        pixels: uint8 (n, height, width, 3), RGB.
        labels: int32 (n,).
        image_ids: n strings.
    """
    import pyarrow as pa

    row_bytes = int(np.prod(pixels.shape[1:]))
    column = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(row_bytes), len(pixels), [None, pa.py_buffer(np.ascontiguousarray(pixels))]
    )
    batch = pa.record_batch(
        [column, pa.array(labels, pa.int32()), pa.array(image_ids, pa.string())], names=["pixels", "label", "image_id"]
    )
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def num_shards(num_images: int, image_size: tuple[int, int]) -> int:
    """Number of shards of a split: a power of two, so that it seldom changes as a data set grows."""
    num_full_shards = num_images * image_size[0] * image_size[1] * 3 / SHARD_BYTES
    return int(1 << max(0, int(np.ceil(np.log2(max(num_full_shards, 1))))))


def shard_of(image_id: str, shards: int) -> int:
    """The index of a photo's shard; for a given number of shards, it depends only on the photo's content."""
    return int.from_bytes(hashlib.blake2b(image_id.encode(), digest_size=8).digest(), "big") % shards
