"""The names of the files in a zip, which can be stored in several encodings.

A name is read as UTF-8 if it has the UTF-8 flag or is valid UTF-8. Otherwise its Unicode path field (0x7075, Info-ZIP),
which 7-Zip and WinRAR write, is used. All other names are in a code page of the machine that created the zip.
"""

import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from components.contract.foreign.code_pages import detect_code_page

UTF8_FLAG: Final = 0x800
UNICODE_PATH: Final = 0x7075
MARKLESS_ENCODING: Final = "cp437"
"""The encoding that zipfile uses for names without the UTF-8 flag. It maps every byte, so the bytes can be restored."""


@dataclass(frozen=True)
class ZipNames:
    """The names of the files in a zip.

    Attributes:
        names: the names, with forward slashes, in the order of the zip's directory.
        code_page: the guessed code page; None if no guess was necessary.
        example: a name that was decoded with the code page.
    """

    names: list[str]
    code_page: str | None = None
    example: str = ""


def read_names(infos: Sequence[zipfile.ZipInfo], encoding: str | None = None) -> ZipNames:
    """Decodes the names of the files.

    Args:
        infos: the entries of the zip, from zipfile.
        encoding: the encoding of names that are not marked as Unicode. If None, it is UTF-8 if all of them are valid
            UTF-8; otherwise, it is guessed.

    Raises:
        UnicodeDecodeError: a name is not valid in `encoding`.
    """
    names = [_marked_name(info) for info in infos]
    raw_names = {place: _raw_name(infos[place]) for place, name in enumerate(names) if name is None}
    code_page = None
    if encoding is None and raw_names:
        encoding = "utf-8"
        if not all(map(_is_utf8, raw_names.values())):
            parts = {part for raw_name in raw_names.values() for part in raw_name.split(b"/") if not part.isascii()}
            encoding = code_page = detect_code_page(sorted(parts)) or MARKLESS_ENCODING
    for place, raw_name in raw_names.items():
        names[place] = raw_name.decode(encoding or "utf-8")
    # Zip files from Windows may separate folders with backslashes. They are replaced after decoding, because the same
    # byte can be part of a multibyte character.
    slashed_names = [(name or "").replace("\\", "/") for name in names]
    example = slashed_names[next(iter(raw_names))] if raw_names else ""
    return ZipNames(slashed_names, code_page, example)


def _marked_name(info: zipfile.ZipInfo) -> str | None:
    """The name of a file if it is ASCII or marked as Unicode; otherwise None."""
    if info.flag_bits & UTF8_FLAG or info.orig_filename.isascii():
        return info.orig_filename
    return None if _is_utf8(_raw_name(info)) else _unicode_path(info)


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode(MARKLESS_ENCODING)


def _is_utf8(raw_name: bytes) -> bool:
    try:
        raw_name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """The name in the Unicode path field, if its checksum matches the current name; otherwise None."""
    extra = info.extra
    while len(extra) >= 4:
        kind, num_bytes = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + num_bytes], extra[4 + num_bytes :]
        if kind == UNICODE_PATH and len(field) > 5 and field[0] == 1:
            is_current = struct.unpack("<I", field[1:5])[0] == zlib.crc32(_raw_name(info))
            return field[5:].decode() if is_current and _is_utf8(field[5:]) else None
    return None
