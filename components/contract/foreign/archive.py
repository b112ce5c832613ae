"""The only place that takes archives apart: zip and tar, also as tar.gz, tar.bz2 and tar.xz.

Nothing that an archive says is believed. Names are checked before a file is made; bytes are counted while they are
unpacked, whatever the headers promise; links, devices and encrypted files are refused; permissions and owners are
ignored. An archive is read as a stream and never held in memory; all of it is paid for from one budget.
"""

import bz2
import contextlib
import gzip
import itertools
import logging
import lzma
import shutil
import stat
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, Self

from components.contract.errors import ArchiveError
from components.contract.foreign.confinement import UnsafeNameError, checked_name, is_tool_file, within
from components.contract.system.atomic_files import new_folder
from components.contract.system.budget import MAX_MEMBERS, Budget, PacedFile, open_regular

log = logging.getLogger(__name__)

SUFFIXES: Final = (".tar.bz2", ".tar.gz", ".tar.xz", ".tar", ".tbz2", ".tgz", ".txz", ".zip")

MAX_SKIPPED: Final = 10_000
"""Of so many files and folders that are not unpacked the names are kept."""
SMALL_BYTES: Final = 2**30
MAX_RATIO: Final = 200
"""How many times its own size an archive may unpack to, where that is more than SMALL_BYTES. Photos hardly shrink and
plain scans shrink tenfold; a bomb grows a thousandfold."""

MAX_HEADER_BYTES: Final = 2**20
"""What may stand between two files of a tar. Long names take some hundred bytes; more is made to fill the memory."""

MAX_HEADERS: Final = 50
"""How many headers may follow each other before a file of a tar; two or three are usual."""

MAX_NAME_BYTES: Final = 4096
MAX_NAME_DEPTH: Final = 64

MAX_DIRECTORY_BYTES: Final = 2**28
"""Of a zip's list of its files, which is read whole: 268 bytes for each of MAX_MEMBERS files."""

ZIP_HEADER_BYTES: Final = 30
"""Of the header before each file of a zip, without its name."""

MAX_XZ_MEMORY: Final = 2**28
"""The highest preset of xz takes 65 MiB; dictionaries of gigabytes are possible."""

SPARE_BYTES: Final = 500 * 10**6
"""Left free on the disk, so that what runs can still write."""

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
            raise ArchiveError(
                f"The archive {archive} must unpack into {target.parent}; it cannot: {error.strerror or error}."
            ) from None


def _unpack(archive: Path, folder: Path, skipped: set[str] | None) -> int:
    num_files, next_note = 0, time.monotonic() + PROGRESS_SECONDS
    places: dict[str, Path] = {}
    for member in members(archive, shutil.disk_usage(folder).free - SPARE_BYTES, skipped):
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


def members(archive: Path, room_bytes: int | None = None, skipped: set[str] | None = None) -> Iterator[Member]:
    """The members of an archive, one after another, each checked.

    Args:
        archive: a zip or tar.
        room_bytes: what the content may take on the disk; None when it is not kept.
        skipped: as of `extract`.

    Raises:
        ArchiveError: as `extract`, as soon as the fault is met.
    """
    with _explaining(archive):
        budget = _budget(archive, archive.stat().st_size, room_bytes)
    seen: set[str] = set()
    folders: set[str] = set()
    for member in _walk(archive, budget):
        budget.spend(num_members=1, memory_bytes=200)
        _check_length(member.name, budget)
        name = _checked(member.name, archive)
        if not name:
            continue  # the folder itself, as in `./`
        num_before = len(folders)
        folders.update(itertools.accumulate(name.split("/")[:-1], "{}/{}".format))
        new_folders = len(folders) - num_before
        if len(folders) > MAX_MEMBERS:
            raise budget.exceeded(f"hold at most {MAX_MEMBERS:,} folders", "it holds more")
        budget.spend(memory_bytes=(1 + new_folders) * len(name))
        tool = next((depth for depth, part in enumerate(name.split("/")) if is_tool_file(part)), None)
        if tool is not None:
            if skipped is not None and len(skipped) < MAX_SKIPPED:
                skipped.add("/".join(name.split("/")[: tool + 1]))
            continue
        if member.chunks is not None:
            if name in seen:
                raise ArchiveError(
                    f"The archive {archive} must hold each file once; it holds {name!r} twice. Make it again."
                )
            seen.add(name)
        yield Member(name, member.chunks)


def _budget(archive: Path, num_bytes: int, room_bytes: int | None) -> Budget:
    """What an archive of a size may cost."""
    advice = "If you trust it, unpack it yourself and give the folder."
    max_bytes, basis = max(SMALL_BYTES, MAX_RATIO * num_bytes), f", {MAX_RATIO} times its size"
    if max_bytes == SMALL_BYTES:
        basis += f" or {SMALL_BYTES / 1e9:.1f} GB"
    if room_bytes is not None and room_bytes < max_bytes:
        max_bytes, basis = max(0, room_bytes), " when unpacked, for which the disk has room"
        advice = "Make room on the disk."
    return Budget(
        f"The archive {archive}", advice, max_bytes=max_bytes, max_members=MAX_MEMBERS, basis=basis, error=ArchiveError
    )


