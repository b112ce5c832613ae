"""Lists the content of a folder; files and folders that cannot be read are listed as rejected, with the reason."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from components.contract.foreign.confinement import Roots, lies_within
from components.contract.system.budget import Budget
from components.preprocess.manifest import Record

SYSTEM_ENTRIES: Final = frozenset(
    (
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "$recycle.bin",
        "system volume information",
        "found.000",
        "lost+found",
        "#recycle",
        "#snapshot",
        "@eadir",
        "@tmp",
        "@recycle",
        "@recently-snapshot",
        "network trash folder",
        "temporary items",
        "__pycache__",
    )
)
"""Names of files and folders that operating systems, Python, and Synology and QNAP servers create, in lowercase."""

MAX_ENTRIES: Final = 2_000_000
START_SECONDS: Final = 600.0
"""The time allowed for listing any folder; it is long because the user's folder may be on a slow network."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A regular file: the parts of its path relative to the folder, as valid Unicode; its path; and its size."""

    parts: tuple[str, ...]
    path: Path
    num_bytes: int


@dataclass
class Listing:
    """The content of a folder, sorted by name.

    Attributes:
        files: the regular files.
        folders: the parts of the relative paths of all folders, including empty ones, as valid Unicode.
        rejected: hidden entries, broken links, links to a folder that was already read, pipes and devices, and entries
            that cannot or must not be read. A folder that is not read is listed once, without its content.
    """

    files: list[ListedFile] = field(default_factory=list)
    folders: list[tuple[str, ...]] = field(default_factory=list)
    rejected: list[Record] = field(default_factory=list)


def list_folder(root: Path, roots: Roots = None) -> Listing:
    """Lists a folder. Links are followed, but no folder is read twice, so that cyclic links do no harm.

    Args:
        root: the folder.
        roots: the folders to which links may lead; None for all.

    Raises:
        OSError: the folder itself cannot be read.
    """
    listing = Listing()
    budget = Budget(
        f"The folder {root}",
        "Split it up, or pass a table of the photos.",
        max_members=MAX_ENTRIES,
        start_seconds=START_SECONDS,
    )
    entered_folders = {_identity(root.stat())}
    pending: list[tuple[tuple[str, ...], Path]] = [((), root)]
    while pending:
        parts, folder = pending.pop()
        try:
            with os.scandir(folder) as entries:  # links come last, so that a folder is listed at its real path
                names = [name for _, name in sorted((entry.is_symlink(), entry.name) for entry in entries)]
        except OSError as error:
            if not parts:
                raise
            listing.rejected.append(_rejection(parts, "unreadable", f"The folder cannot be read: {error.strerror}."))
            continue
        budget.spend(num_members=len(names), memory_bytes=sum(map(len, names)))
        for name in names:
            path = folder / name
            entry_parts = (*parts, as_text(name))
            if _list_entry(listing, entry_parts, path, entered_folders, roots):
                pending.append((entry_parts, path))
    listing.files.sort(key=lambda file: file.parts)
    listing.folders.sort()
    return listing


def _list_entry(
    listing: Listing, parts: tuple[str, ...], path: Path, entered_folders: set[tuple[int, int]], roots: Roots
) -> bool:
    """Adds one entry to the listing; returns True if it is a folder to read."""
    if is_hidden(parts[-1]):
        listing.rejected.append(_rejection(parts, "hidden", "Hidden files and folders are left out."))
        return False
    if roots is not None and path.is_symlink() and not lies_within(path, roots):
        listing.rejected.append(_rejection(parts, "outside_data", "The link leads out of the allowed folders."))
        return False
    try:
        status = path.stat()
    except OSError as error:
        listing.rejected.append(_rejection(parts, "unreadable", f"The file cannot be read: {error.strerror}."))
        return False
    if stat.S_ISREG(status.st_mode):
        listing.files.append(ListedFile(parts, path, status.st_size))
    elif not stat.S_ISDIR(status.st_mode):
        listing.rejected.append(_rejection(parts, "not_a_file", "It is a pipe or a device, not a file or a folder."))
    elif _identity(status) in entered_folders:
        listing.rejected.append(_rejection(parts, "folder_seen", "The link leads to a folder that was already read."))
    else:
        entered_folders.add(_identity(status))
        listing.folders.append(parts)
        return True
    return False


def as_text(name: str) -> str:
    r"""A file name as valid Unicode text: bytes that are not UTF-8 are escaped as in `\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_hidden(name: str) -> bool:
    """Whether an entry is hidden or was created by an operating system or a file server, judging by its name."""
    return name.startswith(".") or name.casefold() in SYSTEM_ENTRIES


def _rejection(parts: tuple[str, ...], reason: str, message: str) -> Record:
    return Record("/".join(parts), reason=reason, message=message)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
