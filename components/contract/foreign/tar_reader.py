"""Reads the members of a tar, tar.gz, tar.bz2 or tar.xz; the module `archive` checks them."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, Self

from components.contract.errors import ArchiveError
from components.contract.foreign.archive_member import CHUNK_BYTES, Member, read_content, refusal
from components.contract.system.budget import Budget, PacedFile

MAX_HEADER_BYTES: Final = 2**20
"""The maximum size of all headers between two files. Long names need a few hundred bytes; larger headers could exhaust
the memory."""
MAX_HEADERS: Final = 50
"""The maximum number of headers before a file; two or three are usual."""
MAX_XZ_MEMORY: Final = 2**28
"""The highest preset of xz needs 65 MiB, but the format allows dictionaries of gigabytes."""


def walk_tar(file: PacedFile, magic: bytes, path: Path, budget: Budget) -> Iterator[Member]:
    """The members of a tar, one after another.

    Raises:
        ArchiveError: a header is too large, or a member is a link, a device or a sparse file.
    """
    opener = next((opener for start, opener in _UNPACKERS.items() if magic.startswith(start)), None)
    stream = _TarStream(opener(file, budget) if opener else file, path, budget)
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictHeader) as archive:  # type: ignore[call-overload]
        while (header := archive.next()) is not None:
            if not 0 <= header.size <= budget.max_bytes:  # tarfile would skip it in small blocks, even past the end
                raise budget.limit_error(
                    f"contain at most {budget.max_bytes:,} bytes{budget.basis}",
                    f"the header of {header.name!r} declares {header.size:,}",
                )
            stream.allow(header.size + MAX_HEADER_BYTES)
            if header.isdir():
                yield Member(header.name, None)
            elif header.isreg() and not header.issparse():
                yield Member(header.name, partial(read_content, path, partial(_content, archive, header), _paid))
            else:
                kind = "a link" if header.issym() or header.islnk() else "a device, a pipe or a sparse file"
                raise refusal(path, header.name, kind)
            archive.members.clear()  # otherwise tarfile keeps every header


def _paid(num_bytes: int) -> None:
    """Counts nothing: `_TarStream` already counts all bytes, including those of files that are skipped."""


def _content(archive: tarfile.TarFile, header: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(header)
    assert file is not None, "only regular files are read"
    return file


class _XzFile:
    """Decompresses xz with a memory limit, which lzma.open does not support."""

    def __init__(self, file: PacedFile, budget: Budget):
        self._file = file
        self._budget = budget
        self._decompressor = lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY)

    def read(self, size: int) -> bytes:
        while True:
            if self._decompressor.eof:
                rest = (self._decompressor.unused_data or self._file.read(CHUNK_BYTES)).lstrip(b"\0")
                if not rest:
                    return b""
                self._decompressor = lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY)
            else:
                rest = self._file.read(CHUNK_BYTES) if self._decompressor.needs_input else b""
                if not rest and self._decompressor.needs_input:
                    raise EOFError("the compressed data is incomplete")
            try:
                content = self._decompressor.decompress(rest, size)
            except lzma.LZMAError as error:
                if "Memory usage limit" in str(error):
                    raise self._budget.limit_error(
                        f"unpack in {MAX_XZ_MEMORY / 2**20:.0f} MiB of memory", "its dictionary is larger"
                    ) from None
                raise
            if content:
                return content


_UNPACKERS: Final[dict[bytes, Callable[[Any, Budget], Any]]] = {
    b"\x1f\x8b": lambda file, _: gzip.GzipFile(fileobj=file),
    b"BZh": lambda file, _: bz2.BZ2File(file),
    b"\xfd7zXZ": _XzFile,
}


class _TarStream:
    """The stream that tarfile reads from; it limits headers, so that they cannot exhaust the memory."""

    def __init__(self, inner: Any, archive: Path, budget: Budget):
        self._inner = inner
        self._archive = archive
        self._budget = budget
        self._allowance = MAX_HEADER_BYTES
        self._num_headers = 0

    def allow(self, num_bytes: int) -> None:
        """Allows this many bytes to be read before the next file."""
        self._allowance = num_bytes
        self._num_headers = 0

    def count_header(self) -> None:
        self._num_headers += 1
        if self._num_headers > MAX_HEADERS:
            raise ArchiveError(
                f"The archive {self._archive} must have at most {MAX_HEADERS} headers before each file; it "
                "has more. Create it again."
            )

    def read(self, size: int) -> bytes:
        chunk: bytes = self._inner.read(size)
        self._budget.spend(num_bytes=len(chunk))
        self._allowance -= len(chunk)
        if self._allowance < 0:
            raise ArchiveError(
                f"The archive {self._archive} must have headers of at most {MAX_HEADER_BYTES:,} bytes; "
                "it has a larger one. Create it again."
            )
        return chunk


class _StrictHeader(tarfile.TarInfo):
    """Raises an error for a damaged header; tarfile would treat it as the end of the archive and ignore the rest."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        tarfile_.fileobj.fileobj.count_header()  # type: ignore[attr-defined]
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"damaged or truncated at byte {tarfile_.offset:,} ({error})") from None
