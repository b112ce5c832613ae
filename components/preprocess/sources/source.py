"""Finds the photos, wherever they are.

A folder of class folders, or of train/validation/test folders of them; a CSV or Parquet table of paths and labels;
CIFAR or IDX files; a zip or tar archive of any of these; an address of any of these. Nothing that is found is left out:
a file that lies elsewhere is listed as rejected, by name and with a reason.
"""

import contextlib
import re
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from components.contract.errors import DataError
from components.contract.foreign import archive
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.listing import is_hidden, list_folder
from components.preprocess.sources.location import locate
from components.preprocess.sources.photo_set import PhotoSet
from components.preprocess.sources.readers import binary, class_folders, label_files
from components.preprocess.sources.remote.addresses import is_remote


class Reader(Protocol):
    """A module of `readers`, which reads one layout of data."""

    def reads(self, data_folder: DataFolder) -> bool:
        """Whether the data have this layout."""

    def find_photos(self, data_folder: DataFolder) -> PhotoSet:
        """All files of the data, with what the layout says of them."""


READERS: Final[tuple[Reader, ...]] = (label_files, class_folders)
"""The first that reads the data is the one that counts."""


def find_photos(data_folder: DataFolder) -> PhotoSet:
    """All files of the data, with the class, the split and the group that their folders or their table give them.

    Raises:
        DataError: the data cannot be read, or are neither class folders nor described by a table.
    """
    reader = next(reader for reader in READERS if reader.reads(data_folder))
    return reader.find_photos(data_folder)


@contextlib.contextmanager
def open_data(data: str, scratch_dir: Path, *, zip_encoding: str | None = None) -> Iterator[DataFolder]:
    """The data as a folder: themselves, or what is fetched, unpacked or converted for the time of the block.

    Args:
        data: the path or the address that the user gave.
        scratch_dir: where a folder for that time can be made.
        zip_encoding: of names in a zip that have no mark; None: it is found out.

    Raises:
        DataError: there is nothing, or something of another kind, or it is out of reach.
        ArchiveError: the archive cannot be unpacked.
    """
    path = locate(data)
    with tempfile.TemporaryDirectory(dir=scratch_dir) as scratch:
        if path.is_dir():
            yield _convert_binary(data_folder_at(path, data), Path(scratch))
        elif label_files.is_label_file(path):
            yield data_folder_at(path, data)
        else:
            yield _unpack(path, Path(scratch), zip_encoding)


def data_folder_at(path: Path, data: str) -> DataFolder:
    """A folder as it is, or that of a label file; one that was fetched holds all that may be read of it.

    Args:
        path: of the folder or the label file.
        data: the path or the address that the user gave.
    """
    folder, label_file = (path.parent, path) if path.is_file() else (path, None)
    if is_remote(data):
        return DataFolder(folder, label_file=label_file, confined=label_file is not None, roots=(folder,))
    return DataFolder(folder, label_file=label_file)


def _unpack(path: Path, scratch: Path, zip_encoding: str | None) -> DataFolder:
    """An archive as a folder: of its pictures, or of its photos and the label file that describes them."""
    folder, skipped, notices = scratch / "unpacked", set[str](), list[str]()
    archive.extract(path, folder, skipped, zip_encoding=zip_encoding, notices=notices)
    data_folder = DataFolder(
        folder,
        unwrap=True,
        roots=(folder,),
        skipped=tuple(sorted(skipped)),
        name=archive.stem(path.name),
        notices=tuple(notices),
    )
    converted = _convert_binary(data_folder, scratch)
    return converted if converted.path != folder else _add_label_file(converted)


def _convert_binary(data_folder: DataFolder, scratch: Path) -> DataFolder:
    """CIFAR and IDX files as class folders; all else as it is."""
    names = ["/".join(file.parts) for file in list_folder(data_folder.path, data_folder.roots).files]
    binary.refuse_pickles(names)
    if not binary.is_binary(names):
        return data_folder
    pictures_dir = scratch / "pictures"
    binary.unpack(data_folder.path, pictures_dir)
    return DataFolder(pictures_dir, roots=(pictures_dir,), skipped=data_folder.skipped)


def _add_label_file(data_folder: DataFolder) -> DataFolder:
    """An archive whose only label file stands beside its folders is described by it."""
    folder = data_folder.path
    while len(entries := [path for path in folder.iterdir() if not is_hidden(path.name)]) == 1 and entries[0].is_dir():
        folder = entries[0]
    paths = [path for path in entries if path.is_file() and label_files.is_label_file(path)]
    if len(paths) != 1:
        return data_folder
    try:
        label_files.read_label_rows(paths[0])
    except DataError:  # a table of something else
        return data_folder
    return replace(data_folder, path=folder, unwrap=False, label_file=paths[0], confined=True)


def name_of(data: str) -> str:
    """What the data are called: the name of the folder, archive or table, reduced to `[a-z0-9_-]`.

    `/photos/My Clothes.tar.gz` gives `my-clothes`; GitHub's archive of a branch is called as its repository.
    """
    if is_remote(data):
        repository = re.match(r"https?://[^/]+/[^/]+/([^/]+)/(?:archive|zipball|tarball)/", data)
        name = repository[1] if repository else re.split(r"[?#]", data)[0].rstrip("/:").rsplit("/", 1)[-1]
        name = name.rsplit(":", 1)[-1]
    else:
        name = Path(data).resolve().name
    suffix = next((suffix for suffix in label_files.SUFFIXES if name.lower().endswith(suffix)), "")
    plain = unicodedata.normalize("NFKD", archive.stem(name.removesuffix(suffix) if suffix else name))
    ascii_only = plain.encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9_-]+", "-", ascii_only.lower()).strip("-_")[:63].rstrip("-_") or "photos"
