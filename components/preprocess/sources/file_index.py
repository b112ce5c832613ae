r"""Finds the file to which a row of a label file refers: `C:\set\images\cat\1.png`, `gs://bucket/cat/1.png`, `1`.

A name is relative to the folder of the label file or to the folder of the data. If there is no such file, the end of
the name is compared with the ends of the files' paths: a path from another machine may begin differently, and a
relative path may lack a folder. If several files match, none is used, unless exactly one of them is in a folder named
after the label.
"""

import posixpath
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

PHOTO_SUFFIXES: Final = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".heic", ".heif", ".avif"),
)
MAX_PARTS: Final = 6
"""A name with more parts than this must be the complete path relative to the data folder or to the label file's."""

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE: Final = re.compile(r"[A-Za-z]:[/\\]")
_UPLOAD: Final = re.compile(r"/?data/upload/(\d+/)?")
_UPLOAD_MARK: Final = re.compile(r"[0-9a-f]{8}-")
"""Label Studio prefixes the names of uploaded files with eight hexadecimal digits and a hyphen."""

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """The result of the search for a file.

    Attributes:
        name: the path of the file, relative to the data; None if no file or several files match.
        candidates: if several files match, some of them.
    """

    name: str | None
    candidates: tuple[str, ...] = ()


def names_photo(text: str) -> bool:
    """Whether a string has the suffix of a photo's file name or address."""
    parts, _ = split_name(text)
    return bool(parts) and parts[-1].lower().endswith(PHOTO_SUFFIXES)


def split_name(text: str) -> tuple[Parts, bool]:
    """The parts of a name, and whether it is absolute, that is, begins with an address, a drive or a root."""
    path, is_elsewhere = _path_of(text)
    upload = _UPLOAD.match(path)
    if upload is not None:
        path, is_elsewhere = path[upload.end() :], False
    return tuple(part for part in path.replace("\\", "/").split("/") if part not in ("", ".")), is_elsewhere


def _path_of(text: str) -> tuple[str, bool]:
    if "/local-files/" in text and "?d=" in text:
        return unquote(text.split("?d=", 1)[1]), True
    if match := _URL.match(text):
        path = text[match.end() :].partition("/")[2]
        return (unquote(re.split(r"[?#]", path)[0]) if text.startswith("http") else path), True
    if match := _DRIVE.match(text):
        return text[match.end() :], True
    return text, text.startswith(("/", "\\"))


class FileIndex:
    """The files of the data, indexed by name."""

    def __init__(self, names: Iterable[str]):
        """Indexes names that are relative to the data."""
        self._names = frozenset(names)
        self._by_end: dict[tuple[int, bool], dict[Parts, list[str]]] = {}

    def find(self, text: str, *, folder: str = "", label: str | None = None) -> Match:
        """The file to which a row refers.

        Args:
            text: the path in the row.
            folder: the folder of the label file, relative to the data.
            label: the label in the row, which may select one of several matching files.
        """
        beside = f"{folder}/{text}" if folder else text
        for name in (beside, posixpath.normpath(beside), posixpath.normpath(text)):
            if name in self._names:
                return Match(name)
        parts, is_elsewhere = split_name(text)
        if not parts:
            return Match(None)
        *folders, last = parts
        is_stem = not last.lower().endswith(PHOTO_SUFFIXES)
        for name in (last, _UPLOAD_MARK.sub("", last, count=1)):
            for ignore_suffix in (False, True) if is_stem else (False,):
                match = self._find((*folders, name), folder, label, is_elsewhere, ignore_suffix)
                if match.name is not None or match.candidates:
                    return match
        return Match(None)

    def _find(self, parts: Parts, folder: str, label: str | None, is_elsewhere: bool, ignore_suffix: bool) -> Match:
        for place in (posixpath.normpath(posixpath.join(folder, *parts)), posixpath.normpath("/".join(parts))):
            names = self._files(name_key(place), ignore_suffix, 0)
            if len(names) == 1:
                return Match(names[0])
        own_parts = name_key("/".join(part for part in parts if part != ".."))
        for length in range(len(own_parts), 0, -1):
            end = own_parts[-length:]
            is_whole = length == len(own_parts)
            names = [] if is_whole else self._files(end, ignore_suffix, 0)
            if not names and length <= MAX_PARTS and (is_whole or (is_elsewhere and length > 1)):
                names = self._files(end, ignore_suffix, length)
                if len(names) > 1 and label is not None:
                    names = self._files((*name_key(label), *end), ignore_suffix, length + 1) or names
            if names:
                return Match(names[0]) if len(names) == 1 else Match(None, tuple(names[:3]))
        return Match(None)

    def _files(self, end: Parts, ignore_suffix: bool, length: int) -> list[str]:
        """The files whose last `length` parts are `end`; if `length` is 0, the files whose complete path is `end`."""
        if (length, ignore_suffix) not in self._by_end:
            by_end: dict[Parts, list[str]] = {}
            for name in sorted(self._names):
                key = name_key(posixpath.splitext(name)[0] if ignore_suffix else name)
                by_end.setdefault(key[-length:], []).append(name)
            self._by_end[length, ignore_suffix] = by_end
        return self._by_end[length, ignore_suffix].get(end, [])


def name_key(name: str) -> Parts:
    """The form in which names are compared: case and Unicode normalization are ignored, as on Windows and macOS."""
    return tuple(unicodedata.normalize("NFC", name).casefold().split("/"))
