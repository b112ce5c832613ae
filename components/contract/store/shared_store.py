"""Files by name that the tasks of a run, and all runs, have in common: in a folder, or in an object store.

The tasks of a run may be on several machines, so what one makes for another is put here: by DARKROOM_STORE, a folder on
a volume that all of them mount, or an address such as s3://bucket/darkroom. Without it, a folder of the cache.
"""

import os
from pathlib import Path
from typing import Protocol

from components.contract.store.folder_store import STORE_VARIABLE, FolderStore
from components.contract.system.cache import cache_dir


class SharedStore(Protocol):
    """Files by name. A name may contain slashes. A file is there as a whole or not at all, and never changes."""

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        ...

    def put(self, name: str, source: Path) -> None:
        """Adds a file, which the caller does not change afterwards.

        Raises:
            ArtifactError: the store cannot be written.
        """
        ...

    def fetch(self, name: str, target: Path) -> bool:
        """Makes `target` the file; False if the store does not have it, or no longer as it was written.

        Raises:
            ArtifactError: the store cannot be reached.
            OSError: the target cannot be written.
        """
        ...

    def discard(self, name: str) -> None:
        """Called when a file is kept elsewhere now: removes it if the store is part of this machine's cache."""
        ...


def open_shared_store() -> SharedStore:
    """The store that DARKROOM_STORE names; without it, a folder of the cache."""
    address = os.environ.get(STORE_VARIABLE)
    if address and "://" in address:
        from components.contract.store.object_store import ObjectStore

        return ObjectStore(address)
    return FolderStore(Path(address) if address else cache_dir() / "shared", is_own=not address)
