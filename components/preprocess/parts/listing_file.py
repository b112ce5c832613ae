"""The list of the photos as a file: made once, so that all tasks of a run divide and read the same files.

A Parquet file with a row for each file and each record that is rejected by its place or kind. Files are named below the
data's folder, because an archive is unpacked somewhere else by each task.
"""

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from components.contract.errors import ArtifactError
from components.preprocess.manifest import Record, record_table
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.photo_set import PhotoFile, PhotoSet
from components.preprocess.store.cache_index import identity

FILE_NAME: Final = "listing.parquet"
STATE_COLUMNS: Final = ("location", "state_bytes", "state_mtime_ns")
RECORD_COLUMNS: Final = tuple(field.name for field in fields(Record))


@dataclass(frozen=True, slots=True)
class FileState:
    """By what a file's version is known from one task to another.

    Attributes:
        num_bytes: its size; None if the file could not be looked at.
        mtime_ns: None if it is unreliable: the file was unpacked for one task, or has changed just now.
    """

    num_bytes: int | None
    mtime_ns: int | None

    def is_of(self, file_identity: str | None) -> bool:
        """Whether the identity of a file that was read is that of this state."""
        prefix = f"{self.num_bytes}-{self.mtime_ns}-"
        return self.mtime_ns is not None and file_identity is not None and file_identity.startswith(prefix)


@dataclass(frozen=True)
class Listing:
    """The photos of a data set, and the state of each file when they were listed."""

    photo_set: PhotoSet
    states: tuple[FileState, ...]


def write_listing(folder: Path, photo_set: PhotoSet, data_folder: DataFolder, *, is_lasting: bool) -> None:
    """Writes the list.

    Args:
        folder: gets listing.parquet.
        photo_set: all that the data hold.
        data_folder: where they are.
        is_lasting: whether other tasks find the same files there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = os.fsencode(data_folder.path)
    states = [_state_of(file.location, is_lasting=is_lasting) for file in photo_set.files]
    records = [*(file.record for file in photo_set.files), *photo_set.rejected]
    no_states = [None] * len(photo_set.rejected)
    state_columns = (
        pa.array([*(_below(root, file.location) for file in photo_set.files), *no_states], pa.binary()),
        pa.array([*(state.num_bytes for state in states), *no_states], pa.int64()),
        pa.array([*(state.mtime_ns for state in states), *no_states], pa.int64()),
    )
    table = record_table(records)
    for name, column in zip(STATE_COLUMNS, state_columns, strict=True):
        table = table.append_column(name, column)
    facts = {
        "class_names": photo_set.class_names,
        "given_splits": sorted(photo_set.given_splits),
        "notices": photo_set.notices,
    }
    table = table.replace_schema_metadata({"darkroom": json.dumps(facts)})
    with (folder / FILE_NAME).open("wb") as file:  # Arrow takes no path that is not UTF-8
        pq.write_table(table, file, compression="zstd")


def read_listing(folder: Path, data_folder: DataFolder) -> Listing:
    """The list, with the files where this task has them.

    Raises:
        ArtifactError: it is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with (folder / FILE_NAME).open("rb") as file:
            table = pq.read_table(file)
        facts = json.loads(table.schema.metadata[b"darkroom"])
        rows = [table[name].to_pylist() for name in (*STATE_COLUMNS, *RECORD_COLUMNS)]
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise ArtifactError(
            f"The list of the photos must be readable at {folder / FILE_NAME}; it is not: {error}. Run it again."
        ) from None
    root = os.fsencode(data_folder.path)
    files, states, rejected = [], [], []
    for location, num_bytes, mtime_ns, *values in zip(*rows, strict=True):
        record = Record(**dict(zip(RECORD_COLUMNS, values, strict=True)))
        if location is None:
            rejected.append(record)
        else:
            place = Path(os.fsdecode(os.path.join(root, location)))  # noqa: PTH118 - of bytes
            files.append(PhotoFile(place, record, data_folder.roots))
            states.append(FileState(num_bytes, mtime_ns))
    photo_set = PhotoSet(
        tuple(files),
        tuple(rejected),
        tuple(facts["class_names"]),
        frozenset(facts["given_splits"]),
        tuple(facts["notices"]),
    )
    return Listing(photo_set, tuple(states))


def _below(root: bytes, location: Path) -> bytes:
    """The path below the root; of files that a table names elsewhere, the whole path."""
    path = os.fsencode(location)
    return path[len(root) + 1 :] if path.startswith(root + b"/") else path


def _state_of(location: Path, *, is_lasting: bool) -> FileState:
    try:
        status = os.stat(location)  # noqa: PTH116 - Path costs
    except OSError:
        return FileState(None, None)
    return FileState(status.st_size, status.st_mtime_ns if is_lasting and identity(status) is not None else None)
