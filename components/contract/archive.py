"""The only place that takes archives apart: zip and tar, also as tar.gz, tar.bz2 and tar.xz.

Nothing that an archive says is believed. Names are checked before a file is made; bytes are counted while they are
unpacked, whatever the headers promise; links, devices and encrypted files are refused; permissions and owners are
ignored. An archive is read as a stream and never held in memory.
"""

import bz2
import contextlib
import gzip
import logging
import lzma
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, Self

from components.contract.confinement import UnsafeNameError, checked_name, is_tool_file, within
from components.contract.errors import ArchiveError
from components.contract.outputs import new_folder

log = logging.getLogger(__name__)

SUFFIXES: Final = (".tar.bz2", ".tar.gz", ".tar.xz", ".tar", ".tbz2", ".tgz", ".txz", ".zip")

MAX_MEMBERS: Final = 1_000_000
MAX_SKIPPED: Final = 10_000
"""Of so many files and folders that are not unpacked the names are kept."""
SMALL_BYTES: Final = 2**30
MAX_RATIO: Final = 200
"""How many times its own size an archive may unpack to, where that is more than SMALL_BYTES. Photos hardly shrink and
plain scans shrink tenfold; a bomb grows a thousandfold."""

MAX_HEADER_BYTES: Final = 2**20
"""What may stand between two files of a tar. Long names take some hundred bytes; more is made to fill the memory."""

CHUNK_BYTES: Final = 2**18
PROGRESS_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive.

    Attributes:
        name: its path within the archive, checked: relative, slashes forward, no `..`.
        chunks: gives its content, to be read before the next member is asked for; None for a folder.
    """

    name: str
    chunks: Callable[[], Iterator[bytes]] | None


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive."""
    return path.name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """A file's name without the archive's suffix: `photos.tar.gz` gives `photos`."""
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def extract(archive: Path, target: Path, skipped: set[str] | None = None) -> int:
    """Unpacks an archive into a folder of its own, which appears whole or not at all.

    Args:
        archive: a zip or tar.
        target: becomes the folder.
        skipped: the files and folders of git, DVC and other tools are added to it; none is unpacked.

    Returns:
        How many files it held.

    Raises:
        ArchiveError: it is damaged, of an unknown kind, larger than it may be, or holds something other than plain
            files and folders within it; nothing is left behind.
    """
    with new_folder(target) as folder:
        try:
            return _unpack(archive, folder, skipped)
        except OSError as error:
            raise ArchiveError(f"The archive {archive} must unpack into {target.parent}; it cannot: "
                               f"{error.strerror or error}.") from None  # fmt: skip


def _unpack(archive: Path, folder: Path, skipped: set[str] | None) -> int:
    num_files, next_note = 0, time.monotonic() + PROGRESS_SECONDS
    places: dict[str, Path] = {}
    for member in members(archive, skipped):
        parent, _, last = member.name.rpartition("/")
        if parent not in places:
            places[parent] = within(folder, member.name).parent
        path = places[parent] / last
        if member.chunks is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            for chunk in member.chunks():
                file.write(chunk)
        num_files += 1
        if time.monotonic() >= next_note:
            log.info("Unpacking %s: %s files so far.", archive.name, f"{num_files:,}")
            next_note += PROGRESS_SECONDS
    return num_files


def members(archive: Path, skipped: set[str] | None = None) -> Iterator[Member]:
    """The members of an archive, one after another, each checked.

    Args:
        archive: a zip or tar.
        skipped: as of `extract`.

    Raises:
        ArchiveError: as `extract`, as soon as the fault is met.
    """
    seen: set[str] = set()
    for count, member in enumerate(_walk(archive)):
        if count >= MAX_MEMBERS:
            raise ArchiveError(f"The archive {archive} must hold at most {MAX_MEMBERS:,} files; it holds more. "
                               "Unpack it yourself and give the folder.")  # fmt: skip
        name = _checked(member.name, archive)
        if not name:
            continue  # the folder itself, as in `./`
        tool = next((n for n, part in enumerate(name.split("/")) if is_tool_file(part)), None)
        if tool is not None:
            if skipped is not None and len(skipped) < MAX_SKIPPED:
                skipped.add("/".join(name.split("/")[: tool + 1]))
            continue
        if member.chunks is not None:
            if name in seen:
                raise ArchiveError(f"The archive {archive} must hold each file once; it holds {name!r} twice. "
                                   "Make it again.")  # fmt: skip
            seen.add(name)
        yield Member(name, member.chunks)


