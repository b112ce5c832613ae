"""Archives that are designed to exhaust memory, time or the disk are refused with a message."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import resource
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from components.contract.errors import ArchiveError, DataError
from components.contract.foreign import archive, zip_reader
from components.contract.foreign.archive import extract, members
from components.preprocess.sources.probe import probe

MEMORY_BYTES = 300 * 2**20
"""How much the address space of the tests may grow during each attack."""


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Within the block, an attack that exhausts memory raises an error instead of stopping this machine."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def tar_header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header with a correct checksum that declares a given size."""
    info = tarfile.TarInfo(name)
    info.type = kind
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT)[:512])
    header[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def pax_header(**values: object) -> bytes:
    records = b""
    for key, value in values.items():
        record = f" {key}={value}\n".encode()
        length = next(n for n in range(len(record), len(record) + 9) if len(str(n)) + len(record) == n)
        records += str(length).encode() + record
    return tar_header("pax", len(records), b"x") + records.ljust(-(-len(records) // 512) * 512, b"\0")


def refuse(folder: Path, name: str, content: bytes, match: str) -> None:
    """Checks that unpacking and probing the archive raise the error, and leave nothing behind."""
    path = folder / name
    path.write_bytes(content)
    with bounded_memory(), pytest.raises(ArchiveError, match=match):
        extract(path, folder / "unpacked")
    with bounded_memory(), pytest.raises(ArchiveError, match=match):
        probe(str(path))
    assert list(folder.iterdir()) == [path]


SIZES = {
    "larger than the disk": tar_header("a/1.png", 2**62),
    "negative": tar_header("a/1.png", -512),
    "negative, in the extended header": pax_header(size=-1024) + tar_header("a/1.png", 0),
    "larger than the disk, in the extended header": pax_header(size=2**62) + tar_header("a/1.png", 0),
    "huge, for a folder": pax_header(size=2**62) + tar_header("a/", 0, tarfile.DIRTYPE),
    "huge, for an unknown kind of member": tar_header("a/1.png", 2**62, b"Z"),
    "huge, for a sparse file": (
        pax_header(**{"GNU.sparse.map": "0,1", "GNU.sparse.size": 2**60}) + tar_header("a/1.png", 512)
    ),
}


@pytest.mark.parametrize("kind", SIZES)
def test_a_size_that_would_cause_an_endless_loop_is_rejected(kind: str, tmp_path: Path) -> None:
    refuse(tmp_path, "photos.tar", SIZES[kind] + b"x" * 512, "must contain at most 1,073,741,824 bytes.*declares")


def test_a_size_of_zero_in_the_extended_header_is_reported_as_damage(tmp_path: Path) -> None:
    content = pax_header(size=0) + tar_header("a/1.png", 512) + b"x" * 512 + bytes(1024)
    refuse(tmp_path, "photos.tar", content, "cannot be read as a zip or tar")


def test_a_sparse_map_without_an_end_is_reported_as_damage(tmp_path: Path) -> None:
    sparse = pax_header(**{"GNU.sparse.major": 1, "GNU.sparse.minor": 0, "GNU.sparse.realsize": 2**60})
    content = sparse + tar_header("a/1.png", 512) + b"99999999\n" + b"1\n" * 200
    refuse(tmp_path, "photos.tar", content, "cannot be read as a zip or tar")


def test_consecutive_headers_are_counted(tmp_path: Path) -> None:
    content = b"".join(pax_header(comment=number) for number in range(500)) + tar_header("a/1.png", 0)
    refuse(tmp_path, "photos.tar", content, "at most 50 headers before each file")


@pytest.mark.parametrize("dict_size", [2**30, 3 * 2**29])
def test_an_xz_dictionary_of_gigabytes_is_refused(dict_size: int, tmp_path: Path) -> None:
    content = bytearray(lzma.compress(b"x" * 1000, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**20}]))
    assert content[16] == 16, "byte 16 must contain the dictionary size, 1 MiB"
    content[16] = {2**30: 36, 3 * 2**29: 37}[dict_size]
    content[20:24] = struct.pack("<I", zlib.crc32(content[12:20]))
    refuse(tmp_path, "photos.tar.xz", bytes(content), "must unpack in 256 MiB of memory; its dictionary is larger")


def test_an_xz_file_of_several_streams_is_unpacked(tmp_path: Path) -> None:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as file:
        info = tarfile.TarInfo("a/1.png")
        info.size = 300_000
        file.addfile(info, io.BytesIO(os.urandom(300_000)))
    content = tar.getvalue()
    path = tmp_path / "photos.tar.xz"
    path.write_bytes(lzma.compress(content[:9000], preset=3) + bytes(8) + lzma.compress(content[9000:]))
    assert extract(path, tmp_path / "unpacked") == 1


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress, gzip.compress], ids=["bz2", "xz", "gz"])
def test_many_empty_streams_exceed_the_time_limit(
    compress: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget_of = archive._budget
    monkeypatch.setattr(archive, "_budget", lambda *arguments: replace(budget_of(*arguments), start_seconds=0.1))
    stream = compress(b"")
    refuse(tmp_path, "photos.tar", stream * (4_000_000 // len(stream)), "must be read within 0 s")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_methods_without_a_memory_limit_are_refused(method: int, tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as file:
        file.writestr("a/1.png", bytes(2**20))
    refuse(tmp_path, "photos.zip", content.getvalue(), "compressed with a method other than deflate")


def zip_of(names: list[bytes], *, directory_bytes: int | None = None, distance: int = 0) -> bytes:
    """A zip64 of empty files, `distance` bytes apart (0: they overlap); `directory_bytes` can declare a false size."""
    files = b"".join(
        struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name for name in names
    )
    entries = b"".join(
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, number * distance)
        + name
        for number, name in enumerate(names)
    )
    size = directory_bytes or len(entries)
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, len(names), len(names), size, len(files))
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(files) + len(entries), 1)
    return (
        files
        + entries
        + end
        + locator
        + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0)
    )


