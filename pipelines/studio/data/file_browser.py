"""Browses the folders of this machine, within the roots that the studio was started with."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from components.contract.foreign import archive
from components.contract.record import BaseRecord
from components.preprocess.sources.listing import is_hidden
from components.preprocess.sources.readers.label_files import has_labels, is_label_file
from components.preprocess.sources.remote.addresses import is_remote, repository_of, require_harmless
from pipelines.runners.runs import RUNS_DIR
from pipelines.studio.settings import StudioError

MOST_ENTRIES: Final = 500
MOST_SEEN: Final = 100_000
"""The maximum number of entries that are read from a folder, so that a huge folder does not delay the page."""


class Entry(BaseRecord):
    """An entry of a folder."""

    name: str
    path: str
    kind: str
    """`folder`, `archive` or `table`."""


class Place(BaseRecord):
    """The content of a folder, or the list of the roots.

    Attributes:
        path: the folder; None for the list of the roots.
        parent: the parent folder; empty for a root, whose parent is the list of the roots; None for that list.
        num_photos: the number of files in the folder that may be photos, not counting subfolders.
        more: the number of entries that are not listed.
    """

    path: str | None
    parent: str | None
    entries: tuple[Entry, ...]
    num_photos: int = 0
    more: int = 0


PHOTO_SUFFIXES: Final = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif"))


def within(roots: tuple[Path, ...], text: str) -> Path:
    """Resolves a path on this machine, including symbolic links, and checks that it is in one of the roots.

    Raises:
        StudioError: the path is outside the roots, or invalid.
    """
    try:
        path = Path(text).expanduser()
        resolved = (path if path.is_absolute() else Path.cwd() / path).resolve()
    except (OSError, ValueError, RuntimeError):
        raise StudioError(f"Enter a path on this machine; found {text[:200]!r}.") from None
    if not any(resolved.is_relative_to(root) for root in roots):
        root_list = ", ".join(map(str, roots))
        raise StudioError(
            f"The studio can only read {root_list}; {resolved} is elsewhere. To allow it, start the "
            f"studio with --root {resolved.parent}.",
            403,
        )
    return resolved


def data_within(roots: tuple[Path, ...], uri: str) -> str:
    """Checks that a data address is remote or a path in one of the roots; returns it, with symbolic links resolved.

    Raises:
        StudioError: the path is outside the roots.
        DataError: data cannot be fetched from this address.
    """
    if not is_remote(uri):
        return str(within(roots, uri))
    require_harmless(uri)
    repository = repository_of(uri)
    if repository is not None and repository.exists():
        within(roots, str(repository))
    return uri


def model_within(roots: tuple[Path, ...], tree: Mapping[str, Any]) -> None:
    """Checks that each file that `train.model` names is in one of the roots.

    Raises:
        StudioError: a file is outside the roots.
    """
    train = tree.get("train")
    model = train.get("model") if isinstance(train, Mapping) else None
    model_files = [model.get(key) for key in ("path", "weights", "from")] if isinstance(model, Mapping) else []
    for value in model_files:
        if isinstance(value, str) and ("/" in value or Path(value).exists()) and "://" not in value:
            within((*roots, RUNS_DIR.resolve()), value)


def list_folder(roots: tuple[Path, ...], text: str | None) -> Place:
    """Lists the folders, archives and tables in a folder; without a folder, lists the roots.

    Raises:
        StudioError: the folder is outside the roots, or cannot be read.
    """
    if not text:
        return Place(
            path=None,
            parent=None,
            entries=tuple(Entry(name=str(root), path=str(root), kind="folder") for root in roots),
        )
    folder = within(roots, text)
    try:
        with os.scandir(folder) as scanner:
            entries = sorted(itertools.islice(scanner, MOST_SEEN), key=lambda entry: entry.name.casefold())
            named_entries = [entry for entry in map(_make_entry, entries) if entry is not None]
    except OSError as error:
        raise StudioError(f"{folder} cannot be read as a folder: {error.strerror}.", 404) from None
    photos = sum(Path(entry.name).suffix.lower() in PHOTO_SUFFIXES for entry in entries)
    parent = str(folder.parent) if folder not in roots else ""
    return Place(
        path=str(folder),
        parent=parent,
        entries=tuple(
            entry for entry in named_entries[:MOST_ENTRIES] if entry.kind != "table" or has_labels(Path(entry.path))
        ),
        num_photos=photos,
        more=max(0, len(named_entries) - MOST_ENTRIES),
    )


def _make_entry(item: "os.DirEntry[str]") -> Entry | None:
    if is_hidden(item.name):
        return None
    try:
        is_folder = item.is_dir()
    except OSError:
        return None
    path = Path(item.path)
    kind = (
        "folder" if is_folder else "archive" if archive.is_archive(path) else "table" if is_label_file(path) else None
    )
    return Entry(name=item.name, path=item.path, kind=kind) if kind else None
