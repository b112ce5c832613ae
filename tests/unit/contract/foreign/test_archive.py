"""Archives: which are unpacked, and which are refused."""

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contract.errors import ArchiveError
from components.contract.foreign import archive
from components.contract.foreign.archive import extract, is_archive, members, stem

FILES = {"photos/cats/a.jpg": b"a" * 3000, "photos/cats/ä ö.jpg": b"b", "photos/dogs/c.jpg": b"", "LICENSE": b"free"}


def make_zip(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def make_tar(files: dict[str, bytes], extra: tuple[tarfile.TarInfo, ...] = (), mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:  # type: ignore[call-overload]
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            file.addfile(header, io.BytesIO(content))
        for header in extra:
            file.addfile(header)
    return buffer.getvalue()


def tar_header(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, link
    return header


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_archive(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("photos.zip", make_zip(FILES)),
        ("photos.ZIP", make_zip(FILES, zipfile.ZIP_STORED)),
        ("photos.tar", make_tar(FILES)),
        ("photos.tar.gz", gzip.compress(make_tar(FILES))),
        ("photos.tgz", make_tar(FILES, mode="w:gz")),
        ("photos.tar.bz2", bz2.compress(make_tar(FILES))),
        ("photos.tar.xz", lzma.compress(make_tar(FILES))),
    ],
)
def test_every_kind_of_archive_is_unpacked_completely(name: str, content: bytes, tmp_path: Path) -> None:
    path = write_archive(tmp_path, name, content)
    assert is_archive(path)
    assert stem(name) == "photos"
    assert extract(path, tmp_path / "unpacked") == len(FILES)
    assert contents(tmp_path / "unpacked") == FILES


def test_the_kind_of_archive_is_determined_by_its_content(tmp_path: Path) -> None:
    assert extract(write_archive(tmp_path, "photos.zip", make_tar(FILES)), tmp_path / "unpacked") == len(FILES)


def test_empty_folders_are_kept_but_permissions_and_dots_in_names_are_dropped(tmp_path: Path) -> None:
    secret = tarfile.TarInfo("./photos//cats/./a.jpg")
    secret.mode = 0o4777
    path = write_archive(tmp_path, "photos.tar", make_tar({}, (tar_header("./photos/none", tarfile.DIRTYPE), secret)))
    extract(path, tmp_path / "unpacked")
    assert (tmp_path / "unpacked" / "photos" / "none").is_dir()
    assert (tmp_path / "unpacked" / "photos" / "cats" / "a.jpg").stat().st_mode & 0o7111 == 0


def test_backslashes_in_a_zip_separate_folders(tmp_path: Path) -> None:
    content = make_zip({"cats/a.jpg": b"a"}).replace(b"cats/a.jpg", b"cats\\a.jpg")
    extract(write_archive(tmp_path, "photos.zip", content), tmp_path / "unpacked")
    assert contents(tmp_path / "unpacked") == {"cats/a.jpg": b"a"}


OUTSIDE = ["../escaped.jpg", "cats/../../escaped.jpg", "/tmp/escaped.jpg", "C:/escaped.jpg", "..\\escaped.jpg", ".."]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_name_that_leads_outside_is_refused(
    name: str, make: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    path = write_archive(tmp_path, "photos.zip", make({"cats/a.jpg": b"a", name: b"escaped"}))
    with pytest.raises(ArchiveError, match="leads outside"):
        extract(path, tmp_path / "deep" / "unpacked")
    assert list(tmp_path.rglob("*escaped*")) == []
    assert not (tmp_path / "deep" / "unpacked").exists()


def test_a_zero_byte_in_a_name_is_refused(tmp_path: Path) -> None:
    content = make_zip({"cats/aXjpg": b"a"}).replace(b"cats/aXjpg", b"cats/a\0jpg")
    with pytest.raises(ArchiveError, match="leads outside"):
        extract(write_archive(tmp_path, "photos.zip", content), tmp_path / "unpacked")


def zip_of_kind(kind: int) -> bytes:
    info = zipfile.ZipInfo("cats/a.jpg")
    info.create_system, info.external_attr = 3, (kind | 0o644) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def encrypted_zip() -> bytes:
    content = bytearray(make_zip({"cats/a.jpg": b"secret"}))
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (make_tar({}, (tar_header("cats/a.jpg", tarfile.SYMTYPE, "/etc/passwd"),)), "is a link"),
        (make_tar({"b": b""}, (tar_header("cats/a.jpg", tarfile.LNKTYPE, "b"),)), "is a link"),
        (make_tar({}, (tar_header("cats/a.jpg", tarfile.CHRTYPE),)), "is a device"),
        (make_tar({}, (tar_header("cats/a.jpg", tarfile.FIFOTYPE),)), "a pipe"),
        (zip_of_kind(stat.S_IFLNK), "is a link"),
        (zip_of_kind(stat.S_IFIFO), "is a device or pipe"),
        (encrypted_zip(), "is encrypted"),
    ],
)
def test_only_regular_files_are_unpacked(content: bytes, what: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=what):
        extract(write_archive(tmp_path, "photos.zip", content), tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def doubled_zip() -> bytes:
    return make_zip({"cats/a.jpg": b"one", "cats/b.jpg": b"two"}).replace(b"cats/b.jpg", b"cats/a.jpg")


@pytest.mark.parametrize("content", [doubled_zip(), make_tar({"cats/a.jpg": b"1", "cats//a.jpg": b"2"})])
def test_a_duplicate_name_is_rejected(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"'cats/a\.jpg' twice"):
        extract(write_archive(tmp_path, "photos.zip", content), tmp_path / "unpacked")


def test_a_file_with_the_name_of_a_folder_is_rejected(tmp_path: Path) -> None:
    path = write_archive(tmp_path, "photos.tar", make_tar({"cats": b"1", "cats/a.jpg": b"2"}))
    with pytest.raises(ArchiveError, match="Cannot unpack"):
        extract(path, tmp_path / "unpacked")
    assert not (tmp_path / "unpacked").exists()


def test_a_name_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path, "photos.tar", make_tar({"cats/" + "a" * 300 + ".jpg": b"1"}))
    with pytest.raises(ArchiveError, match="too long"):
        extract(path, tmp_path / "unpacked")


@pytest.mark.parametrize("make", [make_zip, lambda files: gzip.compress(make_tar(files))])
def test_a_decompression_bomb_is_stopped_while_it_is_unpacked(
    make: Callable[[dict[str, bytes]], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "SMALL_BYTES", 1_000_000)
    path = write_archive(tmp_path, "photos.zip", make({f"cats/{number}.bmp": bytes(2_000_000) for number in range(5)}))
    assert path.stat().st_size < 20_000
    with pytest.raises(ArchiveError, match="200 times its size"):
        extract(path, tmp_path / "unpacked")
    assert list(tmp_path.iterdir()) == [path]


def test_a_small_archive_may_exceed_the_maximum_ratio(tmp_path: Path) -> None:
    files = {f"cats/{number}.bmp": bytes(500_000) for number in range(4)}
    assert extract(write_archive(tmp_path, "photos.zip", make_zip(files)), tmp_path / "unpacked") == 4


def test_a_header_that_would_fill_the_memory_is_rejected(tmp_path: Path) -> None:
    giant = tarfile.TarInfo("cats/a.jpg")
    giant.pax_headers = {"comment": "x" * 5_000_000}
    with pytest.raises(ArchiveError, match="must have headers of at most"):
        extract(write_archive(tmp_path, "photos.tar.gz", gzip.compress(make_tar({}, (giant,)))), tmp_path / "unpacked")


def test_many_folders_are_accepted(tmp_path: Path) -> None:
    folders = tuple(tar_header(f"cats/{number}", tarfile.DIRTYPE) for number in range(3000))
    assert extract(write_archive(tmp_path, "photos.tar", make_tar(FILES, folders)), tmp_path / "unpacked") == len(FILES)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    with pytest.raises(ArchiveError, match="at most 3 files"):
        extract(write_archive(tmp_path, "photos.zip", make_zip(FILES)), tmp_path / "unpacked")


WHOLE = {"zip": make_zip(FILES), "tar": make_tar(FILES), "tar.gz": gzip.compress(make_tar(FILES))}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_truncated_archive_is_rejected_and_leaves_no_files(kind: str, tmp_path: Path) -> None:
    # The zeros at the end of a tar only mark its end and pad its last record, so they may be missing.
    for length in range(0, len(WHOLE[kind].rstrip(b"\0")) - 600, 97):
        path = write_archive(tmp_path, f"photos.{kind}", WHOLE[kind][:length])
        with pytest.raises(ArchiveError, match="cannot be read as a zip or tar"):
            extract(path, tmp_path / "unpacked")
        assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_header_is_not_treated_as_the_end_of_a_tar(tmp_path: Path) -> None:
    content = bytearray(make_tar(FILES))
    content[content.index(b"photos/dogs")] ^= 1
    with pytest.raises(ArchiveError, match="damaged or truncated"):
        extract(write_archive(tmp_path, "photos.tar", bytes(content)), tmp_path / "unpacked")


def test_a_flipped_bit_in_a_zip_is_detected(tmp_path: Path) -> None:
    content = bytearray(make_zip({"cats/a.jpg": os.urandom(1000)}, zipfile.ZIP_STORED))
    content[500] ^= 1
    with pytest.raises(ArchiveError, match="CRC"):
        extract(write_archive(tmp_path, "photos.zip", bytes(content)), tmp_path / "unpacked")


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"PK", b"\x1f\x8b", b"BZh9"])
def test_a_file_that_is_not_an_archive_is_rejected(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot be read as a zip or tar"):
        extract(write_archive(tmp_path, "photos.tar", content), tmp_path / "unpacked")


@given(
    kind=st.sampled_from(["zip", "tar"]),
    changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_a_damaged_archive_is_unpacked_or_rejected_without_leaving_files(
    kind: str, changes: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(WHOLE[kind])
    for position, value in changes:
        damaged[position % len(damaged)] = value
    folder = tmp_path_factory.mktemp("damaged")
    path = write_archive(folder, "photos", bytes(damaged))
    try:
        extract(path, folder / "unpacked")
    except ArchiveError:
        assert list(folder.iterdir()) == [path]


def test_members_can_be_read_without_unpacking(tmp_path: Path) -> None:
    for kind, content in WHOLE.items():
        path = write_archive(tmp_path, f"photos.{kind}", content)
        contents = {member.name: b"".join(member.chunks()) for member in members(path) if member.chunks}
        assert contents == FILES
        assert [member.name for member in members(path)] == list(FILES)


TOOLS = {
    "pets/.git/config": b"[core]",
    "pets/.git/HEAD": b"ref:",
    "pets/.DVC/config": b"",
    "pets/a/x.dvc": b"outs:",
    "pets/dvc.yaml": b"stages:",
    "pets/.hg/hgrc": b"",
    "pets/.gitattributes": b"* filter=x",
}


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_git_and_dvc_files_are_skipped_and_reported(make: Callable[[dict[str, bytes]], bytes], tmp_path: Path) -> None:
    path = write_archive(tmp_path, "pets.zip", make({"pets/a/1.png": b"1"} | TOOLS))
    skipped: set[str] = set()
    assert extract(path, tmp_path / "unpacked", skipped) == 1
    assert contents(tmp_path / "unpacked") == {"pets/a/1.png": b"1"}
    assert skipped == {"pets/.git", "pets/.DVC", "pets/a/x.dvc", "pets/dvc.yaml", "pets/.hg", "pets/.gitattributes"}
    assert [member.name for member in members(path)] == ["pets/a/1.png"]
