"""Finds the photos, wherever they are.

A folder of class folders, or of train/validation/test folders of them; a CSV or Parquet table of paths and labels;
CIFAR or IDX files; a zip or tar archive of any of these; an address of any of these. Nothing that is found is left out:
a file that lies elsewhere is listed as rejected, by name and with a reason.
"""

import contextlib
import itertools
import json
import re
import statistics
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DataError, ImageError
from components.contract.foreign import archive
from components.contract.foreign.confinement import (
    Roots,
    UnsafeNameError,
    allowed_roots,
    checked_name,
    lies_within,
    open_within,
)
from components.contract.image.decode import read_size
from components.contract.text import printable
from components.preprocess.manifest import Record
from components.preprocess.sources import remote
from components.preprocess.sources.listing import Listing, as_text, is_hidden, list_folder
from components.preprocess.sources.readers import binary
from components.preprocess.sources.readers.layout import Layout, find_layout
from components.preprocess.sources.readers.table import SUFFIXES as TABLE_SUFFIXES
from components.preprocess.sources.readers.table import Row, is_table, read_rows
from components.preprocess.sources.remote import is_remote

PROBED_PHOTOS: Final = 200
PROBED_CHUNKS: Final = 64
"""Of a file in an archive, 16 MiB: a photo's header is at its beginning."""
SKIPPED_NOTE: Final = ".darkroom-skipped.json"
"""In a folder that an archive was unpacked into: the names of what was not."""
MAX_NOTE_BYTES: Final = 4 * 2**20


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
        roots: the folders that it must lie in when it is opened.
    """

    location: Path
    record: Record
    roots: Roots = None

    def open(self) -> BinaryIO:
        """Opens it for reading.

        Raises:
            OSError: it cannot be read, is no regular file, or lies outside its roots.
        """
        return open_within(self.roots, self.location)


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


@dataclass(frozen=True)
class Opened:
    """The data as a folder.

    Attributes:
        folder: where the photos are.
        unwrap: whether a single folder around all others, as archives have it, is stepped into.
        table: which says what is where, None where the folders' names do.
        confined: whether the table may name files in the folder only.
        roots: the folders that files may be read from.
        skipped: what an archive holds and was not unpacked, by name.
    """

    folder: Path
    unwrap: bool = False
    table: Path | None = None
    confined: bool = False
    roots: Roots = field(default_factory=allowed_roots)
    skipped: tuple[str, ...] = ()


def probe(data: str) -> Probe:
    """A quick look at the data: their name, and the median size of some photos by their headers.

    Raises:
        DataError: there are no class folders, or none of the photos looked at can be read.
    """
    path = _located(data)
    sizes = list(
        _sizes_in_archive(path) if path.is_file() and archive.is_archive(path) else _sizes_in_folder(path, data)
    )
    if not sizes:
        raise DataError(
            f"The data must hold photos; none of those looked at in {path} can be read. "
            "See what they are, for instance with the program `file`."
        )
    height, width = (round(statistics.median(sides)) for sides in zip(*sizes, strict=True))
    return Probe(name_of(data), (height, width))


def name_of(data: str) -> str:
    """What the data are called: the name of the folder, archive or table, reduced to `[a-z0-9_-]`.

    `/photos/My Clothes.tar.gz` gives `my-clothes`; GitHub's archive of a branch is called as its repository.
    """
    if is_remote(data):
        of_repository = re.match(r"https?://[^/]+/[^/]+/([^/]+)/(?:archive|zipball|tarball)/", data)
        name = of_repository[1] if of_repository else re.split(r"[?#]", data)[0].rstrip("/:").rsplit("/", 1)[-1]
        name = name.rsplit(":", 1)[-1]
    else:
        name = Path(data).resolve().name
    suffix = next((suffix for suffix in TABLE_SUFFIXES if name.lower().endswith(suffix)), "")
    plain = unicodedata.normalize("NFKD", archive.stem(name.removesuffix(suffix) if suffix else name))
    ascii_only = plain.encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9_-]+", "-", ascii_only.lower()).strip("-_")[:63].rstrip("-_") or "photos"


@contextlib.contextmanager
def opened(data: str, scratch_dir: Path) -> Iterator[Opened]:
    """The data as a folder: themselves, or what is fetched, unpacked or converted for the time of the block.

    Raises:
        DataError: there is nothing, or something of another kind, or it is out of reach.
        ArchiveError: the archive cannot be unpacked.
    """
    path = _located(data)
    with tempfile.TemporaryDirectory(dir=scratch_dir) as scratch:
        if path.is_dir():
            yield _converted(_folder_of(path, data), Path(scratch))
        elif is_table(path):
            yield replace(_folder_of(path.parent, data), table=path, confined=is_remote(data))
        else:
            unpacked, skipped = Path(scratch) / "unpacked", set[str]()
            archive.extract(path, unpacked, skipped)
            source = Opened(unpacked, unwrap=True, roots=(unpacked,), skipped=tuple(sorted(skipped)))
            inner = _converted(source, Path(scratch))
            yield inner if inner.folder != unpacked else _with_table(inner)


def _folder_of(folder: Path, data: str) -> Opened:
    """A folder as it is; one that was fetched holds all that may be read of it."""
    return Opened(folder, roots=(folder,)) if is_remote(data) else Opened(folder)


def _converted(source: Opened, scratch: Path) -> Opened:
    """CIFAR and IDX files as class folders; all else as it is."""
    names = ["/".join(file.parts) for file in list_folder(source.folder, source.roots).files]
    binary.refuse_pickles(names)
    if not binary.is_binary(names):
        return source
    binary.unpack(source.folder, scratch / "pictures")
    return Opened(scratch / "pictures", roots=(scratch / "pictures",), skipped=source.skipped)


def _with_table(source: Opened) -> Opened:
    """An archive whose only table stands beside its folders is described by it."""
    folder = source.folder
    while len(entries := [path for path in folder.iterdir() if not is_hidden(path.name)]) == 1 and entries[0].is_dir():
        folder = entries[0]
    tables = [path for path in entries if path.is_file() and is_table(path)]
    if len(tables) != 1:
        return source
    try:
        read_rows(tables[0])
    except DataError:  # a table of something else
        return source
    return replace(source, folder=folder, unwrap=False, table=tables[0], confined=True)


def find_photos(source: Opened) -> Found:
    """All files of the data, with the class, the split and the group that their folders or their table give them.

    Raises:
        DataError: the data cannot be read, or are neither class folders nor described by a table.
    """
    if source.table is not None:
        return _find_by_table(source.table, source)
    try:
        listing = list_folder(source.folder, source.roots)
    except OSError as error:
        raise DataError(f"The data must be readable; {source.folder} is not: {error.strerror}.") from None
    layout = find_layout(listing.folders, unwrap=source.unwrap)
    _require_classes(layout, listing, source.folder)
    files, rejected = [], [*listing.rejected, *_skipped(source)]
    for file in listing.files:
        class_name, split = layout.place(file.parts) or (None, None)
        record = Record("/".join(file.parts), class_name, split, num_bytes=file.num_bytes)
        if class_name is not None:
            files.append(FoundFile(file.path, record, source.roots))
        else:
            rejected.append(
                replace(
                    record, reason="outside_class_folder", message="It lies in no class folder, so it has no label."
                )
            )
    return Found(tuple(files), tuple(rejected), layout.class_names, frozenset(layout.splits.values()))


def _find_by_table(table: Path, source: Opened) -> Found:
    """One file per row; a row that says again what an earlier one said counts once."""
    files, rejected = [], _skipped(source)
    for row in dict.fromkeys(read_rows(table)):
        record = Record(as_text(row.path or ""), row.label, row.split, group=row.group)
        fault = _fault(row, source)
        if fault is None:
            files.append(FoundFile(source.folder / str(row.path), record, source.roots))
        else:
            rejected.append(replace(record, reason=fault[0], message=fault[1]))
    files.sort(key=lambda file: file.record.path)
    class_names = sorted({str(file.record.class_name) for file in files})
    if len(class_names) < 2:
        found = f"one, '{printable(class_names[0])}'" if class_names else "none"
        raise DataError(f"There must be at least two classes; the table {table} names {found}.")
    return Found(
        tuple(files),
        tuple(rejected),
        tuple(class_names),
        frozenset(file.record.split for file in files if file.record.split is not None),
    )


def _fault(row: Row, source: Opened) -> tuple[str, str] | None:
    """Why a row of a table names no photo to be read, as (reason, message)."""
    if row.path is None:
        return "no_path", "The row of the table names no file."
    if row.label is None:
        return "no_label", "The row of the table gives no label."
    if "\0" in row.path:
        return "unreadable", "The name of a file holds no zero byte; this one does."
    if source.confined:
        try:
            checked_name(row.path)
        except UnsafeNameError as reason:
            return (
                "outside_data",
                f"The table of an archive or an address may name files beside it only; this {reason}.",
            )
    return None


def _skipped(source: Opened) -> list[Record]:
    """What an archive brought for git, DVC and other tools: now, or when it was unpacked into this folder."""
    names = list(source.skipped)
    with contextlib.suppress(OSError, ValueError), open_within((source.folder,), source.folder / SKIPPED_NOTE) as note:
        names += [str(name) for name in json.loads(note.read(MAX_NOTE_BYTES))]
    return [
        Record(as_text(name), reason="hidden", message="Files of git, DVC and other tools are not unpacked.")
        for name in names
    ]


def _require_classes(layout: Layout, listing: Listing, data_dir: Path) -> None:
    where = "/".join([str(data_dir), *layout.prefix])
    if not layout.class_names:
        found = f"{len(listing.files):,} files and no such folder" if listing.files else "nothing in it"
        raise DataError(
            f"The data must be folders of photos, one per class; {where} has {found}. "
            "Put the photos of each class into a folder named for it, or give a table of paths and "
            "labels."
        )
    if len(layout.class_names) == 1:
        name = layout.class_names[0]
        raise DataError(
            f"There must be at least two classes; {where} has one class folder only, "
            f"'{printable(name)}'. If the classes stand inside it, give that folder."
        )


def _located(data: str) -> Path:
    """The path of the data, which are fetched first where they have an address."""
    if is_remote(data):
        path = remote.fetch(data, _files_of_table if is_table(Path(re.split(r"[?#]", data)[0])) else None)
        if path.is_file() and not (archive.is_archive(path) or is_table(path)):
            raise DataError(f"The data must be a folder, an archive or a table; {data} is a file of another kind.")
        return path
    path = Path(data)
    roots = allowed_roots()
    if roots is not None and not lies_within(path, roots):
        raise DataError(f"The data must lie in {', '.join(map(str, roots))}; {path} lies elsewhere.")
    try:
        if path.is_dir() or (path.is_file() and (archive.is_archive(path) or is_table(path))):
            return path
        found = "a file of another kind" if path.exists() else "nothing"
    except OSError as error:
        found = f"something that cannot be read ({error.strerror})"
    raise DataError(
        f"The data must be a folder of class folders, an archive of one or a table of photos, whose name "
        f"ends in {', '.join((*archive.SUFFIXES, *TABLE_SUFFIXES))}; there is {found} at {path}."
    )


def _files_of_table(table: Path) -> list[str]:
    source = Opened(table.parent, table=table, confined=True, roots=(table.parent,))
    return sorted({str(row.path) for row in read_rows(table) if _fault(row, source) is None})


def _sizes_in_folder(path: Path, data: str) -> Iterator[tuple[int, int]]:
    """Of a folder, or of what a table names."""
    if path.is_file():
        files = find_photos(replace(_folder_of(path.parent, data), table=path, confined=is_remote(data))).files
    else:
        listed = list_folder(path, _folder_of(path, data).roots).files
        binary.refuse_pickles([file.parts[-1] for file in listed])
        if binary.is_binary([file.parts[-1] for file in listed]):
            yield from _sizes_in_binary((file.parts[-1], file.path) for file in listed)
            return
        files = find_photos(_folder_of(path, data)).files
    for found in files[:: max(1, len(files) // PROBED_PHOTOS)]:
        with contextlib.suppress(ImageError, OSError), found.open() as file:
            yield read_size(file)


def _sizes_in_binary(files: Iterable[tuple[str, Path]]) -> Iterator[tuple[int, int]]:
    for name, path in files:
        with open_within(allowed_roots(), path) as file:
            size = binary.native_size(name, file.read(4096))
        if size is not None:
            yield size


def _sizes_in_archive(path: Path) -> Iterator[tuple[int, int]]:
    """Of the first photos that can be read: more would mean to unpack a tar.gz to its end."""
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
