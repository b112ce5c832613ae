"""The id of a prediction names the bento that made it, so that it leads back to the model even where nothing is kept.

`4c1f0a9b2d3e-0199f0c2d3e4-5f6a7b8c9d0e`: the bento's version, milliseconds since 1970, and chance, in hexadecimal.
"""

import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

PATTERN = re.compile(r"([0-9a-z_.-]{1,63})-([0-9a-f]{12})-([0-9a-f]{12})")


@dataclass(frozen=True)
class PredictionId:
    """What an id says.

    Attributes:
        bento_version: of the bento that answered.
        time: when.
    """

    bento_version: str
    created_at: datetime


def new_id(bento_version: str) -> str:
    """An id for a prediction made now."""
    return f"{bento_version}-{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(6)}"


def parse_id(text: str) -> PredictionId | None:
    """What an id says; None if the text is none."""
    match = PATTERN.fullmatch(text)
    if match is None:
        return None
    version, milliseconds, _ = match.groups()
    try:
        return PredictionId(version, datetime.fromtimestamp(int(milliseconds, 16) / 1000, UTC))
    except (ValueError, OverflowError):  # a year that no calendar has
        return None