def _check_length(name: str, budget: Budget) -> None:
    if len(name.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES or name.count("/") >= MAX_NAME_DEPTH:
        raise budget.exceeded(
            f"have names of at most {MAX_NAME_BYTES:,} bytes and {MAX_NAME_DEPTH} folders", f"{name[:60]!r}… is longer"
        )


def _walk(archive: Path, budget: Budget) -> Iterator[Member]:
    with _explaining(archive), open_regular(archive) as file:
        magic = file.read(6)
        file.seek(0)
        yield from (
            _walk_zip(file, archive, budget)
            if magic.startswith(b"PK")
            else _walk_tar(PacedFile(file, budget), magic, archive, budget)
        )


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
def _explaining(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*_BROKEN, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).rstrip(".")
        raise ArchiveError(
            f"The archive {archive} must be an intact zip or tar; it cannot be read: {reason}. "
            "Make or copy it again, or unpack it yourself and give the folder."
        ) from None


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
    return ArchiveError(
        f"The archive {archive} must hold plain files and folders only; {name!r} is {what}. "
        "Unpack it yourself and give the folder."
    )


def _read(archive: Path, open_file: Callable[[], IO[bytes]], spend: Callable[[int], None]) -> Iterator[bytes]:
    with _explaining(archive), open_file() as file:
        while chunk := file.read(CHUNK_BYTES):
            spend(len(chunk))
            yield chunk


def _walk_zip(file: IO[bytes], path: Path, budget: Budget) -> Iterator[Member]:
    with zipfile.ZipFile(_DirectoryFile(file, budget)) as archive:
        _refuse_overlaps(archive.infolist(), path)
        for info in archive.infolist():
            # Zip files made on Windows may separate by backslashes; zipfile cuts a name at a zero byte.
            name = info.orig_filename if "\0" in info.orig_filename else info.filename.replace("\\", "/")
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refuse(path, name, "a link" if kind == stat.S_IFLNK else "a device or pipe")
            if info.flag_bits & 1:
                raise _refuse(path, name, "encrypted")
            if name.endswith("/"):
                yield Member(name, None)
            elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # zipfile decompresses the others without a limit for the memory.
                raise _refuse(path, name, "compressed in another way than deflate, which zip programs call normal")
            else:
                yield Member(name, partial(_read, path, partial(archive.open, info), budget.spend))


class _DirectoryFile(PacedFile):
    """What zipfile reads from: it asks for the list of files at once, and holds it whole."""

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise self._budget.exceeded(
                f"list its files in at most {MAX_DIRECTORY_BYTES:,} bytes", f"its list has {size:,}"
            )
        content = super().read(size)
        num_entries = content.count(b"PK\1\2") if content.startswith(b"PK\1\2") else 0
        if num_entries > MAX_MEMBERS:
            raise self._budget.exceeded(f"hold at most {MAX_MEMBERS:,} files", f"it lists {num_entries:,}")
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


def _walk_tar(file: PacedFile, magic: bytes, path: Path, budget: Budget) -> Iterator[Member]:
    opener = next((opener for start, opener in _UNPACKERS.items() if magic.startswith(start)), None)
    stream = _TarStream(opener(file, budget) if opener else file, path, budget)
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictHeader) as archive:  # type: ignore[call-overload]
        while (header := archive.next()) is not None:
            if not 0 <= header.size <= budget.max_bytes:  # tarfile steps over it block by block, past the end too
                raise budget.exceeded(
                    f"hold at most {budget.max_bytes:,} bytes{budget.basis}",
                    f"{header.name!r} announces {header.size:,}",
                )
            stream.allow(header.size + MAX_HEADER_BYTES)
            if header.isdir():
                yield Member(header.name, None)
            elif header.isreg() and not header.issparse():
                yield Member(header.name, partial(_read, path, partial(_content, archive, header), _paid))
            else:
                kind = "a link" if header.issym() or header.islnk() else "a device, a pipe or a sparse file"
                raise _refuse(path, header.name, kind)
            archive.members.clear()  # tarfile would keep every header


def _paid(num_bytes: int) -> None:
    """The bytes of a tar are counted as they come from the stream, those of files that nobody reads too."""


def _content(archive: tarfile.TarFile, header: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(header)
    assert file is not None, "only regular files are read"
    return file


class _XzFile:
    """Decompresses xz with a limit for the memory, which lzma.open does not take."""

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
                    raise EOFError("the compressed data end early")
            try:
                content = self._decompressor.decompress(rest, size)
            except lzma.LZMAError as error:
                if "Memory usage limit" in str(error):
                    raise self._budget.exceeded(
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
    """What tarfile reads from: counts, so that no header can fill the memory."""

    def __init__(self, inner: Any, archive: Path, budget: Budget):
        self._inner = inner
        self._archive = archive
        self._budget = budget
        self._allowance = MAX_HEADER_BYTES
        self._num_headers = 0

    def allow(self, num_bytes: int) -> None:
        """A file was found; so many bytes may be read until the next one."""
        self._allowance = num_bytes
        self._num_headers = 0

    def count_header(self) -> None:
        self._num_headers += 1
        if self._num_headers > MAX_HEADERS:
            raise ArchiveError(
                f"The archive {self._archive} must have at most {MAX_HEADERS} headers before a file; it "
                "has more. Make it again."
            )

    def read(self, size: int) -> bytes:
        chunk: bytes = self._inner.read(size)
        self._budget.spend(num_bytes=len(chunk))
        self._allowance -= len(chunk)
        if self._allowance < 0:
            raise ArchiveError(
                f"The archive {self._archive} must have headers of at most {MAX_HEADER_BYTES:,} bytes; "
                "one is larger. Make it again."
            )
        return chunk


class _StrictHeader(tarfile.TarInfo):
    """A header that is damaged is an error; tarfile takes it for the end and leaves out what follows."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        tarfile_.fileobj.fileobj.count_header()  # type: ignore[attr-defined]
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"damaged or cut off at byte {tarfile_.offset:,} ({error})") from None
