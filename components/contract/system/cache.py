"""The cache of results that can be recomputed, shared by all runs: `.darkroom/cache`, or DARKROOM_CACHE.

It also contains the checkpoints of training runs, unless DARKROOM_CHECKPOINTS is set.
"""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from components.contract.errors import ArtifactError, ParamsError
from components.contract.system.waiting import is_in_pod

HOME: Final = Path(".darkroom")
"""The folder in the working folder that contains everything that Darkroom keeps between runs."""

CACHE_VARIABLE: Final = "DARKROOM_CACHE"
LIMIT_VARIABLE: Final = "DARKROOM_CACHE_GB"
LIMIT_GB: Final = 20.0
CHECKPOINTS_VARIABLE: Final = "DARKROOM_CHECKPOINTS"


def cache_dir() -> Path:
    """The cache folder; it need not exist."""
    return Path(os.environ.get(CACHE_VARIABLE) or HOME / "cache")


def checkpoints_dir() -> Path:
    """The checkpoint folder; it need not exist."""
    return Path(os.environ.get(CHECKPOINTS_VARIABLE) or cache_dir() / "checkpoints")


def require_resumable(folder: Path, error: OSError) -> None:
    """Raises an error for an unwritable folder from which work is resumed, but only if this pod has a volume for it.

    Without such a volume, work continues, but cannot be resumed after an interruption.

    Args:
        folder: a folder in the cache or in DARKROOM_CHECKPOINTS.
        error: why the folder cannot be written.

    Raises:
        ArtifactError: this pod has a volume for the cache or for checkpoints.
    """
    if is_in_pod() and any(os.environ.get(name) for name in (CACHE_VARIABLE, CHECKPOINTS_VARIABLE)):
        raise ArtifactError(
            "The volume from which training resumes after its pod is lost must be "
            f"writable by user {os.getuid()} and group {os.getgid()}; {folder} is not: "
            f"{error.strerror or error}. The Job in k8s/pipelines changes the group of a new volume; see "
            "docs/kubernetes.md, Volumes."
        ) from None


def cache_limit() -> int:
    """The maximum size, in bytes, of all results of one kind; the least recently used results are removed first.

    Raises:
        ParamsError: DARKROOM_CACHE_GB is not a number above 0.
    """
    text = os.environ.get(LIMIT_VARIABLE, str(LIMIT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise ParamsError(f"{LIMIT_VARIABLE} must be a number of GB above 0; it is {text!r}.")
    return int(limit * 1e9)


def evict(files: Mapping[Path, float], used: Collection[Path], remove: Callable[[Path], bool]) -> None:
    """Removes the least recently used files, except those that this run has used, until the rest is within the limit.

    Args:
        files: all files of one kind, with the time of their last use.
        used: the files that this run has used.
        remove: removes a file; returns False if it is still in use.
    """
    sizes = {path: path.stat().st_size for path in files}
    excess = sum(sizes.values()) - cache_limit()
    for path in sorted(sizes, key=files.__getitem__):
        if excess > 0 and path not in used and remove(path):
            excess -= sizes[path]
