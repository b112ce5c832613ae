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
    """The surroundings of an attack.

    Attributes:
        folder: where the file is written.
        marker: the file that hostile code would write.
        port: the local port that hostile code would connect to.
        outside: a folder with a file `secret.txt` and `secret.h5`, which must neither be read into a model nor change.
    """

    folder: Path
    marker: Path
    port: int
    outside: Path

    @property
    def source(self) -> str:
        """Returns a program that leaves traces."""
        return (
            f"__import__('pathlib').Path({str(self.marker)!r}).write_text('ran') or "
            f"__import__('socket').create_connection(('127.0.0.1', {self.port}))"
        )

    @property
    def code(self) -> str:
        """Returns a marshaled function that leaves traces, in the form in which Keras stores a Lambda."""
        function = eval(f"lambda x: ({self.source}) and x")
        return base64.b64encode(marshal.dumps(function.__code__)).decode()

    @property
    def function(self) -> Config:
        return {"class_name": "__lambda__", "config": {"code": self.code, "defaults": None, "closure": None}}


Maker = Callable[[Attack], Path]
HOSTILE: dict[str, tuple[Maker, str]] = {}
"""By name: the maker, and words that the error must contain."""


COMPILED: dict[str, Maker] = {}
"""Makers of files with code in their compile settings, which are dropped unread."""


def compiled(maker: Maker) -> Maker:
    """Adds a maker to COMPILED."""
    COMPILED[maker.__name__] = maker
    return maker


def hostile(reason: str) -> Callable[[Maker], Maker]:
    """Adds a maker to the table, with words of the reason for rejecting its file."""

    def add(maker: Maker) -> Maker:
        HOSTILE[maker.__name__] = (maker, reason)
        return maker

    return add
