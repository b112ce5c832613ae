"""Hostile archives: paths that lead outside, links, decompression bombs, archives in archives."""

import json
import struct
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path

from tests.cases.hostile_models.attack import Attack, hostile
from tests.cases.hostile_models.files import honest, layer, network


def _with_member(attack: Attack, name: str | zipfile.ZipInfo, content: bytes = b"out") -> Path:
    path = honest(attack)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, content)
    return path


@hostile("leads outside")
def zip_slip_up(attack: Attack) -> Path:
    return _with_member(attack, "../../marker.txt")


@hostile("leads outside")
def zip_slip_hidden_in_the_middle(attack: Attack) -> Path:
    return _with_member(attack, "a/b/../../../marker.txt")


@hostile("leads outside")
def zip_slip_absolute(attack: Attack) -> Path:
    return _with_member(attack, str(attack.marker))


@hostile("leads outside")
def zip_slip_backslashes(attack: Attack) -> Path:
    return _with_member(attack, zipfile.ZipInfo("..\\..\\marker.txt"))


@hostile("leads outside")
def zip_slip_drive(attack: Attack) -> Path:
    return _with_member(attack, "C:/marker.txt")


@hostile("a link")
def zip_with_a_link(attack: Attack) -> Path:
    info = zipfile.ZipInfo("model.weights.link")
    info.external_attr = 0o120777 << 16
    return _with_member(attack, info, str(attack.outside).encode())


@hostile("a device or pipe")
def zip_with_a_pipe(attack: Attack) -> Path:
    info = zipfile.ZipInfo("pipe")
    info.external_attr = 0o010644 << 16
    return _with_member(attack, info)


@hostile("twice")
def zip_with_a_file_twice(attack: Attack) -> Path:
    path = honest(attack)
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr("config.json", json.dumps(network(layer("Lambda", "evil", "input"), last="evil")))
    return path


@hostile("encrypted")
def zip_encrypted(attack: Attack) -> Path:
    path = honest(attack)
    content = bytearray(path.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(magic)
        content[place + offset] |= 1
    path.write_bytes(bytes(content))
    return path


@hostile("at most 64 files")
def zip_of_many_files(attack: Attack) -> Path:
    path = attack.folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number}", b"")
    return path


def _bomb(path: Path, name: str, num_gib: int) -> Path:
    """Writes a zip of zeros by repeating one compressed block, and returns its path."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(2**26)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = block * (16 * num_gib) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    sizes = struct.pack("<HHIIII", 0, 33, 0, len(data), min(num_gib * 2**30, 2**32 - 1), len(name))[:-2]
    head = struct.pack("<HHH", 20, 0, 8) + sizes
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + head + struct.pack("<HHHHII", 0, 0, 0, 0, 0, 0) + name.encode()
    start = b"PK\x03\x04" + head + struct.pack("<H", 0) + name.encode() + data
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(start), 0)
    path.write_bytes(start + entry + end)
    return path


@hostile("at most")
def zip_bomb(attack: Attack) -> Path:
    return _bomb(attack.folder / "model.keras", "config.json", 3)


@hostile("200 times")
def zip_bomb_of_weights(attack: Attack) -> Path:
    return _bomb(attack.folder / "model.zip", "model.h5", 3)


@hostile("")
def zip_bomb_that_lies(attack: Attack) -> Path:
    path = _bomb(attack.folder / "model.keras", "config.json", 3)
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 3 * 2**30), struct.pack("<I", 100)))
    return path


@hostile("this zip contains")
def zip_in_a_zip_in_a_zip(attack: Attack) -> Path:
    inner = honest(attack)
    for name in ("one.zip", "two.zip"):
        with zipfile.ZipFile(attack.folder / name, "w") as archive:
            archive.write(inner, inner.name)
        inner = attack.folder / name
    return inner


@hostile("another zip")
def zip_in_a_zip_under_another_name(attack: Attack) -> Path:
    with zipfile.ZipFile(attack.folder / "outer.zip", "w") as archive:
        archive.write(honest(attack), "model.h5")
    return attack.folder / "outer.zip"


@hostile("one model")
def zip_of_two_models(attack: Attack) -> Path:
    with zipfile.ZipFile(attack.folder / "outer.zip", "w") as archive:
        for name in ("a.keras", "b.keras"):
            archive.write(honest(attack), name)
    return attack.folder / "outer.zip"


@hostile("begins with")
def tar_archive(attack: Attack) -> Path:
    path = attack.folder / "model.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(honest(attack), "../model.keras")
    return path
