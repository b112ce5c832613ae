"""Untrusted names and paths: which stay within a folder, and which are refused."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.contract.foreign.confinement import (
    UnsafeNameError,
    checked_name,
    is_tool_file,
    lies_within,
    open_within,
    within,
)

OUTSIDE = [
    "/abs",
    "//abs",
    "\\abs",
    "a/../b",
    "..",
    "../a",
    "a/..",
    "a\\..\\b",
    "..\\a",
    "C:/a",
    "c:\\a",
    "a\0b",
    " ../a",
    "a/.. /b",
    "\\\\host\\share",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_lead_outside_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeNameError, match="leads outside"):
        within(tmp_path, name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is not a file name"),
        (".", "is not a file name"),
        ("./", "is not a file name"),
        ("a\nb", "control character"),
        ("a\x1b[2Jb", "control character"),
        ("a\x85b", "control character"),
        ("a/\ud800.png", "an incomplete Unicode character"),
        ("n" * 256, "too long"),
        ("é" * 128, "too long"),
        ("/".join(["n" * 200] * 21), "too long"),
    ],
)
def test_names_that_no_file_can_have_are_refused(name: str, reason: str) -> None:
    with pytest.raises(UnsafeNameError, match=reason):
        checked_name(name)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a//b.png", "a/b.png"),
        ("./a/./b", "a/b"),
        ("...", "..."),
        ("..a/b..", "..a/b.."),
        ("a b/ü.png", "a b/ü.png"),
        ("n" * 255, "n" * 255),
        ("caf\udce9.png", "caf\udce9.png"),
        ("a:b/c", "a:b/c"),
    ],
)
def test_names_within_the_folder_are_kept(name: str, path: str, tmp_path: Path) -> None:
    assert within(tmp_path, name) == tmp_path / path


@given(st.text(st.sampled_from("ab./\\ \0\n:C~é"), max_size=12))
def test_a_checked_name_never_leaves_its_folder(name: str) -> None:
    try:
        path = checked_name(name)
    except UnsafeNameError:
        return
    assert os.path.normpath(f"/folder/{path}").startswith("/folder/")


def test_a_link_to_a_parent_folder_leads_outside(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafeNameError, match="leads outside"):
        within(tmp_path / "in", "link/x.png")
    (tmp_path / "in" / "loop").symlink_to("loop")
    assert not lies_within(tmp_path / "in" / "link", [tmp_path / "in"])


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        ".GIT",
        ".git.",
        "git~1",
        ".g\u200cit",
        ".dvc",
        "photos.dvc",
        "dvc.yaml",
        ".hg",
        ".svn",
        ".gitattributes",
        "CVS",
    ],
)
def test_tool_files_are_recognized_in_any_spelling(name: str) -> None:
    assert is_tool_file(name)


@pytest.mark.parametrize("name", ["git", "a.git", "dvc", ".gitkeep", "photo.png", "gitte"])
def test_other_files_are_not_tool_files(name: str) -> None:
    assert not is_tool_file(name)


def test_only_a_regular_file_within_the_roots_is_opened(tmp_path: Path) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret"
    root.mkdir()
    secret.write_bytes(b"secret")
    (root / "own").write_bytes(b"own")
    (root / "inner").symlink_to("own")
    (root / "link").symlink_to(secret)
    (root / "folder").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    for name in ("own", "inner"):
        with open_within((root,), root / name) as file:
            assert file.read() == b"own"
    for path in (secret, root / "link", root / "folder" / "secret", root / "pipe", Path("/dev/zero"), root):
        with pytest.raises(OSError, match=r"regular file|outside"):
            open_within((root,), path)
    with open_within(None, root / "link") as file:
        assert file.read() == b"secret", "without roots, every file must be readable"


def test_a_link_switched_to_an_outside_file_while_being_opened_does_not_expose_it(tmp_path: Path) -> None:
    """The link alternates between a file in the root and a secret file outside it, which must never be read."""
    import threading

    root, secret = tmp_path / "root", tmp_path / "secret"
    root.mkdir()
    secret.write_bytes(b"secret")
    (root / "own").write_bytes(b"own")
    stopped = threading.Event()

    def swap() -> None:
        while not stopped.is_set():
            for target in (secret, root / "own"):
                (root / "new").unlink(missing_ok=True)
                (root / "new").symlink_to(target)
                (root / "new").replace(root / "photo")

    swapping = threading.Thread(target=swap)
    swapping.start()
    contents = set()
    try:
        for _ in range(3000):
            try:
                with open_within((root,), root / "photo") as file:
                    contents.add(file.read())
            except OSError:
                contents.add(b"refused")
    finally:
        stopped.set()
        swapping.join()
    assert b"secret" not in contents
    assert b"own" in contents
