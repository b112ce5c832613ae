"""The tasks before the merge: one lists the photos, and each of the others reads a part of them."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from components.contract.params.data import ColumnNames
from components.contract.params.pipeline import PreprocessParams
from components.contract.store.shared_store import SharedStore, open_shared_store
from components.contract.system.atomic_files import new_folder, scratch_folder
from components.contract.system.cache import cache_dir
from components.preprocess.parts.listing_file import read_place, read_portions, write_listing
from components.preprocess.parts.portions import index_name, pack_name
from components.preprocess.scan import look_up, scan_portion
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.location import locate
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.sources.remote.remote_folder import open_remote_folder
from components.preprocess.sources.source import data_folder_at, find_photos, open_data, remote_data_folder
from components.preprocess.store.pixel_cache import PixelStore, open_store

log = logging.getLogger(__name__)


def list_photos(data: str, params: PreprocessParams, listing_dir: Path, columns: ColumnNames | None = None) -> None:
    """Lists the photos of a data set for the tasks that read them.

    Args:
        data: the data, as in `preprocess`.
        params: the section preprocess, in which no value is `auto`.
        listing_dir: the output folder, for listing.parquet.
        columns: the column names that the user set for label files.

    Raises:
        DataError: the data cannot be read, or has neither class folders nor a label file.
        ArchiveError: the archive cannot be unpacked.
        ArtifactError: listing_dir cannot be written.
    """
    with (
        new_folder(listing_dir) as folder,
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        open_data(data, Path(scratch), columns, zip_encoding=params.zip_code_page) as data_folder,
    ):
        photo_set = find_photos(data_folder)
        write_listing(folder, photo_set, data_folder, is_lasting=not data_folder.path.is_relative_to(scratch))
        log.info("Listed %s files.", f"{len(photo_set.files):,}")


def read_photos(
    data: str,
    params: PreprocessParams,
    listing_dir: Path,
    part: int,
    num_parts: int,
    columns: ColumnNames | None = None,
) -> None:
    """Reads and decodes a part of the photos, and puts the results into the shared store.

    Photos that are in the store, or in the cache of this machine, are not read again, so that an interrupted task can
    resume.

    Args:
        data: the data, as in `preprocess`.
        params: the section preprocess, in which no value is `auto`.
        listing_dir: the output of `list_photos`.
        part: the number of this task, from 0 to num_parts - 1.
        num_parts: the number of tasks.
        columns: the column names that the user set for label files.

    Raises:
        DataError: the data cannot be read.
        ArchiveError: the archive cannot be unpacked.
        ArtifactError: the list is damaged, or the shared store cannot be reached.
    """
    shared = open_shared_store()
    num_portions = 0
    with (
        scratch_folder(cache_dir() / "unpacked") as scratch,
        open_listed(data, params, listing_dir, scratch, columns, is_part=True) as data_folder,
        open_store(params.size, params.resize) as known,
    ):
        for portion in read_portions(listing_dir, data_folder, part, num_parts):
            num_portions += 1
            name = portion.name(params)
            readings = look_up(portion.files, known)
            new_files = [file for file, reading in zip(portion.files, readings, strict=True) if reading is None]
            if not new_files or shared.has(index_name(name)):
                log.info("Portion %d has already been read.", portion.number + 1)
                continue
            _read_portion(new_files, name, params, shared)
            log.info("Read portion %d; number of files: %d.", portion.number + 1, len(new_files))
    if not num_portions:
        log.info("There are fewer portions of photos than tasks, so this task has nothing to do.")


@contextlib.contextmanager
def open_listed(
    data: str,
    params: PreprocessParams,
    listing_dir: Path,
    scratch_dir: Path,
    columns: ColumnNames | None,
    *,
    is_part: bool,
) -> Iterator[DataFolder]:
    """Opens the data as a folder; a local folder is not listed again, because its files are in the list.

    Args:
        data: the data, as in `preprocess`.
        params: the section preprocess, in which no value is `auto`.
        listing_dir: the output of `list_photos`.
        scratch_dir: the folder in which a temporary folder for the data is created and kept until the block ends.
        columns: the column names that the user set for label files.
        is_part: whether the caller reads only a part of the files, in the versions that were listed; if False, a remote
            folder is listed again, so that changes on the server are detected.
    """
    place = read_place(listing_dir)
    if place == "folder":
        yield data_folder_at(locate(data, columns), data, columns)
    elif place == "server" and is_part:
        yield remote_data_folder(open_remote_folder(data), columns)
    else:
        with open_data(data, scratch_dir, columns, zip_encoding=params.zip_code_page) as data_folder:
            yield data_folder


def _read_portion(files: Sequence[PhotoFile], name: str, params: PreprocessParams, shared: SharedStore) -> None:
    with scratch_folder(cache_dir() / "portion") as scratch:
        store = PixelStore(scratch, params.size, params.resize)
        try:
            scan_portion(files, params.size, params.resize, store, params.given_range)
        finally:
            store.close()
        for pack_path in (scratch / "packs").glob("*.pack"):  # at most one
            shared.put(pack_name(name, pack_path.name), pack_path)
        shared.put(index_name(name), scratch / "index.sqlite")
