"""The members of an archive: their content, and the errors about them."""

import contextlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from components.contract.errors import ArchiveError

CHUNK_BYTES: Final = 2**18


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive.

    Attributes:
        name: the member's path within the archive; `archive.members` checks that it is relative and has no `..`.
        chunks: yields the content, which must be read before the next member is requested; None for a folder.
    """

    name: str
    chunks: Callable[[], Iterator[bytes]] | None


_BROKEN: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    ValueError,
    struct.error,
    IndexError,
    OverflowError,
)
"""The errors that the standard library's readers raise for damaged or unsupported archives."""


@contextlib.contextmanager
def explain_damage(archive: Path) -> Iterator[None]:
    """Within the block, converts errors of the standard library's readers to an ArchiveError."""
    try:
        yield
    except (*_BROKEN, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).rstrip(".")
        raise ArchiveError(
            f"The archive {archive} cannot be read as a zip or tar: {reason}. Create or copy it again, or unpack it "
            "yourself and pass the folder."
        ) from None


def refusal(archive: Path, name: str, what: str) -> ArchiveError:
    """The error for a member that is not unpacked, such as a link, a device or an encrypted file."""
    return ArchiveError(
        f"The archive {archive} must contain only regular files and folders; {name!r} is {what}. Unpack "
        "it yourself and pass the folder."
    )


def read_content(archive: Path, open_file: Callable[[], IO[bytes]], spend: Callable[[int], None]) -> Iterator[bytes]:
    """Yields the content of a member in chunks; `spend` counts the bytes of each chunk."""
    with explain_damage(archive), open_file() as file:
        while chunk := file.read(CHUNK_BYTES):
            spend(len(chunk))
            yield chunk
