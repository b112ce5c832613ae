"""The table of bad photos: each entry has a name, a file and the expected verdict."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class BadPhoto:
    """A file and its expected verdict.

    Attributes:
        suffix: the suffix that such a file usually has.
        make: returns the content of the file.
        verdict: the reason code; None if the file is accepted.
    """

    suffix: str
    make: Callable[[], bytes]
    verdict: str | None


BAD_PHOTOS: Final[dict[str, BadPhoto]] = {}


def add(name: str, suffix: str, verdict: str | None, make: Callable[[], bytes] | bytes) -> None:
    """Adds a file to the table. Its content is created once, when it is first needed."""
    assert name not in BAD_PHOTOS, name
    content = (lambda: make) if isinstance(make, bytes) else make
    BAD_PHOTOS[name] = BadPhoto(suffix, functools.cache(content), verdict)


def needs_heic(name: str) -> bool:
    """Whether creating this file requires the optional extra `heic`."""
    return BAD_PHOTOS[name].suffix == ".heic"
