"""Truncated, bit-flipped, random and empty files."""

from pathlib import Path

import numpy as np

from tests.cases.hostile_models.attack import Attack, hostile
from tests.cases.hostile_models.files import honest, legacy_file, network


@hostile("the file is truncated")
def truncated_keras(attack: Attack) -> Path:
    path = honest(attack)
    path.write_bytes(path.read_bytes()[:-200])
    return path


@hostile("cannot be opened")
def truncated_h5(attack: Attack) -> Path:
    path = legacy_file(attack, network())
    path.write_bytes(path.read_bytes()[:3000])
    return path


@hostile("")
def flipped_h5(attack: Attack) -> Path:
    path = legacy_file(attack, network())
    content = bytearray(path.read_bytes())
    content[96:1600:7] = b"\xff" * len(content[96:1600:7])
    path.write_bytes(bytes(content))
    return path


@hostile("begins with")
def random_bytes(attack: Attack) -> Path:
    path = attack.folder / "model.keras"
    path.write_bytes(np.random.default_rng(0).bytes(100_000))
    return path


@hostile("cannot be opened")
def random_bytes_after_the_magic(attack: Attack) -> Path:
    path = attack.folder / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(100_000))
    return path


@hostile("begins with")
def empty_file(attack: Attack) -> Path:
    path = attack.folder / "model.keras"
    path.write_bytes(b"")
    return path
