"""Takes a quick look at the data to find its name and the size of its photos, which determine `auto` values."""

import contextlib
import itertools
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.contract.errors import DataError, ImageError
from components.contract.foreign import archive
from components.contract.foreign.confinement import allowed_roots, open_within
from components.contract.image.decode import read_size
from components.contract.params.data import ColumnNames
from components.preprocess.sources.listing import is_hidden
from components.preprocess.sources.location import locate
from components.preprocess.sources.photo_set import PhotoFile, describe
from components.preprocess.sources.readers import binary
from components.preprocess.sources.readers.table import is_parquet
from components.preprocess.sources.remote.remote_folder import fetch_photos, list_remote_folder
from components.preprocess.sources.source import (
    convert,
    data_folder_at,
    find_photos,
    name_of,
    open_data,
    remote_data_folder,
)

PROBED_PHOTOS: Final = 200
PROBED_CHUNKS: Final = 64
"""The number of chunks (16 MiB in total) to read from each file in an archive; a photo begins with its header."""


@dataclass(frozen=True)
class Probe:
    """The result of a quick look at the data, for `auto` values.

    Attributes:
        name: the name of the data: lowercase letters, digits, `_` and `-`.
        native_size: (height, width), the medians over some photos, in pixels.
        description: sentences that describe the data; usually empty for archives and for data that must be converted.
    """

    name: str
    native_size: tuple[int, int]
    description: tuple[str, ...] = ()


def probe(data: str, columns: ColumnNames | None = None) -> Probe:
    """Takes a quick look at the data: finds its name, and the median size of some photos from their headers.

    Args:
        data: the path or the address.
        columns: the column names that the user set for label files.

    Raises:
        DataError: the data has no classes, or none of the checked photos can be read.
    """
    remote = list_remote_folder(data)
    if remote is not None:
        photo_set = find_photos(remote_data_folder(remote, columns))
        fetch_photos(_some_of(photo_set.files))
        return _describe(data, str(remote.uri), list(_sizes_of(photo_set.files)), tuple(describe(photo_set)))
    path = locate(data, columns)
    is_archive = path.is_file() and archive.is_archive(path)
    description: list[str] = []
    read_sizes = _sizes_in_archive if is_archive else _sizes_in_folder
    sizes = list(read_sizes(path, data, columns, description))
    return _describe(data, str(path), sizes, tuple(description))


def _describe(data: str, place: str, sizes: Sequence[tuple[int, int]], description: tuple[str, ...]) -> Probe:
    if not sizes:
        raise DataError(
            f"The data must contain photos; none of the files checked in {place} can be read as a photo. Find out "
            "what they are, for example with the program `file`."
        )
    height, width = (round(statistics.median(sides)) for sides in zip(*sizes, strict=True))
    return Probe(name_of(data), (height, width), description)


def _sizes_in_folder(
    path: Path, data: str, columns: ColumnNames | None, description: list[str]
) -> Iterator[tuple[int, int]]:
    """The sizes of the photos in a folder or a label file; also adds a description of the data to `description`."""
    data_folder = data_folder_at(path, data, columns)
    if path.is_dir():
        listed_files = data_folder.listing.files
        names = [file.parts[-1] for file in listed_files]
        binary.refuse_pickles(names)
        if binary.is_binary(names):
            yield from _sizes_in_binary((file.parts[-1], file.path) for file in listed_files)
            return
    with tempfile.TemporaryDirectory(prefix="darkroom-") as scratch:
        converted = convert(data_folder, Path(scratch), max_photos=PROBED_PHOTOS)
        photo_set = find_photos(converted)
        if converted is data_folder:  # otherwise only some of the photos were converted
            description += describe(photo_set)
        yield from _sizes_of(photo_set.files)


def _sizes_of(files: Sequence[PhotoFile]) -> Iterator[tuple[int, int]]:
    for file in _some_of(files):
        with contextlib.suppress(ImageError, OSError), file.open() as stream:
            yield read_size(stream)


def _some_of(files: Sequence[PhotoFile]) -> Sequence[PhotoFile]:
    return files[:: max(1, len(files) // PROBED_PHOTOS)]


def _sizes_in_binary(files: Iterable[tuple[str, Path]]) -> Iterator[tuple[int, int]]:
    for name, path in files:
        with open_within(allowed_roots(), path) as file:
            size = binary.native_size(name, file.read(4096))
        if size is not None:
            yield size


def _sizes_in_archive(
    path: Path, data: str, columns: ColumnNames | None, description: list[str]
) -> Iterator[tuple[int, int]]:
    """The sizes of the first photos in an archive; to find later ones, a tar.gz would have to be unpacked entirely."""
    num_sizes, names = 0, []
    for member in archive.members(path):
        names.append(member.name)
        if member.chunks is not None and not any(map(is_hidden, member.name.split("/"))):
            content = b"".join(itertools.islice(member.chunks(), PROBED_CHUNKS))
            size = binary.native_size(member.name, content)
            with contextlib.suppress(ImageError):
                yield size or read_size(content)
                num_sizes += PROBED_PHOTOS if size else 1
        if num_sizes >= PROBED_PHOTOS:
            return
    binary.refuse_pickles(names)
    if not num_sizes and any(is_parquet(Path(name)) for name in names):  # the tables may contain the photos
        with (
            tempfile.TemporaryDirectory(prefix="darkroom-") as scratch,
            open_data(data, Path(scratch), columns) as opened,
        ):
            photo_set = find_photos(opened)
            description += describe(photo_set)
            yield from _sizes_of(photo_set.files)
