"""Decides whether a foreign name lies within a folder: the only place where such names become paths.

A name is foreign if an archive, a bucket, a table, a repository, a browser or a file of another machine gives it.
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
"""What git, DVC and other tools read when they are started in or above a folder."""


ROOTS_VARIABLE: Final = "DARKROOM_DATA_ROOTS"
"""Holds the folders that data may be read from, as a JSON list; a studio sets it for itself and its jobs."""

Roots = tuple[Path, ...] | None
"""Folders that files must lie in; None if any file of this machine may be read."""


class UnsafeNameError(ValueError):
    """A name is not that of a file within its folder; the message gives the reason: `leads outside`."""


def checked_name(name: str) -> str:
    """The name as a relative path with single slashes, without `.`.

    Raises:
        UnsafeNameError: it is absolute, leads upwards, is too long, or no file can be called so.
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
    """The path of a foreign name in a folder.

    Raises:
        UnsafeNameError: as `checked_name`; or a link on the way leads out of the folder.
    """
    path = folder / checked_name(name)
    if not lies_within(path.parent, [folder]):
        raise UnsafeNameError("leads outside")
    return path


def lies_within(path: Path, roots: Iterable[Path]) -> bool:
    """Whether the path, all links followed, lies in one of the folders."""
    try:
        real = path.resolve()
        return any(real.is_relative_to(root.resolve()) for root in roots)
    except (OSError, ValueError, RuntimeError):  # a name that no file can have, or links in a circle
        return False


def allowed_roots() -> Roots:
    """The folders that data of this machine may be read from, for this process."""
    roots_json = os.environ.get(ROOTS_VARIABLE)
    return None if roots_json is None else tuple(Path(root) for root in json.loads(roots_json))


def open_within(roots: Roots, path: Path) -> BinaryIO:
    """Opens a regular file for reading; with roots, only one that lies in one of them.

    The check is of the open file, so that a link that is changed meanwhile leads nowhere else. A pipe is not waited
    for.

    Raises:
        OSError: it cannot be opened, is not a regular file, or lies outside.
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
    """Refuses a place outside the folders."""
    if not lies_within(place, roots):
        raise PermissionError("it is outside the folders that may be read")


def _place(descriptor: int, path: Path) -> Path:
    """Where an open file is; without /proc, the path is opened again and must be the same file."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115 Path.readlink resolves nothing more
    except OSError:
        real = path.resolve()
        if not os.path.samestat(real.stat(), os.fstat(descriptor)):
            raise PermissionError("it changed while it was opened") from None
        return real


def is_tool_file(part: str) -> bool:
    """Whether a part of a name is that of a tool's own files, as any file system would read it."""
    plain = "".join(char for char in part.casefold() if unicodedata.category(char) != "Cf").rstrip(". ")
    return plain in TOOL_FILES or plain.endswith(".dvc")
