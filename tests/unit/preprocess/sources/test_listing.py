"""Listing a folder: everything in it is listed or rejected, and nothing makes the listing hang."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.preprocess.sources.listing import as_text, list_folder


def reasons(root: Path) -> dict[str, str | None]:
    return {record.path: record.reason for record in list_folder(root).rejected}


def test_files_and_folders_are_listed_in_order(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/10.jpg", "a/deep/er/1.jpg", "README"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"123")
    (tmp_path / "empty").mkdir()
    listing = list_folder(tmp_path)
    assert ["/".join(file.parts) for file in listing.files] == ["README", "a/deep/er/1.jpg", "b/10.jpg", "b/2.jpg"]
    assert ["/".join(parts) for parts in listing.folders] == ["a", "a/deep", "a/deep/er", "b", "empty"]
    assert {file.num_bytes for file in listing.files} == {3}
    assert listing.rejected == []


def test_hidden_entries_are_reported_and_not_read(tmp_path: Path) -> None:
    (tmp_path / ".git" / "objects").mkdir(parents=True)
    (tmp_path / ".git" / "objects" / "ab.jpg").touch()
    (tmp_path / "__MACOSX" / "cats").mkdir(parents=True)
    (tmp_path / "cats").mkdir()
    for name in ("cats/.DS_Store", "cats/._a.jpg", "cats/Thumbs.db", "cats/a.jpg"):
        (tmp_path / name).touch()
    assert reasons(tmp_path) == dict.fromkeys(
        (".git", "__MACOSX", "cats/.DS_Store", "cats/._a.jpg", "cats/Thumbs.db"), "hidden"
    )
    assert list_folder(tmp_path).folders == [("cats",)]


def test_links_are_followed_but_never_in_cycles(tmp_path: Path) -> None:
    photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    (photos / "cats").mkdir(parents=True)
    elsewhere.mkdir()
    (elsewhere / "real.jpg").write_bytes(b"1")
    (photos / "dogs").symlink_to(elsewhere)
    (photos / "cats" / "a.jpg").symlink_to(elsewhere / "real.jpg")
    (photos / "cats" / "again").symlink_to(photos)
    (photos / "cats" / "self").symlink_to(photos / "cats")
    (photos / "cats" / "b.jpg").symlink_to(photos / "cats" / "b.jpg")
    (photos / "cats" / "c.jpg").symlink_to("nothing")
    listing = list_folder(photos)
    assert ["/".join(file.parts) for file in listing.files] == ["cats/a.jpg", "dogs/real.jpg"]
    assert reasons(photos) == {
        "cats/again": "folder_seen",
        "cats/self": "folder_seen",
        "cats/b.jpg": "unreadable",
        "cats/c.jpg": "unreadable",
    }


def test_links_to_the_same_folder_are_followed_once(tmp_path: Path) -> None:
    for level in range(30):  # 2**30 paths lead to the last folder
        (tmp_path / "all" / str(level)).mkdir(parents=True)
        for way in ("left", "right"):
            (tmp_path / "all" / str(level) / way).symlink_to(tmp_path / "all" / str(level + 1))
    assert len(list_folder(tmp_path / "all").folders) < 100


def test_pipes_are_reported_without_hanging(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photo.jpg")
    assert reasons(tmp_path) == {"photo.jpg": "not_a_file"}


def test_unusual_file_names_are_listed_as_valid_text(tmp_path: Path) -> None:
    names = [b"line\nbreak.jpg", b"not utf-8 \xff\xfe.jpg", "照片 🐈.jpg".encode(), b"a" * 251 + b".jpg", b"-rf"]
    for name in names:
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):  # noqa: PTH118, PTH123 - pathlib rejects bytes
            pass
    files = list_folder(tmp_path).files
    assert len(files) == len(names)
    assert all(file.path.read_bytes() == b"" for file in files)
    assert "not utf-8 \\xff\\xfe.jpg" in {file.parts[0] for file in files}
    assert all(file.parts[0].encode() for file in files)
    assert as_text("plain") == "plain"


@pytest.fixture
def unprivileged_dir() -> Iterator[Path]:
    """A folder for a test that runs as the user nobody if the process is root, because root may read everything."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def test_an_unreadable_folder_is_reported(unprivileged_dir: Path) -> None:
    (unprivileged_dir / "cats").mkdir()
    (unprivileged_dir / "dogs").mkdir(mode=0o700)
    (unprivileged_dir / "dogs").chmod(0o000)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        assert reasons(unprivileged_dir) == {"dogs": "unreadable"}
    finally:
        if root:
            os.seteuid(0)