def test_names_are_counted_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_reader, "MAX_MEMBERS", 1000)
    refuse(
        tmp_path,
        "photos.zip",
        zip_of([b"a/%03d" % number for number in range(1001)], distance=35),
        "at most 1,000 files; it lists 1,001",
    )
    (tmp_path / "photos.zip").write_bytes(zip_of([b"a/%03d" % number for number in range(1000)], distance=35))
    assert (
        sum(
            member.chunks is not None
            for member in archive._walk(tmp_path / "photos.zip", archive._budget(tmp_path / "photos.zip", 10**6, None))
        )
        == 1000
    )


@pytest.mark.proof
def test_two_million_names_are_refused(tmp_path: Path) -> None:
    names = [b"a/%07d" % number for number in range(2_000_000)]
    content = zip_of(names)
    refuse(tmp_path, "photos.zip", content, "at most 1,000,000 files; it lists 2,000,000")


@pytest.mark.parametrize("directory_bytes", [2**40, 2**63])
def test_a_zip_directory_with_a_wrong_size_is_rejected(directory_bytes: int, tmp_path: Path) -> None:
    refuse(tmp_path, "photos.zip", zip_of([b"a/1", b"a/2"], directory_bytes=directory_bytes), "cannot be read as a zip")


def test_a_zip_directory_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_reader, "MAX_DIRECTORY_BYTES", 90)
    refuse(
        tmp_path, "photos.zip", zip_of([b"a/1", b"a/2"], distance=33), "list its files in at most 90 bytes; .* has 98"
    )


def test_files_that_share_bytes_are_refused(tmp_path: Path) -> None:
    refuse(tmp_path, "photos.zip", zip_of([b"a/1", b"a/2"], distance=0), "must not overlap; 'a/1' and 'a/2' do")


@pytest.mark.parametrize("name", ["a/" * 1900 + "1.png", "a/" + "b" * 5000])
def test_names_longer_than_any_system_allows_are_refused(name: str, tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(name, b"")
    refuse(tmp_path, "photos.zip", content.getvalue(), "must have names of at most 4,096 bytes and 64 folders")


def test_implied_folders_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 100)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for number in range(5):
            file.writestr(f"{number}/" * 40 + "1.png", b"")
    refuse(tmp_path, "photos.zip", content.getvalue(), "at most 100 folders")


def test_an_archive_that_does_not_fit_on_the_disk_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "SPARE_BYTES", 2**62)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("a/1.png", b"1")
    path = tmp_path / "photos.zip"
    path.write_bytes(content.getvalue())
    with pytest.raises(ArchiveError, match=r"because the disk has no more space.*Free some disk space"):
        extract(path, tmp_path / "unpacked")


def test_a_huge_member_is_not_kept_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("a/1.png", "w") as member:
        for _ in range(350):
            member.write(bytes(10**6))
    with bounded_memory(), pytest.raises(DataError, match="none of the files checked"):
        probe(str(path))


def test_a_pipe_with_the_name_of_an_archive_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photos.zip")
    with pytest.raises(ArchiveError, match="pipe or device"):
        list(members(tmp_path / "photos.zip"))
