"""Room on the disk: what is free, and the errors to report if there is none."""

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from components.contract.errors import ArtifactError

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""What the system says where a disk, or a user's share of it, is full."""
SMALL_SPACE: Final = 2**20
"""Bytes; with less free space, a failed write means a full disk, whatever the library that wrote reports."""


def full_disk_error(error: OSError) -> ArtifactError | None:
    """The error to report if the system could not write for want of space, wherever that was; else None."""
    if error.errno not in FULL:
        return None
    has_path = isinstance(error.filename, str | bytes)
    folders = [Path(os.fsdecode(error.filename)).parent] if has_path else [Path.cwd(), Path(tempfile.gettempdir())]
    return ArtifactError(
        f"There must be room on the disk; there is not: {error}{''.join(map(free_text, folders))}. Make room and run "
        "again."
    )


def require_room(folder: Path) -> None:
    """Refuses a folder on a disk that is full: whatever failed there, failed for that reason.

    Raises:
        ArtifactError: so it is.
    """
    free = free_bytes(folder)
    if free is not None and free < SMALL_SPACE:
        raise ArtifactError(
            f"There must be room in {folder}; there is not{free_text(folder)}. Make room and run again."
        )


def free_text(folder: Path) -> str:
    """For messages: how much of the disk is free; empty if nobody knows."""
    free = free_bytes(folder)
    return "" if free is None else f"; {free / 1e6:,.1f} MB are free in {folder}"


def free_bytes(folder: Path) -> int | None:
    """How much of the disk is free; None if nobody knows."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
