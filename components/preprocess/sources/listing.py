"""Walks a folder and lists all that it holds; what cannot be read or entered is named, with the reason."""

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
"""What Windows, macOS, Linux, Synology's and QNAP's file servers and Python make, in lower case."""

MAX_ENTRIES: Final = 2_000_000
START_SECONDS: Final = 600.0
"""A folder of the user's own may be on a slow network."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A regular file: its place below the folder as parts of text, where it can be read, and its size."""

    parts: tuple[str, ...]
    path: Path
    num_bytes: int


@dataclass
class Listing:
    """All that a folder holds, ordered by name.

    Attributes:
        files: the regular files.
        folders: the folders below, the empty ones too, as parts of text.
        rejected: hidden entries, broken links, links back to a folder that was already read, pipes and devices, and
            what may not be read. Of a folder that is not entered, one record stands for all that it holds.
    """

    files: list[ListedFile] = field(default_factory=list)
    folders: list[tuple[str, ...]] = field(default_factory=list)
    rejected: list[Record] = field(default_factory=list)


def list_folder(root: Path, roots: Roots = None) -> Listing:
    """Lists a folder. Links are followed, and no folder is entered twice, so that none leads round in a circle.

    Args:
        root: the folder.
        roots: the folders that a link may lead into.

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
            with os.scandir(folder) as entries:  # a folder counts where it really is, so links come last
                names = [name for _, name in sorted((entry.is_symlink(), entry.name) for entry in entries)]
        except OSError as error:
            if not parts:
                raise
            listing.rejected.append(_rejection(parts, "unreadable", f"The folder must be readable: {error.strerror}."))
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
    """Records one entry; true where it is a folder to enter."""
    if is_hidden(parts[-1]):
        listing.rejected.append(_rejection(parts, "hidden", "Hidden files and folders are left out."))
        return False
    if roots is not None and path.is_symlink() and not lies_within(path, roots):
        listing.rejected.append(_rejection(parts, "outside_data", "The link leads out of the allowed folders."))
        return False
    try:
        status = path.stat()
    except OSError as error:
        listing.rejected.append(_rejection(parts, "unreadable", f"The file must be readable: {error.strerror}."))
        return False
    if stat.S_ISREG(status.st_mode):
        listing.files.append(ListedFile(parts, path, status.st_size))
    elif not stat.S_ISDIR(status.st_mode):
        listing.rejected.append(_rejection(parts, "not_a_file", "It must be a file or folder; it is a pipe or device."))
    elif _identity(status) in entered_folders:
        listing.rejected.append(_rejection(parts, "folder_seen", "The link leads to a folder that was already read."))
    else:
        entered_folders.add(_identity(status))
        listing.folders.append(parts)
        return True
    return False


def as_text(name: str) -> str:
    r"""A file name as text that any format can hold: bytes that are no UTF-8 become `\xff`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def is_hidden(name: str) -> bool:
    """Whether operating systems and file servers make and hide such an entry of their own accord."""
    return name.startswith(".") or name.casefold() in SYSTEM_ENTRIES


def _rejection(parts: tuple[str, ...], reason: str, message: str) -> Record:
    return Record("/".join(parts), reason=reason, message=message)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
