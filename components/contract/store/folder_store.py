"""A shared store in a folder: of this machine, or of a volume that several machines mount."""

import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Final

from components.contract.errors import ArtifactError
from components.contract.system.disk_space import free_text

STORE_VARIABLE: Final = "DARKROOM_STORE"
LEFT_SECONDS: Final = 7 * 86_400.0
"""After a week nobody resumes an interrupted run, and a volume would fill up."""


class FolderStore:
    """A folder. On one disk, files are linked and take their room once."""

    def __init__(self, folder: Path, *, is_own: bool):
        """Takes a folder, which need not exist.

        Args:
            folder: of this machine, or mounted.
            is_own: whether it is part of the cache of this machine, so that nobody else looks for what is moved away.
        """
        self._folder = folder
        self._is_own = is_own
        self._swept_dirs: set[Path] = set()

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return (self._folder / name).is_file()

    def put(self, name: str, source: Path) -> None:
        """Adds a file."""
        target = self._folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(source, target)
            num_bytes = target.stat().st_size
        except OSError as error:
            raise ArtifactError(
                f"What tasks have in common must be writable at {target}; it is not: {error}{free_text(self._folder)}. "
                f"Make room, or set {STORE_VARIABLE} to another folder or address."
            ) from None
        if num_bytes != source.stat().st_size:
            raise ArtifactError(
                f"The folder {self._folder} must keep what is written; {target} has {num_bytes:,} of "
                f"{source.stat().st_size:,} bytes. Check the volume."
            )

    def fetch(self, name: str, target: Path) -> bool:
        """Makes `target` the file."""
        if not self.has(name):
            return False
        try:
            _link(self._folder / name, target)
        except FileNotFoundError:  # another run has moved it away
            return False
        return True

    def discard(self, name: str) -> None:
        """Removes the file if the folder is part of the cache, and what has been in the folder for long."""
        if self._is_own:
            (self._folder / name).unlink(missing_ok=True)
        kind_dir = (self._folder / name).parent.parent
        if kind_dir in self._swept_dirs:
            return
        self._swept_dirs.add(kind_dir)
        long_ago = time.time() - LEFT_SECONDS
        for path in kind_dir.glob("*/*"):
            with contextlib.suppress(OSError):  # another task was first, or the folder is not to be written to
                if path.stat().st_mtime < long_ago:
                    path.unlink()


def _link(source: Path, target: Path) -> None:
    """A hard link, or a copy to another disk; complete as soon as it has its name."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        try:
            os.link(source, partial)
        except OSError:
            with source.open("rb") as original, partial.open("wb") as copy:
                shutil.copyfileobj(original, copy, 2**20)
                copy.flush()
                os.fsync(copy.fileno())
        partial.replace(target)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
