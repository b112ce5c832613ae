"""Free disk space, and the errors for a full disk."""

import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from components.contract.errors import ArtifactError

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""System errors for a full disk or an exhausted quota."""
SMALL_SPACE: Final = 2**20
"""With less free space than this, in bytes, a failed write is reported as a full disk, whichever error was raised."""


def full_disk_error(error: OSError) -> ArtifactError | None:
    """The error to report if a write failed because of a full disk; otherwise None."""
    if error.errno not in FULL:
        return None
    has_path = isinstance(error.filename, str | bytes)
    folders = [Path(os.fsdecode(error.filename)).parent] if has_path else [Path.cwd(), Path(tempfile.gettempdir())]
    return ArtifactError(f"The disk is full: {error}{''.join(map(free_text, folders))}. Free some space, then retry.")


def require_room(folder: Path) -> None:
    """Raises an error if the folder is on a full disk; call it after a failure that a full disk may explain.

    Raises:
        ArtifactError: the disk is full.
    """
    free = free_bytes(folder)
    if free is not None and free < SMALL_SPACE:
        raise ArtifactError(f"The disk with {folder} is full{free_text(folder)}. Free some space, then retry.")


def free_text(folder: Path) -> str:
    """The free disk space as a part of a message; empty if unknown."""
    free = free_bytes(folder)
    return "" if free is None else f"; {free / 1e6:,.1f} MB are free in {folder}"


def free_bytes(folder: Path) -> int | None:
    """The free disk space; None if unknown."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
