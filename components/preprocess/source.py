"""Finds the photos: in a folder of class folders, in train/validation/test folders of them, or in an archive of either.

Nothing that is found is left out: a file that lies elsewhere is listed as rejected, by name and with a reason.
"""

import contextlib
import re
import statistics
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from components.contract import archive
from components.contract.dataset import SplitName
from components.contract.errors import DataError, ImageError
from components.contract.image import read_size
from components.preprocess.layout import Layout, find_layout
from components.preprocess.listing import Listing, is_hidden, list_folder
from components.preprocess.manifest import Record, printable

PROBED_PHOTOS: Final = 200


@dataclass(frozen=True)
class Probe:
    """What a quick look at the data says, for `auto` values.

    Attributes:
        name: what the data are called: lower case letters, digits, `_` and `-`.
        native_size: (height, width), the medians over some photos, in pixels.
    """

    name: str
    native_size: tuple[int, int]


@dataclass(frozen=True)
class FoundFile:
    """A file that should be a photo.

    Attributes:
        location: where it can be read.
        record: what its place says of it.
    """

    location: Path
    record: Record


@dataclass(frozen=True)
class Found:
    """All that the data hold.

    Attributes:
        files: what should be photos, ordered by path.
        rejected: what is none by its place or kind.
        class_names: the class folders' names, ordered.
        given_splits: the splits that the data have folders for.
    """

    files: tuple[FoundFile, ...]
    rejected: tuple[Record, ...]
    class_names: tuple[str, ...]
    given_splits: frozenset[SplitName]


def probe(data: str) -> Probe:
    """A quick look at the data: their name, and the median size of some photos by their headers.

    Raises:
        DataError: there are no class folders, or none of the photos looked at can be read.
    """
    path = _existing(data)
    sizes = list(_sizes_in_archive(path) if path.is_file() else _sizes_in_folder(path))
    if not sizes:
        raise DataError(f"The data must hold photos; none of those looked at in {path} can be read. "
                        "See what they are, for instance with the program `file`.")  # fmt: skip
    height, width = (round(statistics.median(sides)) for sides in zip(*sizes, strict=True))
    return Probe(name_of(data), (height, width))


def name_of(data: str) -> str:
    """What the data are called: the name of the folder or archive, reduced to `[a-z0-9_-]`.

    `/photos/My Clothes.tar.gz` gives `my-clothes`.
    """
    plain = unicodedata.normalize("NFKD", archive.stem(Path(data).resolve().name)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9_-]+", "-", plain.lower()).strip("-_")[:63].rstrip("-_") or "photos"


@contextlib.contextmanager
def opened(data: str, scratch_dir: Path) -> Iterator[Path]:
    """The data as a folder: itself, or what an archive unpacks to for the time of the block.

    Raises:
        DataError: there is nothing, or something other than a folder or an archive.
        ArchiveError: the archive cannot be unpacked.
    """
    path = _existing(data)
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(dir=scratch_dir) as folder:
        unpacked = Path(folder) / "unpacked"
        archive.extract(path, unpacked)
        yield unpacked


def find_photos(data_dir: Path, *, unwrap: bool = False) -> Found:
    """All files of the data, with the class and the split that their folders give them.

    Args:
        data_dir: class folders, or train/validation/test folders of class folders.
        unwrap: whether a single folder around them, as archives have it, is stepped into.

    Raises:
        DataError: it cannot be read, or its folders are no such layout.
    """
    try:
        listing = list_folder(data_dir)
    except OSError as error:
        raise DataError(f"The data must be readable; {data_dir} is not: {error.strerror}.") from None
    layout = find_layout(listing.folders, unwrap=unwrap)
    _require_classes(layout, listing, data_dir)
    files, rejected = [], [*listing.rejected]
    for file in listing.files:
        class_name, split = layout.place(file.parts) or (None, None)
        record = Record("/".join(file.parts), class_name, split, num_bytes=file.num_bytes)
        if class_name is not None:
            files.append(FoundFile(file.path, record))
        else:
            rejected.append(replace(record, reason="outside_class_folder", message="It lies in no class folder, so it "
                                                                                   "has no label."))  # fmt: skip
    return Found(tuple(files), tuple(rejected), layout.class_names, frozenset(layout.splits.values()))


def _require_classes(layout: Layout, listing: Listing, data_dir: Path) -> None:
    where = "/".join([str(data_dir), *layout.prefix])
    if not layout.class_names:
        found = f"{len(listing.files):,} files and no such folder" if listing.files else "nothing in it"
        raise DataError(f"The data must be folders of photos, one per class; {where} has {found}. "
                        "Put the photos of each class into a folder named for it.")  # fmt: skip
    if len(layout.class_names) == 1:
        name = layout.class_names[0]
        raise DataError(f"There must be at least two classes; {where} has one class folder only, "
                        f"{printable(name)!r}. If the classes stand inside it, give that folder.")  # fmt: skip


def _existing(data: str) -> Path:
    path = Path(data)
    try:
        if path.is_dir() or (path.is_file() and archive.is_archive(path)):
            return path
        found = "a file of another kind" if path.exists() else "nothing"
    except OSError as error:
        found = f"something that cannot be read ({error.strerror})"
    raise DataError(f"The data must be a folder of class folders, or an archive of one, whose name ends in "
                    f"{', '.join(archive.SUFFIXES)}; there is {found} at {path}.")  # fmt: skip


def _sizes_in_folder(folder: Path) -> Iterator[tuple[int, int]]:
    files = find_photos(folder).files
    for found in files[:: max(1, len(files) // PROBED_PHOTOS)]:
        with contextlib.suppress(ImageError, OSError), found.location.open("rb") as file:
            yield read_size(file)


def _sizes_in_archive(path: Path) -> Iterator[tuple[int, int]]:
    """Of the first photos that can be read: more would mean to unpack a tar.gz to its end."""
    num_sizes = 0
    for member in archive.members(path):
        if member.chunks is not None and not any(map(is_hidden, member.name.split("/"))):
            content = b"".join(member.chunks())
            with contextlib.suppress(ImageError):
                yield read_size(content)
                num_sizes += 1
        if num_sizes == PROBED_PHOTOS:
            return
