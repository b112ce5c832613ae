"""The tasks before the merge: one lists the photos, several read them, a part each."""

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
from components.preprocess.parts.listing_file import Listing, read_listing, write_listing
from components.preprocess.parts.portions import Portion, divide, of_part
from components.preprocess.scan import look_up, scan_portion
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.sources.source import find_photos, open_data
from components.preprocess.store.pixel_cache import PixelStore, open_store

log = logging.getLogger(__name__)


def list_photos(data: str, params: PreprocessParams, listing_dir: Path, columns: ColumnNames | None = None) -> None:
    """Lists the photos of a data set for the tasks that read them.

    Args:
        data: as for `preprocess`.
        params: the preprocess section, without `auto`.
        listing_dir: becomes a folder with listing.parquet.
        columns: of label files, which the user named.

    Raises:
        DataError: the data cannot be read, or are neither class folders nor described by a table.
        ArchiveError: the archive cannot be unpacked.
        ArtifactError: listing_dir cannot be written.
    """
    with (
        new_folder(listing_dir) as folder,
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        open_data(data, Path(scratch), columns, zip_encoding=params.zip_code_page) as data_folder,
    ):
        photo_set = find_photos(data_folder)
        is_lasting = not data_folder.path.is_relative_to(scratch)
        write_listing(folder, photo_set, data_folder, is_lasting=is_lasting)
        log.info("Listed %s files.", f"{len(photo_set.files):,}")


def read_photos(
    data: str,
    params: PreprocessParams,
    listing_dir: Path,
    part: int,
    num_parts: int,
    columns: ColumnNames | None = None,
) -> None:
    """Reads and decodes a part of the photos, and puts what it finds out into the shared store.

    What is in the store, or known in the cache of this machine, is not read again: a part that was lost resumes where
    it was.

    Args:
        data: as for `preprocess`.
        params: the preprocess section, without `auto`.
        listing_dir: as `list_photos` wrote it.
        part: from 0 to below num_parts.
        num_parts: how many tasks share the work.
        columns: of label files, which the user named.

    Raises:
        DataError: the data cannot be read.
        ArchiveError: the archive cannot be unpacked.
        ArtifactError: the list is damaged, or the shared store is out of reach.
    """
    shared = open_shared_store()
    with (
        open_listed(data, params, listing_dir, columns) as listing,
        open_store(params.size, params.resize) as known,
    ):
        portions = list(of_part(divide(listing, params), part, num_parts))
        files = listing.photo_set.files
        rows = [row for portion in portions for row in portion.rows]
        readings = look_up([files[row] for row in rows], known)
        new_rows = {row for row, reading in zip(rows, readings, strict=True) if reading is None}
        for number, portion in enumerate(portions, start=1):
            new_files = [files[row] for row in portion.rows if row in new_rows]
            if not new_files or shared.has(portion.index_name):
                log.info("Portion %d of %d has been read before.", number, len(portions))
                continue
            _read_portion(new_files, portion, params, shared)
            log.info("Read portion %d of %d, %d files.", number, len(portions), len(new_files))
    if not portions:
        log.info("There are fewer portions of photos than tasks, so there is nothing to do here.")


@contextlib.contextmanager
def open_listed(
    data: str, params: PreprocessParams, listing_dir: Path, columns: ColumnNames | None
) -> Iterator[Listing]:
    """The list of the photos, and the photos themselves for the time of the block."""
    with (
        scratch_folder(cache_dir() / "unpacked") as scratch,
        open_data(data, scratch, columns, zip_encoding=params.zip_code_page) as data_folder,
    ):
        yield read_listing(listing_dir, data_folder)


def _read_portion(files: Sequence[PhotoFile], portion: Portion, params: PreprocessParams, shared: SharedStore) -> None:
    with scratch_folder(cache_dir() / "portion") as scratch:
        store = PixelStore(scratch, params.size, params.resize)
        try:
            scan_portion(files, params.size, params.resize, store, params.given_range)
        finally:
            store.close()
        for pack_path in (scratch / "packs").glob("*.pack"):  # one, or none
            shared.put(portion.pack_name(pack_path.name), pack_path)
        shared.put(portion.index_name, scratch / "index.sqlite")