def _walk(archive: Path) -> Iterator[Member]:
    with _explaining(archive), archive.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        budget = _Budget(archive, max(SMALL_BYTES, MAX_RATIO * archive.stat().st_size))
        yield from _walk_zip(file, budget) if magic.startswith(b"PK") else _walk_tar(file, magic, budget)


_BROKEN: Final = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError,
)  # fmt: skip
"""What the standard library's readers raise on damaged or unsupported archives."""


@contextlib.contextmanager
def _explaining(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*_BROKEN, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).rstrip(".")
        raise ArchiveError(f"The archive {archive} must be an intact zip or tar; it cannot be read: {reason}. "
                           "Make or copy it again, or unpack it yourself and give the folder.") from None  # fmt: skip


def _checked(name: str, archive: Path) -> str:
    """The name without `.` and doubled slashes; "" for the archive's own folder."""
    try:
        return "" if name.strip("/") == "." else checked_name(name)
    except UnsafeNameError as reason:
        raise ArchiveError(
            f"The archive {archive} must keep its files within its own folder, under names that a file "
            f"can have; {name!r} {reason}. It may be an attack; nothing of it was kept."
        ) from None


def _refuse(archive: Path, name: str, what: str) -> ArchiveError:
    return ArchiveError(f"The archive {archive} must hold plain files and folders only; {name!r} is {what}. "
                        "Unpack it yourself and give the folder.")  # fmt: skip


@dataclass
class _Budget:
    """Counts unpacked bytes."""

    archive: Path
    left: int

    def spend(self, num_bytes: int) -> None:
        self.left -= num_bytes
        if self.left < 0:
            raise ArchiveError(f"The archive {self.archive} must not unpack to more than {MAX_RATIO} times its size; "
                               "it does. If you trust it, unpack it yourself and give the folder.")  # fmt: skip

    def read(self, open_file: Callable[[], IO[bytes]]) -> Iterator[bytes]:
        with _explaining(self.archive), open_file() as file:
            while chunk := file.read(CHUNK_BYTES):
                self.spend(len(chunk))
                yield chunk


def _walk_zip(file: IO[bytes], budget: _Budget) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            # Zip files made on Windows may separate by backslashes; zipfile cuts a name at a zero byte.
            name = info.orig_filename if "\0" in info.orig_filename else info.filename.replace("\\", "/")
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refuse(budget.archive, name, "a link" if kind == stat.S_IFLNK else "a device or pipe")
            if info.flag_bits & 1:
                raise _refuse(budget.archive, name, "encrypted")
            if name.endswith("/"):
                yield Member(name, None)
            else:
                yield Member(name, partial(budget.read, partial(archive.open, info)))


def _walk_tar(file: IO[bytes], magic: bytes, budget: _Budget) -> Iterator[Member]:
    opener: Any = next((opener for start, opener in _UNPACKERS.items() if magic.startswith(start)), None)
    stream = _TarStream(opener(file) if opener else file, budget)
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictHeader) as archive:  # type: ignore[call-overload]
        while (header := archive.next()) is not None:
            stream.allowance = header.size + MAX_HEADER_BYTES
            if header.isdir():
                yield Member(header.name, None)
            elif header.isreg() and not header.issparse():
                yield Member(header.name, partial(budget.read, partial(_content, archive, header)))
            else:
                kind = "a link" if header.issym() or header.islnk() else "a device, a pipe or a sparse file"
                raise _refuse(budget.archive, header.name, kind)
            archive.members.clear()  # tarfile would keep every header


def _content(archive: tarfile.TarFile, header: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(header)
    assert file is not None, "only regular files are read"
    return file


_UNPACKERS: Final = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


class _TarStream:
    """What tarfile reads from: counts, so that a header cannot fill the memory."""

    def __init__(self, inner: IO[bytes], budget: _Budget):
        self._inner = inner
        self._budget = budget
        self.allowance = MAX_HEADER_BYTES
        """How many bytes may be read until the next file is found."""

    def read(self, size: int) -> bytes:
        chunk = self._inner.read(size)
        self.allowance -= len(chunk)
        if self.allowance < 0:
            raise ArchiveError(f"The archive {self._budget.archive} must have headers of at most {MAX_HEADER_BYTES:,} "
                               "bytes; one is larger. Make it again.")  # fmt: skip
        return chunk


class _StrictHeader(tarfile.TarInfo):
    """A header that is damaged is an error; tarfile takes it for the end and leaves out what follows."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"damaged or cut off at byte {tarfile_.offset:,} ({error})") from None
