"""The members of an archive, the errors for what is wrong with them, and reading their content."""

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
        name: its path within the archive, checked: relative, slashes forward, no `..`.
        chunks: yields its content, to be read before the next member is requested; None for a folder.
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
"""What the standard library's readers raise on damaged or unsupported archives."""


@contextlib.contextmanager
def explain_damage(archive: Path) -> Iterator[None]:
    """Within the block an error of the standard library's readers becomes an ArchiveError."""
    try:
        yield
    except (*_BROKEN, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).rstrip(".")
        raise ArchiveError(
            f"The archive {archive} must be an intact zip or tar; it cannot be read: {reason}. Create or "
            "copy it again, or unpack it yourself and pass the folder."
        ) from None


def refusal(archive: Path, name: str, what: str) -> ArchiveError:
    """The error for a member that is no plain file or folder."""
    return ArchiveError(
        f"The archive {archive} must contain only regular files and folders; {name!r} is {what}. Unpack "
        "it yourself and pass the folder."
    )


def read_content(archive: Path, open_file: Callable[[], IO[bytes]], spend: Callable[[int], None]) -> Iterator[bytes]:
    """The content of a member, piece by piece; `spend` counts the bytes of each."""
    with explain_damage(archive), open_file() as file:
        while chunk := file.read(CHUNK_BYTES):
            spend(len(chunk))
            yield chunk
