"""The description of an attack by a model file, and the tables of all functions that create hostile files."""

import base64
import marshal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Config = dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """The paths and the port of an attack.

    Attributes:
        folder: the folder in which the hostile file is written.
        marker: the file that hostile code would write.
        port: the local port that hostile code would connect to.
        outside: a folder with `secret.txt` and `secret.h5`, which must neither be read into a model nor change.
    """

    folder: Path
    marker: Path
    port: int
    outside: Path

    @property
    def source(self) -> str:
        """Returns a program that writes the marker and connects to the port."""
        return (
            f"__import__('pathlib').Path({str(self.marker)!r}).write_text('ran') or "
            f"__import__('socket').create_connection(('127.0.0.1', {self.port}))"
        )

    @property
    def code(self) -> str:
        """Returns `source` as a marshaled function, in the form in which Keras stores a Lambda."""
        function = eval(f"lambda x: ({self.source}) and x")
        return base64.b64encode(marshal.dumps(function.__code__)).decode()

    @property
    def function(self) -> Config:
        return {"class_name": "__lambda__", "config": {"code": self.code, "defaults": None, "closure": None}}


Maker = Callable[[Attack], Path]
HOSTILE: dict[str, tuple[Maker, str]] = {}
"""Name → the function that creates the file, and words that the error must contain."""


COMPILED: dict[str, Maker] = {}
"""Name → a function that creates a file with code in its compile settings, which the import removes unread."""


def compiled(maker: Maker) -> Maker:
    """Adds a function to COMPILED."""
    COMPILED[maker.__name__] = maker
    return maker


def hostile(reason: str) -> Callable[[Maker], Maker]:
    """Adds a function to HOSTILE; the error for the file that it creates must contain `reason`."""

    def add(maker: Maker) -> Maker:
        HOSTILE[maker.__name__] = (maker, reason)
        return maker

    return add
