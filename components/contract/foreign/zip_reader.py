"""Reads the members of a zip; the module `archive` checks them."""

import itertools
import stat
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Final

from components.contract.errors import ArchiveError
from components.contract.foreign.archive_member import Member, read_content, refusal
from components.contract.foreign.zip_names import read_names
from components.contract.system.budget import MAX_MEMBERS, Budget, PacedFile

MAX_DIRECTORY_BYTES: Final = 2**28
"""The maximum size of a zip's directory, which is read as a whole: 268 bytes for each of MAX_MEMBERS files."""
ZIP_HEADER_BYTES: Final = 30
"""The size of the header before each file of a zip, without the file name."""


def walk_zip(
    file: IO[bytes], path: Path, budget: Budget, *, encoding: str | None = None, notices: list[str] | None = None
) -> Iterator[Member]:
    """Yields the members of a zip, one after another.

    Args:
        file: the zip.
        path: the path of the zip, for messages.
        budget: the budget of the archive.
        encoding: the encoding of names that are not marked as Unicode; None to detect it.
        notices: receives messages for the user about the names.

    Raises:
        ArchiveError: files overlap; a member is a link, a device, encrypted, or compressed with an unsupported method;
            or a name is not valid in the encoding.
    """
    with zipfile.ZipFile(_DirectoryFile(file, budget)) as archive:
        _refuse_overlaps(archive.infolist(), path)
        names = _read_names(archive.infolist(), path, encoding, [] if notices is None else notices)
        for info, name in zip(archive.infolist(), names, strict=True):
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise refusal(path, name, "a link" if kind == stat.S_IFLNK else "a device or pipe")
            if info.flag_bits & 1:
                raise refusal(path, name, "encrypted")
            if name.endswith("/"):
                yield Member(name, None)
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # zipfile decompresses the other methods without a memory limit.
                raise refusal(path, name, "compressed with a method other than deflate")
            else:
                yield Member(name, partial(read_content, path, partial(archive.open, info), budget.spend))


def _read_names(
    infos: Sequence[zipfile.ZipInfo], path: Path, encoding: str | None, notices: list[str]
) -> Sequence[str]:
    try:
        zip_names = read_names(infos, encoding)
    except UnicodeDecodeError as error:
        raise ArchiveError(
            f"The names in the archive {path} must be valid in the code page {encoding}; {error.object!r} is "
            "not. Set another code page, or let it be detected: --set preprocess.zip_encoding=auto"
        ) from None
    if zip_names.code_page is not None:
        notices.append(
            f"The code page of the names in {path.name} was guessed: {zip_names.code_page}. Example: "
            f"{zip_names.example}. If the names look wrong, set the correct code page: --set "
            "preprocess.zip_encoding=CODE_PAGE"
        )
    return zip_names.names


class _DirectoryFile(PacedFile):
    """The file that zipfile reads from; it limits the directory, which zipfile reads as a whole and keeps in memory."""

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise self._budget.limit_error(
                f"list its files in at most {MAX_DIRECTORY_BYTES:,} bytes", f"its list has {size:,} bytes"
            )
        content = super().read(size)
        num_entries = content.count(b"PK\1\2") if content.startswith(b"PK\1\2") else 0
        if num_entries > MAX_MEMBERS:
            raise self._budget.limit_error(f"contain at most {MAX_MEMBERS:,} files", f"it lists {num_entries:,}")
        return content


def _refuse_overlaps(infos: Sequence[zipfile.ZipInfo], archive: Path) -> None:
    """Rejects files that share bytes: a small zip with such files can unpack to petabytes.

    See https://www.bamsoftware.com/hacks/zipbomb/.
    """
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for info, following in itertools.pairwise(ordered):
        if info.header_offset + ZIP_HEADER_BYTES + info.compress_size > following.header_offset:
            raise ArchiveError(
                f"The files in the archive {archive} must not overlap; {info.filename!r} and "
                f"{following.filename!r} do. The archive may be malicious; create it again."
            )
