"""The names of the files in a zip: by its marks if there are any, otherwise in a code page.

A name is UTF-8 if the zip says so, or if all names without a mark are valid; otherwise its Unicode path field (0x7075,
Info-ZIP), which 7-Zip and WinRAR write; otherwise a code page of the machine that made the zip.
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
"""In which zipfile reads names without the flag; it has a sign for each byte, so the bytes can be had back."""


@dataclass(frozen=True)
class ZipNames:
    """The names of the files in a zip.

    Attributes:
        names: with forward slashes, in the order of the list of files.
        code_page: that was guessed; None if nothing had to be guessed.
        example: a name that was read in it.
    """

    names: list[str]
    code_page: str | None = None
    example: str = ""


def read_names(infos: Sequence[zipfile.ZipInfo], encoding: str | None = None) -> ZipNames:
    """The names of the files.

    Args:
        infos: as zipfile reads them.
        encoding: of names without a mark; None: UTF-8 if they all are, otherwise it is guessed.

    Raises:
        UnicodeDecodeError: a name cannot be in the given encoding.
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
    # Zip files made on Windows may separate by backslashes; before decoding, such a byte may be half of a letter.
    slashed_names = [(name or "").replace("\\", "/") for name in names]
    example = slashed_names[next(iter(raw_names))] if raw_names else ""
    return ZipNames(slashed_names, code_page, example)


def _marked_name(info: zipfile.ZipInfo) -> str | None:
    """The name of a file if it is ASCII or the zip says how it is written."""
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
    """The name in the Unicode path field, if that was written for the name as it is."""
    extra = info.extra
    while len(extra) >= 4:
        kind, num_bytes = struct.unpack("<HH", extra[:4])
        field, extra = extra[4 : 4 + num_bytes], extra[4 + num_bytes :]
        if kind == UNICODE_PATH and len(field) > 5 and field[0] == 1:
            is_current = struct.unpack("<I", field[1:5])[0] == zlib.crc32(_raw_name(info))
            return field[5:].decode() if is_current and _is_utf8(field[5:]) else None
    return None
