"""The manifest: one record for every file in the data, kept or rejected."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from components.contract.artifacts.dataset import SplitName
from components.contract.text import printable

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Record:
    """A file, or a folder that is not read: kept if `reason` is None, otherwise rejected.

    Attributes:
        path: the path relative to the data, with forward slashes; bytes that are not UTF-8 are escaped.
        reason: why it was rejected, in one word.
        message: why it was rejected, in a sentence.
        native_height, native_width: the size of the photo in pixels, after its orientation is applied.
        mode, format: Pillow's names for the mode and the format of the file.
        brightness, sharpness, chroma, pixel_hash: see components/preprocess/image_statistics.py.
        perceptual_hash: 16 hexadecimal digits, see components/preprocess/audit/perceptual_hash.py.
        group: the group of the photo, if it has one; Darkroom puts all photos of a group into the same split.
        split_key: a key that is the same for copies, near-duplicates and photos of one group, even if they were
            rejected as copies; None if no other file has the same key.
    """

    path: str
    class_name: str | None = None
    split: SplitName | None = None
    reason: str | None = None
    message: str | None = None
    sha256: str | None = None
    num_bytes: int | None = None
    native_height: int | None = None
    native_width: int | None = None
    mode: str | None = None
    format: str | None = None
    brightness: float | None = None
    sharpness: float | None = None
    chroma: float | None = None
    pixel_hash: str | None = None
    perceptual_hash: str | None = None
    group: str | None = None
    split_key: str | None = None

    @property
    def is_kept(self) -> bool:
        """Whether the file is part of the data set."""
        return self.reason is None

    @property
    def image_id(self) -> str:
        """The id of the photo: the first half of the SHA-256 of its content."""
        assert self.sha256 is not None, "only a file that was read has an id"
        return self.sha256[:32]

    @property
    def own_key(self) -> str:
        """The split key of a photo without copies: its group if it has one, otherwise its image_id.

        Keys that are groups begin with a zero byte, so that they sort before ids.
        """
        return self.image_id if self.group is None else f"\0{self.group}"


def write_manifest(path: Path, records: Iterable[Record]) -> None:
    """Writes a Parquet file with one row per record, sorted by path."""
    import pyarrow.parquet as pq

    with path.open("wb") as file:  # Arrow only accepts paths in UTF-8
        pq.write_table(record_table(sorted(records, key=lambda record: record.path)), file, compression="zstd")


def record_table(records: Sequence[Record]) -> "pa.Table":
    """A table with one row per record and one column per field."""
    import pyarrow as pa

    kinds = {
        "num_bytes": pa.int64(),
        "native_height": pa.int32(),
        "native_width": pa.int32(),
        "brightness": pa.float32(),
        "sharpness": pa.float32(),
        "chroma": pa.float32(),
    }
    schema = pa.schema([(field.name, kinds.get(field.name, pa.string())) for field in fields(Record)])
    columns = [pa.array([getattr(record, field.name) for record in records], field.type) for field in schema]
    return pa.table(columns, schema=schema)


def read_manifest(path: Path) -> list[Record]:
    """Reads the records that `write_manifest` wrote, in the same order."""
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        return [Record(**row) for row in pq.read_table(file).to_pylist()]


def count_reasons(records: Iterable[Record]) -> dict[str, int]:
    """The number of rejected files, by reason."""
    return dict(sorted(Counter(record.reason for record in records if record.reason is not None).items()))


def summarize_rejected(records: Sequence[Record], num_names: int = 3) -> list[str]:
    """A line per reason, the most frequent first: `12 × truncated: cats/a.jpg, cats/b.jpg, cats/c.jpg, …`."""
    lines = []
    for reason, count in sorted(count_reasons(records).items(), key=lambda item: -item[1]):
        names = [record.path for record in records if record.reason == reason]
        examples = ", ".join(printable(name) for name in names[:num_names]) + (", …" if count > num_names else "")
        lines.append(f"{count:,} × {reason}: {examples}")
    return lines
