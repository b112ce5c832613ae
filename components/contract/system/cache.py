"""Cache of results that can be computed again, for all runs: `.darkroom/cache`, or DARKROOM_CACHE.

Checkpoints of trainings are also there, or in DARKROOM_CHECKPOINTS.
"""

import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from components.contract.errors import ArtifactError, ParamsError
from components.contract.system.waiting import is_in_pod

HOME: Final = Path(".darkroom")
"""Everything that Darkroom keeps between runs, in the working folder."""

CACHE_VARIABLE: Final = "DARKROOM_CACHE"
LIMIT_VARIABLE: Final = "DARKROOM_CACHE_GB"
LIMIT_GB: Final = 20.0
CHECKPOINTS_VARIABLE: Final = "DARKROOM_CHECKPOINTS"


def cache_dir() -> Path:
    """The folder; it need not exist."""
    return Path(os.environ.get(CACHE_VARIABLE) or HOME / "cache")


def checkpoints_dir() -> Path:
    """The folder of checkpoints; it need not exist."""
    return Path(os.environ.get(CHECKPOINTS_VARIABLE) or cache_dir() / "checkpoints")


def require_resumable(folder: Path, error: OSError) -> None:
    """Called if a folder for resuming work cannot be written. On a cluster the volume exists for that.

    Args:
        folder: in the cache or in DARKROOM_CHECKPOINTS.
        error: why it cannot be written.

    Raises:
        ArtifactError: this pod has a volume for the cache, or for checkpoints.
    """
    if is_in_pod() and any(os.environ.get(name) for name in (CACHE_VARIABLE, CHECKPOINTS_VARIABLE)):
        raise ArtifactError(
            "On a cluster, training resumes from a volume after its pod is lost, so the volume must be "
            f"writable for user {os.getuid()} and group {os.getgid()}; {folder} is not: "
            f"{error.strerror or error}. The Job in k8s/pipelines changes the group of a new volume; see "
            "docs/kubernetes.md, Volumes."
        ) from None


def cache_limit() -> int:
    """How many bytes each kind of result may take; the least recently used are removed first.

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
    """Removes what was used longest ago until the rest is within the limit, but nothing that this run has used.

    Args:
        files: all files of one kind, with the time of their last use.
        used: those of this run.
        remove: removes a file; False if it is still in use.
    """
    sizes = {path: path.stat().st_size for path in files}
    excess = sum(sizes.values()) - cache_limit()
    for path in sorted(sizes, key=files.__getitem__):
        if excess > 0 and path not in used and remove(path):
            excess -= sizes[path]
