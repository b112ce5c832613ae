"""A shared store in a folder, either on this machine or on a volume that several machines mount."""

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
"""One week. Older files are removed, so that the volume does not fill up; runs that are this old are not resumed."""


class FolderStore:
    """Files in a folder. A file from the same file system is stored as a hard link, which uses no additional space."""

    def __init__(self, folder: Path, *, is_own: bool):
        """Uses a folder, which need not exist yet.

        Args:
            folder: a local or mounted folder.
            is_own: whether the folder is part of this machine's cache, so that no other machine needs its files.
        """
        self._folder = folder
        self._is_own = is_own
        self._swept_dirs: set[Path] = set()

    def has(self, name: str) -> bool:
        """Whether the file exists."""
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
                f"The shared file {target} cannot be written: {error}{free_text(self._folder)}. "
                f"Free some space, or set {STORE_VARIABLE} to another folder or address."
            ) from None
        if num_bytes != source.stat().st_size:
            raise ArtifactError(
                f"The folder {self._folder} has lost data: {target} has {num_bytes:,} of "
                f"{source.stat().st_size:,} bytes. Check the volume."
            )

    def fetch(self, name: str, target: Path) -> bool:
        """Creates `target` with the content of the file; False if the store does not have it."""
        if not self.has(name):
            return False
        try:
            _link(self._folder / name, target)
        except FileNotFoundError:  # another run has just discarded the file
            return False
        return True

    def discard(self, name: str) -> None:
        """Removes the file if the folder is in this machine's cache; also removes old files of the same kind."""
        if self._is_own:
            (self._folder / name).unlink(missing_ok=True)
        kind_dir = (self._folder / name).parent.parent
        if kind_dir in self._swept_dirs:
            return
        self._swept_dirs.add(kind_dir)
        long_ago = time.time() - LEFT_SECONDS
        for path in kind_dir.glob("*/*"):
            with contextlib.suppress(OSError):  # another task has just removed it, or the folder is read-only
                if path.stat().st_mtime < long_ago:
                    path.unlink()


def _link(source: Path, target: Path) -> None:
    """Creates a hard link, or a copy if the file systems differ; `target` appears only when it is complete."""
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
