"""Checks that untrusted names stay inside a folder; the only module that converts such names to paths.

A name is untrusted if it comes from an archive, a bucket, a table, a repository, a browser or a file from another
machine.
"""

import json
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final

from components.contract.system.budget import open_regular

MAX_PART_BYTES: Final = 255
MAX_NAME_BYTES: Final = 4000
TOOL_FILES: Final = frozenset(
    (
        ".git",
        "git~1",
        ".gitattributes",
        ".gitmodules",
        ".gitconfig",
        ".lfsconfig",
        ".dvc",
        ".dvcignore",
        "dvc.yaml",
        "dvc.lock",
        ".hg",
        ".hgrc",
        ".svn",
        ".bzr",
        ".jj",
        "_darcs",
        "cvs",
    )
)
"""Files and folders that git, DVC and other tools read when they run in the same folder, or above or below it."""
ROOTS_VARIABLE: Final = "DARKROOM_DATA_ROOTS"
"""The environment variable that lists the folders from which data may be read, as a JSON list; set by the studio."""
Roots = tuple[Path, ...] | None
"""The folders from which files may be read; None if any file of this machine may be read."""


class UnsafeNameError(ValueError):
    """A name is invalid or leads outside its folder; the message is the end of a sentence, such as `leads outside`."""


def checked_name(name: str) -> str:
    """The name as a relative path with single slashes, without parts that are `.`.

    Raises:
        UnsafeNameError: the name is absolute, leads upwards, is too long, or is not a valid file name.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if (
        name.startswith(("/", "\\"))
        or re.match(r"[A-Za-z]:[/\\]", name)
        or "\0" in name
        or any(part.strip(" ") == ".." for part in re.split(r"[/\\]", name))
    ):
        raise UnsafeNameError("leads outside")
    if not parts:
        raise UnsafeNameError("is not a file name")
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise UnsafeNameError("contains a control character")
    try:
        encoded = [os.fsencode(part) for part in parts]
    except UnicodeEncodeError:
        raise UnsafeNameError("contains an incomplete Unicode character") from None
    if any(len(part) > MAX_PART_BYTES for part in encoded) or sum(map(len, encoded)) + len(parts) > MAX_NAME_BYTES:
        raise UnsafeNameError("is too long")
    return "/".join(parts)


def within(folder: Path, name: str) -> Path:
    """The path of an untrusted name in a folder.

    Raises:
        UnsafeNameError: as in `checked_name`, or a link in the path leads out of the folder.
    """
    path = folder / checked_name(name)
    if not lies_within(path.parent, [folder]):
        raise UnsafeNameError("leads outside")
    return path


def lies_within(path: Path, roots: Iterable[Path]) -> bool:
    """Whether the path, after following all links, is in one of the folders."""
    try:
        real = path.resolve()
        return any(real.is_relative_to(root.resolve()) for root in roots)
    except (OSError, ValueError, RuntimeError):  # an invalid name, or a loop of links
        return False


def allowed_roots() -> Roots:
    """The folders of this machine from which this process may read data."""
    roots_json = os.environ.get(ROOTS_VARIABLE)
    return None if roots_json is None else tuple(Path(root) for root in json.loads(roots_json))


def open_within(roots: Roots, path: Path) -> BinaryIO:
    """Opens a regular file for reading; if `roots` is not None, the file must be in one of these folders.

    The check applies to the opened file, so changing a link in the meantime has no effect. Opening a pipe does not
    block.

    Raises:
        OSError: the file cannot be opened, is not a regular file, or is outside the roots.
    """
    file = open_regular(path)
    try:
        if roots is not None:
            _check_place(_place(file.fileno(), path), roots)
    except BaseException:
        file.close()
        raise
    return file


def _check_place(place: Path, roots: Iterable[Path]) -> None:
    """Raises an error for a path outside the folders."""
    if not lies_within(place, roots):
        raise PermissionError("it is outside the folders that may be read")


def _place(descriptor: int, path: Path) -> Path:
    """The real path of an open file; without /proc, the resolved path, which must still lead to the same file."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 - Path.readlink does the same
    except OSError:
        real = path.resolve()
        if not os.path.samestat(real.stat(), os.fstat(descriptor)):
            raise PermissionError("it changed while it was being opened") from None
        return real


def is_tool_file(part: str) -> bool:
    """Whether a part of a path names a tool's file on any file system; some systems ignore case or trailing dots."""
    plain = "".join(char for char in part.casefold() if unicodedata.category(char) != "Cf").rstrip(". ")
    return plain in TOOL_FILES or plain.endswith(".dvc")
