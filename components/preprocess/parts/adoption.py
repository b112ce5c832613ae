"""Copies the results of other tasks into this machine's cache, so that the merge does not read the photos again."""

import contextlib
import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

from components.contract.params.pipeline import PreprocessParams
from components.contract.store.shared_store import SharedStore, open_shared_store
from components.contract.system.atomic_files import scratch_folder
from components.preprocess.parts.listing_file import Listing
from components.preprocess.parts.portions import Portion, index_name, pack_name
from components.preprocess.scan import look_up
from components.preprocess.store.cache_index import IndexContent, read_index
from components.preprocess.store.pixel_cache import PixelStore

log = logging.getLogger(__name__)

PORTIONS_AT_ONCE: Final = 64
"""The number of portions per transaction: about 30,000 files with 50 MB of index data. Each transaction locks the
cache for about a second."""


def adopt_portions(listing: Listing, params: PreprocessParams, store: PixelStore) -> None:
    """Adds the results in the shared store that this cache lacks, portion by portion.

    The merge then reads the photos of the portions that are in neither.

    Args:
        listing: the list of the photos.
        params: the params with which the portions were read.
        store: the cache for these params.

    Raises:
        ArtifactError: the shared store cannot be reached.
    """
    shared = open_shared_store()
    is_missing = [
        reading is None for reading in look_up([file for portion in listing.portions for file in portion.files], store)
    ]
    bounds = pairwise(accumulate((len(portion.files) for portion in listing.portions), initial=0))
    portions = [
        portion for portion, (start, stop) in zip(listing.portions, bounds, strict=True) if any(is_missing[start:stop])
    ]
    for start in range(0, len(portions), PORTIONS_AT_ONCE):
        _adopt(portions[start : start + PORTIONS_AT_ONCE], params, store, shared)


def _adopt(portions: list[Portion], params: PreprocessParams, store: PixelStore, shared: SharedStore) -> None:
    """Adds some portions in one transaction, then removes them from the shared store."""
    contents: dict[str, IndexContent] = {}
    for portion in portions:
        name = portion.name(params)
        content = _fetch(portion, name, store, shared)
        if content is not None:
            contents[name] = content
        else:
            log.warning(
                "Portion %d is not in the shared store, so this task reads it; number of files: %d, first file: %s.",
                portion.number + 1,
                len(portion.files),
                portion.files[0].record.path,
            )
    if store.adopt(list(contents.values())):
        for name, content in contents.items():
            if content.container is not None:
                shared.discard(pack_name(name, Path(content.container).name))
            shared.discard(index_name(name))


def _fetch(portion: Portion, name: str, store: PixelStore, shared: SharedStore) -> IndexContent | None:
    """Fetches the results of a portion, and copies its pack to this cache; None if either is missing or damaged."""
    with scratch_folder(store.folder / "portion") as scratch:
        index_path = scratch / "index.sqlite"
        if not shared.fetch(index_name(name), index_path):
            return None
        try:
            content = read_index(index_path)
        except sqlite3.DatabaseError as error:
            log.warning("The results of portion %d are damaged: %s.", portion.number + 1, error)
            return None
    if content.container is not None and content.last_place is not None:
        path = store.folder / "packs" / Path(content.container).name
        if not (path.exists() or shared.fetch(pack_name(name, path.name), path)):
            return None
        if content.last_place + store.row_bytes > path.stat().st_size:
            return None
    return replace(content, files=_unchanged_files(portion, content))


def _unchanged_files(portion: Portion, content: IndexContent) -> list[tuple[bytes, str, str]]:
    """(path, identity, content hash) of the files that have not changed since they were listed and read."""
    read_files: Mapping[bytes, tuple[str, str]] = {path: (file, sha256) for path, file, sha256 in content.files}
    unchanged_files = []
    for file, state in zip(portion.files, portion.states, strict=True):
        path = file.key
        read_identity, sha256 = read_files.get(path, (None, ""))
        if not state.is_of(read_identity):
            continue
        with contextlib.suppress(OSError):
            file_identity = file.identity()
            if file_identity is not None and state.is_of(file_identity):
                unchanged_files.append((path, file_identity, sha256))
    return unchanged_files
