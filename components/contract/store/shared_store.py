"""Files that tasks share by name, in a folder or in an object store.

The tasks of a run may be on several machines, so a file that one task creates for another is put in the store.
DARKROOM_STORE is a folder on a volume that all machines mount, or an address such as s3://bucket/darkroom. If it is not
set, the store is a folder in the cache.
"""

import os
from pathlib import Path
from typing import Protocol

from components.contract.store.folder_store import STORE_VARIABLE, FolderStore
from components.contract.system.cache import cache_dir


class SharedStore(Protocol):
    """Files with names, which may contain slashes. A file is either complete or absent, and never changes."""

    def has(self, name: str) -> bool:
        """Whether the file exists."""
        ...

    def put(self, name: str, source: Path) -> None:
        """Adds a file, which the caller must not change afterwards.

        Raises:
            ArtifactError: the store cannot be written.
        """
        ...

    def fetch(self, name: str, target: Path) -> bool:
        """Creates `target` with the content of the file; False if it is missing or damaged in the store.

        Raises:
            ArtifactError: the store cannot be reached.
            OSError: the target cannot be written.
        """
        ...

    def discard(self, name: str) -> None:
        """Removes a file that is no longer needed here, but only if the store is part of this machine's cache."""
        ...


def open_shared_store() -> SharedStore:
    """Opens the store that DARKROOM_STORE specifies, or a folder in the cache if the variable is not set."""
    address = os.environ.get(STORE_VARIABLE)
    if address and "://" in address:
        from components.contract.store.object_store import ObjectStore

        return ObjectStore(address)
    return FolderStore(Path(address) if address else cache_dir() / "shared", is_own=not address)
