"""The list of the photos as a file: written once, so that all tasks of a run read parts of the same list.

It is a Parquet file with one row for each file to read, and one for each file or folder that was rejected without being
read. Each portion is a row group, so that a task only reads the rows of its portions; the last row group contains the
rejected records. Paths are relative to the folder of the data, because each task unpacks an archive to a different
folder.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from components.contract.errors import ArtifactError
from components.preprocess.manifest import Record, record_table
from components.preprocess.parts.portions import FileState, Portion, divide
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.photo_set import PhotoFile, PhotoSet, Remote
from components.preprocess.sources.remote.files import RemoteFile
from components.preprocess.sources.remote.remote_folder import RemoteFolder, RemotePhoto
from components.preprocess.store.cache_index import identity

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

FILE_NAME: Final = "listing.parquet"
STATE_COLUMNS: Final = ("state_bytes", "state_version")
PLACE_COLUMNS: Final = ("row", "location", "state_bytes", "state_version", "remote_name")


@dataclass(frozen=True)
class Listing:
    """The photos of a data set, and the portions in which they are read."""

    photo_set: PhotoSet
    portions: tuple[Portion, ...]


def write_listing(folder: Path, photo_set: PhotoSet, data_folder: DataFolder, *, is_lasting: bool) -> None:
    """Writes the list.

    Args:
        folder: the folder for listing.parquet.
        photo_set: the files.
        data_folder: the folder of the data.
        is_lasting: whether other tasks will find the same files in the data folder; False for a temporary folder.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    portions = divide([file.record.path for file in photo_set.files])
    rows = [row for portion in portions for row in portion]
    files = [photo_set.files[row] for row in rows]
    states = [_state_of(file, is_lasting=is_lasting) for file in files]
    root = os.fsencode(data_folder.path)
    columns = (
        pa.array(rows, pa.int64()),
        pa.array([_below(root, file.location) for file in files], pa.binary()),
        pa.array([state.num_bytes for state in states], pa.int64()),
        pa.array([state.version for state in states], pa.string()),
        pa.array([_remote_name(file) for file in files], pa.string()),
    )
    table = record_table([*(file.record for file in files), *photo_set.rejected])
    for name, column in zip(PLACE_COLUMNS, columns, strict=True):
        table = table.append_column(name, pa.concat_arrays([column, pa.nulls(len(photo_set.rejected), column.type)]))
    is_filled = {name: name in STATE_COLUMNS or table[name].null_count < len(table) for name in table.column_names}
    table = table.select([name for name in table.column_names if is_filled[name]])
    facts = {
        "class_names": photo_set.class_names,
        "given_splits": sorted(photo_set.given_splits),
        "notices": photo_set.notices,
        "num_portions": len(portions),
        "is_lasting": is_lasting,
        "is_remote": data_folder.remote is not None,
    }
    table = table.replace_schema_metadata({"darkroom": json.dumps(facts)})
    with (
        (folder / FILE_NAME).open("wb") as file,  # Arrow only accepts paths in UTF-8
        pq.ParquetWriter(file, table.schema, compression="zstd") as writer,
    ):
        start = 0
        for num_rows in filter(None, (*map(len, portions), len(photo_set.rejected))):
            writer.write_table(table.slice(start, num_rows), row_group_size=num_rows)
            start += num_rows


Place = Literal["folder", "server", "scratch"]
"""Where the listed files are: in the folder of the data, on a server from which each task downloads the files that it
reads, or in a folder to which each task unpacks or converts the data."""


def read_place(folder: Path) -> Place:
    """Reads where the listed files are.

    Raises:
        ArtifactError: the list is missing or damaged.
    """
    with _open(folder) as (_, facts):
        return "server" if facts["is_remote"] else "folder" if facts["is_lasting"] else "scratch"


