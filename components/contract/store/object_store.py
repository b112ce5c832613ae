"""A shared store at an address: any file system that fsspec supports, such as S3.

    <name>/<number>-<hash>    a block of the file: its position and the hash of its content
    <name>/note.json          the size and the list of blocks, written last

Each block is written, read and checked separately. An interrupted upload or download therefore resumes with the missing
blocks, and several blocks are transferred in parallel. Lost or damaged blocks are detected by their size after the
upload, or by their hash during the download.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from components.contract.errors import ArtifactError
from components.contract.system.address import Address
from components.contract.system.waiting import is_outage, outage_seconds, wait_for

log = logging.getLogger(__name__)

BLOCK_BYTES: Final = 16 * 2**20
CONNECTIONS: Final = 8
WRITES: Final = 2
"""The maximum number of attempts to write a block."""
NOTE: Final = "note.json"
ADDRESSING_VARIABLE: Final = "DARKROOM_S3_ADDRESSING_STYLE"
ResultT = TypeVar("ResultT")


class ObjectStore:
    """Files that are stored as blocks at an address."""

    def __init__(self, address: str, system: Any = None):
        """Prepares the store at an address, without connecting to it.

        Args:
            address: the address, such as s3://bucket/darkroom.
            system: an fsspec file system; None for the one that the address implies.
        """
        import fsspec

        self._address = Address(address)
        style = os.environ.get(ADDRESSING_VARIABLE)
        options: dict[str, Any] = {"config_kwargs": {"s3": {"addressing_style": style}}} if style else {}
        new_system, self._root = fsspec.core.url_to_fs(
            self._address.full, use_listings_cache=False, **(options if address.startswith("s3") else {})
        )
        self._system = system or new_system

    def has(self, name: str) -> bool:
        """Whether the file exists."""
        return self._read_note(name) is not None

    def put(self, name: str, source: Path) -> None:
        """Adds a file.

        Raises:
            ArtifactError: the store cannot be reached, or does not store everything that is written.
        """
        num_bytes = source.stat().st_size
        starts = range(0, num_bytes, BLOCK_BYTES)

        def write(start: int) -> tuple[str, int]:
            with source.open("rb") as file:
                file.seek(start)
                content = file.read(BLOCK_BYTES)
            block = f"{start // BLOCK_BYTES:05d}-{hashlib.sha256(content).hexdigest()[:32]}"
            path = self._path(name, block)
            for _ in range(WRITES):
                if self._size(path) == len(content):
                    return block, len(content)
                self._ask(lambda: self._system.pipe_file(path, content))
            if self._size(path) != len(content):
                raise ArtifactError(
                    f"The store {self._address} accepted {path}, but does not contain all of it. "
                    "Check its permissions, its quota and its lifecycle rules."
                )
            return block, len(content)

        with ThreadPoolExecutor(CONNECTIONS, "put") as pool:
            blocks = list(pool.map(write, starts))
        note = {"num_bytes": num_bytes, "blocks": [block for block, _ in blocks]}
        self._ask(lambda: self._system.pipe_file(self._path(name, NOTE), json.dumps(note).encode()))
        if self._read_note(name) != note:
            raise ArtifactError(
                f"The store {self._address} does not return the list of blocks of {name} as it was written. Check its "
                "permissions, its quota and its lifecycle rules."
            )

    def fetch(self, name: str, target: Path) -> bool:
        """Downloads the missing blocks of the file to `target`; False if the store lacks the file or a block."""
        note = self._read_note(name)
        if note is None:
            return False
        partial = target.with_name(f".{target.name}.blocks")
        is_resumed = partial.exists()
        partial.touch()
        with partial.open("r+b") as file, ThreadPoolExecutor(CONNECTIONS, "fetch") as pool:
            file.truncate(note["num_bytes"])

            def read(block: str) -> bool:
                start = int(block[:5]) * BLOCK_BYTES
                size = min(BLOCK_BYTES, note["num_bytes"] - start)
                if is_resumed and _matches(os.pread(file.fileno(), size, start), block):
                    return True
                content = self._find(lambda: self._system.cat_file(self._path(name, block)))
                if content is None or not _matches(content, block):
                    log.warning("The store %s has lost or changed %s/%s.", self._address, name, block)
                    return False
                os.pwrite(file.fileno(), content, start)
                return True

            is_whole = all(pool.map(read, note["blocks"]))
        if is_whole:
            partial.replace(target)
        else:
            partial.unlink()
            self._find(lambda: self._system.rm_file(self._path(name, NOTE)))  # so that a task creates the file again
        return is_whole

    def discard(self, name: str) -> None:
        """Does nothing: other machines may need the file, and a lifecycle rule of the store removes it."""

    def _path(self, name: str, file: str) -> str:
        return f"{self._root}/{name}/{file}"

    def _size(self, path: str) -> int | None:
        size = self._find(lambda: self._system.info(path)["size"])
        return None if size is None else int(size)

    def _read_note(self, name: str) -> dict[str, Any] | None:
        text = self._find(lambda: self._system.cat_file(self._path(name, NOTE)))
        try:
            return None if text is None else dict(json.loads(text))
        except ValueError:
            return None

    def _find(self, call: Callable[[], ResultT]) -> ResultT | None:
        """The result of a call; None if the file does not exist."""
        try:
            return self._ask(call)
        except FileNotFoundError:
            return None

    def _ask(self, call: Callable[[], ResultT]) -> ResultT:
        try:
            return wait_for(call, f"The store {self._address}", is_outage, outage_seconds())
        except FileNotFoundError:
            raise
        except Exception as error:  # each file system has its own error classes
            reason = self._address.hide((str(error).strip() or type(error).__name__).splitlines()[0]).rstrip(".")
            raise ArtifactError(
                f"The store {self._address} cannot be reached or written: {type(error).__name__}: {reason}. "
                "Check DARKROOM_STORE, the network and the credentials."
            ) from None


def _matches(content: bytes, block: str) -> bool:
    return hashlib.sha256(content).hexdigest()[:32] == block.partition("-")[2]
