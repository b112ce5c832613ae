"""The table of all bad photos: a file by name, and its verdict."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class BadPhoto:
    """A file, and the verdict that it must get.

    Attributes:
        suffix: of its name, as people would find it.
        make: returns its content.
        verdict: the reason code; None if the file is accepted.
    """

    suffix: str
    make: Callable[[], bytes]
    verdict: str | None


BAD_PHOTOS: Final[dict[str, BadPhoto]] = {}


def add(name: str, suffix: str, verdict: str | None, make: Callable[[], bytes] | bytes) -> None:
    """Adds a file to the table; it is made once, when it is first needed."""
    assert name not in BAD_PHOTOS, name
    content = (lambda: make) if isinstance(make, bytes) else make
    BAD_PHOTOS[name] = BadPhoto(suffix, functools.cache(content), verdict)


def needs_heic(name: str) -> bool:
    """Whether the kind can only be made if the extra is installed."""
    return BAD_PHOTOS[name].suffix == ".heic"
