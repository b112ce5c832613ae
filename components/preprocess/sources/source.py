"""Finds the photos in any supported source.

Sources are a folder of class folders, or of train/validation/test folders that contain them; a label file, or a folder
with label files; CIFAR or IDX files; Parquet tables that contain photos; a zip or tar archive of any of these; and the
address of any of these. Every file is listed: files that are not used are rejected, with a reason.
"""

import contextlib
import re
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from components.contract.errors import DataError
from components.contract.foreign import archive
from components.contract.params.data import ColumnNames
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.file_index import names_photo
from components.preprocess.sources.label_discovery import find_labeled_photos
from components.preprocess.sources.label_places import find_split
from components.preprocess.sources.location import locate
from components.preprocess.sources.photo_set import PhotoSet
from components.preprocess.sources.readers import binary, class_folders, label_files
from components.preprocess.sources.readers.parquet_photos import LABELS_FILE, unpack_photos
from components.preprocess.sources.readers.table import is_parquet
from components.preprocess.sources.remote.addresses import is_remote
from components.preprocess.sources.remote.remote_folder import RemoteFolder, list_remote_folder


def find_photos(data_folder: DataFolder) -> PhotoSet:
    """Finds all files of the data, with their class, split and group according to folders or label files.

    Raises:
        DataError: the data cannot be read, or has neither class folders nor a label file.
    """
    photo_set = _find_photos(data_folder)
    remote = data_folder.remote
    if not isinstance(remote, RemoteFolder):
        return photo_set
    files = (replace(file, remote=remote.photo_at(file.location)) for file in photo_set.files)
    return replace(photo_set, files=tuple(files))


def _find_photos(data_folder: DataFolder) -> PhotoSet:
    if data_folder.label_file is not None:
        return label_files.find_photos(data_folder)
    labeled = find_labeled_photos(data_folder)
    if labeled.photo_set is not None:
        return labeled.photo_set
    try:
        photo_set = class_folders.find_photos(data_folder, labeled.split_places)
    except DataError as error:  # the cause may be a label file that could not be used
        raise DataError(" ".join((str(error), *labeled.notices, *labeled.reasons))) from None
    return replace(photo_set, notices=(*labeled.notices, *photo_set.notices))


@contextlib.contextmanager
def open_data(
    data: str, scratch_dir: Path, columns: ColumnNames | None = None, *, zip_encoding: str | None = None
) -> Iterator[DataFolder]:
    """Provides the folder of the data within the block; the data is downloaded, unpacked or converted if necessary.

    Args:
        data: the path or the address.
        scratch_dir: the folder in which temporary folders are created.
        columns: the column names that the user set for label files.
        zip_encoding: the encoding of names in a zip file that are not marked as Unicode; None to detect it.

    Raises:
        DataError: the data does not exist, is of an unsupported kind, or cannot be reached.
        ArchiveError: the archive cannot be unpacked.
    """
    remote = list_remote_folder(data)
    if remote is not None:
        yield remote_data_folder(remote, columns)
        return
    path = locate(data, columns)
    with tempfile.TemporaryDirectory(dir=scratch_dir) as scratch:
        if path.is_dir() or label_files.is_label_file(path):
            data_folder = data_folder_at(path, data, columns)
        else:
            data_folder = _unpack(path, Path(scratch), columns, zip_encoding)
        yield convert(data_folder, Path(scratch))


def remote_data_folder(remote: RemoteFolder, columns: ColumnNames | None = None) -> DataFolder:
    """A folder on a server, whose photos are downloaded when they are needed."""
    return DataFolder(remote.path, roots=(remote.path,), columns=columns or ColumnNames(), remote=remote)


def data_folder_at(path: Path, data: str, columns: ColumnNames | None = None) -> DataFolder:
    """The folder of the data, or of a label file. If it was downloaded, files outside the folder must not be read.

    Args:
        path: the path of the folder or the label file.
        data: the path or address that the user passed.
        columns: the column names that the user set for label files.
    """
    folder, label_file = (path.parent, path) if path.is_file() else (path, None)
    data_folder = DataFolder(folder, label_file=label_file, columns=columns or ColumnNames())
    if is_remote(data):
        return replace(data_folder, confined=label_file is not None, roots=(folder,))
    return data_folder


def _unpack(path: Path, scratch: Path, columns: ColumnNames | None, zip_encoding: str | None) -> DataFolder:
    """Unpacks an archive to a folder."""
    folder, skipped, notices = scratch / "unpacked", set[str](), list[str]()
    archive.extract(path, folder, skipped, zip_encoding=zip_encoding, notices=notices)
    return DataFolder(
        folder,
        unwrap=True,
        roots=(folder,),
        skipped=tuple(sorted(skipped)),
        columns=columns or ColumnNames(),
        name=archive.stem(path.name),
        notices=tuple(notices),
    )


def convert(data_folder: DataFolder, scratch: Path, *, max_photos: int | None = None) -> DataFolder:
    """Converts CIFAR and IDX files to class folders, and Parquet tables with photos to files and a label file."""
    label_file = data_folder.label_file
    if label_file is not None:
        return _convert_parquet(data_folder, {label_file.name: label_file}, scratch, max_photos)
    files = {"/".join(file.parts): file.path for file in data_folder.listing.files}
    binary.refuse_pickles(list(files))
    if binary.is_binary(list(files)):
        pictures_dir = scratch / "pictures"
        binary.unpack(data_folder.path, pictures_dir)
        return DataFolder(pictures_dir, roots=(pictures_dir,), skipped=data_folder.skipped)
    if any(map(names_photo, files)):
        return data_folder
    return _convert_parquet(data_folder, files, scratch, max_photos)


def _convert_parquet(
    data_folder: DataFolder, files: Mapping[str, Path], scratch: Path, max_photos: int | None
) -> DataFolder:
    pictures_dir = scratch / "photos"
    for name, path in files.items():
        if is_parquet(path):
            pictures_dir.mkdir(exist_ok=True)
            unpack_photos(path, pictures_dir, name, find_split(name), data_folder.columns, max_photos)
    labels_path = pictures_dir / LABELS_FILE
    if not labels_path.exists():
        return data_folder
    skipped = data_folder.skipped
    return DataFolder(pictures_dir, label_file=labels_path, confined=True, roots=(pictures_dir,), skipped=skipped)


def name_of(data: str) -> str:
    """The name of the data: that of the folder, archive or label file, reduced to `[a-z0-9_-]`.

    For example, `my-clothes` for `/photos/My Clothes.tar.gz`; for GitHub's archive of a branch, the name of the
    repository.
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
