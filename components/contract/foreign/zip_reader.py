"""Walks through a zip; `archive` checks what it yields."""

import itertools
import stat
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Final

from components.contract.errors import ArchiveError
from components.contract.foreign.archive_member import Member, read_content, refusal
from components.contract.system.budget import MAX_MEMBERS, Budget, PacedFile

MAX_DIRECTORY_BYTES: Final = 2**28
"""Of a zip's list of its files, which is read whole: 268 bytes for each of MAX_MEMBERS files."""

ZIP_HEADER_BYTES: Final = 30
"""Of the header before each file of a zip, without its name."""


def walk_zip(file: IO[bytes], path: Path, budget: Budget) -> Iterator[Member]:
    """The members of a zip, one after another.

    Raises:
        ArchiveError: files overlap, or a member is a link, a device, encrypted or compressed in another way.
    """
    with zipfile.ZipFile(_DirectoryFile(file, budget)) as archive:
        _refuse_overlaps(archive.infolist(), path)
        for info in archive.infolist():
            # Zip files made on Windows may separate by backslashes; zipfile cuts a name at a zero byte.
            name = info.orig_filename if "\0" in info.orig_filename else info.filename.replace("\\", "/")
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise refusal(path, name, "a link" if kind == stat.S_IFLNK else "a device or pipe")
            if info.flag_bits & 1:
                raise refusal(path, name, "encrypted")
            if name.endswith("/"):
                yield Member(name, None)
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # zipfile decompresses the others without a limit for the memory.
                raise refusal(path, name, "compressed in another way than deflate, which zip programs call normal")
            else:
                yield Member(name, partial(read_content, path, partial(archive.open, info), budget.spend))


class _DirectoryFile(PacedFile):
    """What zipfile reads from: it asks for the list of files at once, and holds it whole."""

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise self._budget.limit_error(
                f"list its files in at most {MAX_DIRECTORY_BYTES:,} bytes", f"its list has {size:,}"
            )
        content = super().read(size)
        num_entries = content.count(b"PK\1\2") if content.startswith(b"PK\1\2") else 0
        if num_entries > MAX_MEMBERS:
            raise self._budget.limit_error(f"hold at most {MAX_MEMBERS:,} files", f"it lists {num_entries:,}")
        return content


def _refuse_overlaps(infos: Sequence[zipfile.ZipInfo], archive: Path) -> None:
    """Files that share bytes make a small zip unpack to petabytes: https://www.bamsoftware.com/hacks/zipbomb/."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for info, following in itertools.pairwise(ordered):
        if info.header_offset + ZIP_HEADER_BYTES + info.compress_size > following.header_offset:
            raise ArchiveError(
                f"The archive {archive} must hold each file by itself; {info.filename!r} and "
                f"{following.filename!r} overlap. It may be an attack; make it again."
            )
