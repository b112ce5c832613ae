"""What other tasks have read enters the cache of this machine, where the merge finds it as if it had read it itself."""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from components.contract.params.pipeline import PreprocessParams
from components.contract.store.shared_store import SharedStore, open_shared_store
from components.contract.system.atomic_files import scratch_folder
from components.preprocess.parts.listing_file import Listing
from components.preprocess.parts.portions import Portion, divide
from components.preprocess.scan import look_up
from components.preprocess.store.cache_index import identity
from components.preprocess.store.pixel_cache import PixelStore

log = logging.getLogger(__name__)


def adopt_portions(listing: Listing, params: PreprocessParams, store: PixelStore) -> None:
    """Takes over what the store lacks, portion by portion; the merge reads the rest itself.

    Args:
        listing: of the photos.
        params: that the portions were read with.
        store: the cache for these params.

    Raises:
        ArtifactError: the shared store cannot be reached.
    """
    shared = open_shared_store()
    is_unknown = [reading is None for reading in look_up(listing.photo_set.files, store)]
    missing_portions = []
    for portion in divide(listing, params):
        if any(is_unknown[row] for row in portion.rows) and not _adopt(listing, portion, store, shared):
            missing_portions.append(portion)
    for portion in missing_portions:
        first = listing.photo_set.files[portion.rows[0]].record.path
        log.warning(
            "Portion %d is not in the shared store, so its %d files are read here; the first is %s.",
            portion.number + 1,
            len(portion.rows),
            first,
        )


def _adopt(listing: Listing, portion: Portion, store: PixelStore, shared: SharedStore) -> bool:
    """Takes over one portion; False if it is not there as a whole."""
    with scratch_folder(store.folder / "portion") as scratch:
        index_path = scratch / "index.sqlite"
        if not shared.fetch(portion.index_name, index_path):
            return False
        try:
            with contextlib.closing(sqlite3.connect(index_path)) as index:
                container = index.execute("select max(container) from verdicts").fetchone()[0]
                read_files = {path: (file, sha256) for path, file, sha256 in index.execute("select * from files")}
            if container is not None and not _fetch_pack(container, portion, store, shared):
                return False
            if not store.adopt(index_path, container, _unchanged_files(listing, portion, read_files)):
                return False
        except sqlite3.DatabaseError as error:
            log.warning("What was read of portion %d is damaged: %s.", portion.number + 1, error)
            return False
    if container is not None:
        shared.discard(portion.pack_name(Path(container).name))
    shared.discard(portion.index_name)
    return True


def _fetch_pack(container: str, portion: Portion, store: PixelStore, shared: SharedStore) -> bool:
    path = store.folder / "packs" / Path(container).name
    return path.exists() or shared.fetch(portion.pack_name(path.name), path)


def _unchanged_files(
    listing: Listing, portion: Portion, read_files: Mapping[bytes, tuple[str, str]]
) -> list[tuple[bytes, str, str]]:
    """(path, identity, content hash) of the files that are now as they were when listed, and when read."""
    unchanged_files = []
    for row in portion.rows:
        path, state = os.fsencode(listing.photo_set.files[row].location), listing.states[row]
        read_identity, sha256 = read_files.get(path, (None, ""))
        if not state.is_of(read_identity):
            continue
        with contextlib.suppress(OSError):
            file_identity = identity(os.stat(path))  # noqa: PTH116 - Path costs
            if file_identity is not None and state.is_of(file_identity):
                unchanged_files.append((path, file_identity, sha256))
    return unchanged_files
