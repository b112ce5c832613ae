"""The id of a prediction contains the bento's version, so that the model can be found even if nothing is logged.

The parts of the id `4c1f0a9b2d3e-0199f0c2d3e4-5f6a7b8c9d0e` are the bento's version, the milliseconds since 1970, and
random bits; the last two are hexadecimal.
"""

import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime

PATTERN = re.compile(r"([0-9a-z_.-]{1,63})-([0-9a-f]{12})-([0-9a-f]{12})")


@dataclass(frozen=True)
class PredictionId:
    """The content of an id.

    Attributes:
        bento_version: version of the bento that answered.
        created_at: time of the prediction.
    """

    bento_version: str
    created_at: datetime


def new_id(bento_version: str) -> str:
    """Creates an id for a new prediction."""
    return f"{bento_version}-{time.time_ns() // 1_000_000:012x}-{secrets.token_hex(6)}"


def parse_id(text: str) -> PredictionId | None:
    """Parses an id; None if it is invalid."""
    match = PATTERN.fullmatch(text)
    if match is None:
        return None
    version, milliseconds, _ = match.groups()
    try:
        return PredictionId(version, datetime.fromtimestamp(int(milliseconds, 16) / 1000, UTC))
    except (ValueError, OverflowError):  # a year outside the range of datetime
        return None
