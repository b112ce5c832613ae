"""Free disk space, and the errors if there is none."""

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from components.contract.errors import ArtifactError

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""System errors for a full disk or quota."""
SMALL_SPACE: Final = 2**20
"""Bytes; with less free space, a failed write means a full disk, whatever the library that wrote reports."""


def full_disk_error(error: OSError) -> ArtifactError | None:
    """The error to report if a write failed because of a full disk; otherwise None."""
    if error.errno not in FULL:
        return None
    has_path = isinstance(error.filename, str | bytes)
    folders = [Path(os.fsdecode(error.filename)).parent] if has_path else [Path.cwd(), Path(tempfile.gettempdir())]
    return ArtifactError(
        f"There must be free disk space; there is not: {error}{''.join(map(free_text, folders))}. Free "
        "some space and run again."
    )


def require_room(folder: Path) -> None:
    """Raises if the folder is on a full disk, which then explains any failure there.

    Raises:
        ArtifactError: so it is.
    """
    free = free_bytes(folder)
    if free is not None and free < SMALL_SPACE:
        raise ArtifactError(
            f"There must be free disk space in {folder}; there is not{free_text(folder)}. Free some space "
            "and run again."
        )


def free_text(folder: Path) -> str:
    """For messages: free disk space; empty if unknown."""
    free = free_bytes(folder)
    return "" if free is None else f"; {free / 1e6:,.1f} MB are free in {folder}"


def free_bytes(folder: Path) -> int | None:
    """Free disk space; None if unknown."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
