"""An attack by a model file, and the table of all makers of hostile files."""

import base64
import marshal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Config = dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """Where an attack is made.

    Attributes:
        folder: where the file goes.
        marker: the file that hostile code would write.
        port: where it would connect to on this machine.
        outside: a folder with a file `secret.txt` and `secret.h5`, which must neither be read into a model nor change.
    """

    folder: Path
    marker: Path
    port: int
    outside: Path

    @property
    def source(self) -> str:
        """A program that leaves traces."""
        return (
            f"__import__('pathlib').Path({str(self.marker)!r}).write_text('ran') or "
            f"__import__('socket').create_connection(('127.0.0.1', {self.port}))"
        )

    @property
    def code(self) -> str:
        """A marshaled function that leaves traces, as Keras stores a Lambda."""
        function = eval(f"lambda x: ({self.source}) and x")
        return base64.b64encode(marshal.dumps(function.__code__)).decode()

    @property
    def function(self) -> Config:
        return {"class_name": "__lambda__", "config": {"code": self.code, "defaults": None, "closure": None}}


Maker = Callable[[Attack], Path]
HOSTILE: dict[str, tuple[Maker, str]] = {}
"""By name: the maker, and words that the refusal must contain."""


COMPILED: dict[str, Maker] = {}
"""Makers of files that hold code in what a model was compiled with, which is dropped unread."""


def compiled(maker: Maker) -> Maker:
    """Adds a maker to COMPILED."""
    COMPILED[maker.__name__] = maker
    return maker


def hostile(reason: str) -> Callable[[Maker], Maker]:
    """Adds a maker to the table, with words of the reason for which its file is refused."""

    def add(maker: Maker) -> Maker:
        HOSTILE[maker.__name__] = (maker, reason)
        return maker

    return add
