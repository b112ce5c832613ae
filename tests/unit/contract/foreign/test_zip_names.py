"""The names of files in zips that were written on systems in many languages."""

import struct
import zlib
from pathlib import Path

import pytest

from components.contract.errors import ArchiveError
from components.contract.foreign.archive import extract
from components.contract.foreign.code_pages import detect_code_page


def write_zip(path: Path, names: list[bytes], flags: int = 0, extras: dict[bytes, bytes] | None = None) -> Path:
    """Writes a zip of files, each of which contains its own raw name."""
    body, directory = b"", b""
    for name in names:
        extra = (extras or {}).get(name, b"")
        head = struct.pack("<HHHHHIIIHH", 20, flags, 0, 0, 0x5A21, zlib.crc32(name), *(2 * [len(name)]), len(name), 0)
        central = head[:-2] + struct.pack("<H", len(extra))
        directory += b"PK\1\2" + struct.pack("<H", 20) + central + struct.pack("<HHHII", 0, 0, 0, 0, len(body))
        directory += name + extra
        body += b"PK\3\4" + head + name + name
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(directory), len(body), 0)
    path.write_bytes(body + directory + end)
    return path


def unicode_path(raw_name: bytes, name: str, crc: int | None = None) -> bytes:
    field = b"\1" + struct.pack("<I", zlib.crc32(raw_name) if crc is None else crc) + name.encode()
    return struct.pack("<HH", 0x7075, len(field)) + field


def unpack(archive: Path, encoding: str | None = None) -> tuple[set[str], list[str]]:
    notices: list[str] = []
    folder = archive.parent / "unpacked"
    extract(archive, folder, zip_encoding=encoding, notices=notices)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}, notices


CODE_PAGES = [
    ("cp850", ["Äpfel", "Nüsse"]),
    ("cp850", ["café", "pâté"]),
    ("cp1252", ["Äpfel", "Nüsse"]),
    ("cp1252", ["Größe", "Straße"]),
    ("cp1252", ["maçã", "limão"]),
    ("gbk", ["苹果", "香蕉"]),
    ("gbk", ["猫", "狗"]),
    ("gbk", ["厨余垃圾", "可回收物", "有害垃圾"]),
    ("cp932", ["りんご", "ソース"]),
    ("cp932", ["猫", "犬"]),
    ("cp932", ["表", "能", "十"]),  # the second byte of each character is that of a backslash
    ("cp949", ["고양이", "강아지"]),
    ("big5", ["蘋果", "香蕉"]),
    ("big5", ["良品", "功"]),
    ("cp866", ["кошка", "собака"]),
    ("cp1251", ["кошка", "собака"]),
    ("cp1251", ["Трещина", "Царапина"]),
    ("cp852", ["żółw", "jeż"]),
    ("cp1250", ["róża", "słonecznik"]),
    ("cp1253", ["γάτα", "σκύλος"]),
    ("cp1254", ["ağaç", "çiçek"]),
    ("cp1255", ["חתול", "כלב"]),
    ("cp1256", ["قطة", "كلب"]),
    ("cp874", ["แมว", "หมา"]),
]


@pytest.mark.parametrize(("encoding", "class_names"), CODE_PAGES)
def test_names_in_a_code_page_are_read_and_the_guess_is_reported(
    encoding: str, class_names: list[str], tmp_path: Path
) -> None:
    names = [f"{name}/{number}.png" for name in class_names for number in range(2)]
    archive = write_zip(tmp_path / "photos.zip", [name.encode(encoding) for name in names])
    unpacked_names, notices = unpack(archive)
    assert unpacked_names == set(names)
    assert [encoding in notice and names[0] in notice and "was guessed" in notice for notice in notices] == [True]


@pytest.mark.parametrize("name", ["Äpfel/1.png", "苹果/1.png", "りんご/1.png", "apple/1.png"])
@pytest.mark.parametrize("flags", [0, 0x800])
def test_utf_8_names_need_no_guess_with_or_without_the_utf_8_flag(name: str, flags: int, tmp_path: Path) -> None:
    assert unpack(write_zip(tmp_path / "photos.zip", [name.encode()], flags)) == ({name}, [])


def test_a_unicode_path_is_used_if_its_checksum_matches_the_name(tmp_path: Path) -> None:
    name = "猫/1.png"
    raw_name = name.encode("cp932")
    archive = write_zip(tmp_path / "a.zip", [raw_name], extras={raw_name: unicode_path(raw_name, name)})
    assert unpack(archive) == ({name}, [])
    stale_field = unicode_path(raw_name, "dog/1.png", crc=1)
    archive = write_zip(tmp_path / "b.zip", [raw_name, "犬/1.png".encode("cp932")], extras={raw_name: stale_field})
    (tmp_path / "unpacked").rename(tmp_path / "before")
    assert unpack(archive)[0] == {"猫/1.png", "犬/1.png"}


@pytest.mark.parametrize("path", ["../out.png", "/etc/out.png", "a/../../out.png", "C:/out.png"])
def test_a_unicode_path_that_leads_outside_is_refused(path: str, tmp_path: Path) -> None:
    raw_name = b"\x94L/1.png"
    archive = write_zip(tmp_path / "a.zip", [raw_name], extras={raw_name: unicode_path(raw_name, path)})
    with pytest.raises(ArchiveError, match="leads outside"):
        unpack(archive)
    assert list(tmp_path.rglob("*.png")) == []


def test_an_explicit_code_page_is_used_without_a_notice(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "photos.zip", ["kočka/1.png".encode("cp1250")])
    assert unpack(archive, "cp1250") == ({"kočka/1.png"}, [])


def test_an_invalid_code_page_is_rejected(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "photos.zip", ["Äpfel/1.png".encode("cp1252")])
    with pytest.raises(ArchiveError, match=r"must be valid in the code page ascii; .* Set another"):
        unpack(archive, "ascii")


def test_backslashes_separate_folders_only_after_decoding(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "photos.zip", ["ソース\\1.png".encode("cp932"), b"nut\\2.png"])
    assert unpack(archive)[0] == {"ソース/1.png", "nut/2.png"}


def test_a_code_page_is_guessed_for_any_bytes() -> None:
    assert detect_code_page([bytes(range(128, 256))])
    assert detect_code_page([b"\xff"])
    assert detect_code_page([b"\x81"])
