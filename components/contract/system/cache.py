"""Where results that can be made again are kept, for all runs: `.darkroom/cache`, or DARKROOM_CACHE.

The checkpoints of trainings stand there as well, or in DARKROOM_CHECKPOINTS.
"""

import os
from pathlib import Path
from typing import Final

from components.contract.errors import ParamsError

HOME: Final = Path(".darkroom")
"""Holds all that Darkroom keeps between runs, below the working folder."""

CACHE_VARIABLE: Final = "DARKROOM_CACHE"
LIMIT_VARIABLE: Final = "DARKROOM_CACHE_GB"
LIMIT_GB: Final = 20.0
CHECKPOINTS_VARIABLE: Final = "DARKROOM_CHECKPOINTS"


def cache_dir() -> Path:
    """The folder; it need not exist."""
    return Path(os.environ.get(CACHE_VARIABLE) or HOME / "cache")


def checkpoints_dir() -> Path:
    """Where trainings that were interrupted wait; it need not exist."""
    return Path(os.environ.get(CHECKPOINTS_VARIABLE) or cache_dir() / "checkpoints")


def cache_limit() -> int:
    """How many bytes each kind of result may take; what was used longest ago goes first.

    Raises:
        ParamsError: DARKROOM_CACHE_GB is no number above 0.
    """
    text = os.environ.get(LIMIT_VARIABLE, str(LIMIT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise ParamsError(f"{LIMIT_VARIABLE} must be a number of GB above 0; it is {text!r}.")
    return int(limit * 1e9)