def read_listing(folder: Path, data_folder: DataFolder) -> Listing:
    """Reads the whole list, with the paths at which this task finds the files.

    Raises:
        ArtifactError: the list is missing or damaged.
    """
    with _open(folder) as (parquet, facts):
        num_portions = int(facts["num_portions"])
        rows: list[int] = []
        portions = []
        for number in range(num_portions):
            table = parquet.read_row_group(number)
            rows += table["row"].to_pylist()
            portions.append(_portion(number, table, data_folder))
        files = [file for portion in portions for file in portion.files]
        last_groups = range(num_portions, parquet.num_row_groups)
        rejected = [record for group in last_groups for record in _records(parquet.read_row_group(group))]
        photo_set = PhotoSet(
            tuple(files[place] for place in sorted(range(len(files)), key=rows.__getitem__)),
            tuple(rejected),
            tuple(facts["class_names"]),
            frozenset(facts["given_splits"]),
            tuple(facts["notices"]),
        )
    return Listing(photo_set, tuple(portions))


def read_portions(folder: Path, data_folder: DataFolder, part: int, num_parts: int) -> Iterator[Portion]:
    """Reads the portions of one task, one by one.

    Raises:
        ArtifactError: the list is missing or damaged.
    """
    with _open(folder) as (parquet, facts):
        for number in islice(range(int(facts["num_portions"])), part, None, num_parts):
            yield _portion(number, parquet.read_row_group(number), data_folder)


@contextlib.contextmanager
def _open(folder: Path) -> Iterator[tuple["pq.ParquetFile", dict[str, Any]]]:
    """Opens the list; yields the file and its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with (folder / FILE_NAME).open("rb") as file, pq.ParquetFile(file) as parquet:
            yield parquet, json.loads(parquet.metadata.metadata[b"darkroom"])
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise ArtifactError(
            f"The list of the photos, {folder / FILE_NAME}, cannot be read: {error}. Run the step list-photos again."
        ) from None


def _portion(number: int, table: "pa.Table", data_folder: DataFolder) -> Portion:
    root = os.fsencode(data_folder.path)
    locations = [
        Path(os.fsdecode(os.path.join(root, location)))  # noqa: PTH118 - pathlib does not accept bytes
        for location in table["location"].to_pylist()
    ]
    columns = zip(table["state_bytes"].to_pylist(), table["state_version"].to_pylist(), strict=True)
    states = tuple(FileState(*values) for values in columns)
    remotes: Sequence[Remote | None] = [None] * len(states)
    if isinstance(data_folder.remote, RemoteFolder):
        names = table["remote_name"].to_pylist()
        remotes = [
            data_folder.remote.photo_at(location, RemoteFile(name, state.num_bytes, state.version))
            for location, name, state in zip(locations, names, states, strict=True)
        ]
    files = (
        PhotoFile(location, record, data_folder.roots, remote)
        for location, record, remote in zip(locations, _records(table), remotes, strict=True)
    )
    return Portion(number, tuple(files), states)


def _records(table: "pa.Table") -> list[Record]:
    names = [name for name in table.column_names if name not in PLACE_COLUMNS]
    rows: Sequence[tuple[Any, ...]] = list(zip(*(table[name].to_pylist() for name in names), strict=True))
    return [Record(**dict(zip(names, row, strict=True))) for row in rows]


def _below(root: bytes, location: Path) -> bytes:
    """The path relative to the root; the full path if a table refers to a file outside the root."""
    path = os.fsencode(location)
    return path[len(root) + 1 :] if path.startswith(root + b"/") else path


def _state_of(file: PhotoFile, *, is_lasting: bool) -> FileState:
    if isinstance(file.remote, RemotePhoto):
        return FileState(file.remote.file.size, file.remote.file.tag)
    try:
        status = os.stat(file.location)  # noqa: PTH116 - Path is slower
    except OSError:
        return FileState(None, None)
    is_reliable = is_lasting and identity(status) is not None
    return FileState(status.st_size, str(status.st_mtime_ns) if is_reliable else None)


def _remote_name(file: PhotoFile) -> str | None:
    return file.remote.file.name if isinstance(file.remote, RemotePhoto) else None
