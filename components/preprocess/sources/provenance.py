"""The origin of the data: its DVC hash and git revision, read from the repository that contains the data."""

import logging
import os
from pathlib import Path
from typing import Any, Final

from components.contract.artifacts.dataset import Source
from components.contract.foreign.documents import read_yaml
from components.contract.foreign.repository import git_revision
from components.contract.system.address import Address
from components.preprocess.sources.remote.addresses import is_remote
from components.preprocess.sources.remote.fetch import origin_of

log = logging.getLogger(__name__)

ORIGIN_VARIABLE: Final = "DARKROOM_ORIGIN"
"""The environment variable with the source as JSON, for containers without the files of git and DVC."""


def find_origin(data: str) -> Source:
    """The source of the data, with its DVC hash and git revision."""
    origin_json = os.environ.get(ORIGIN_VARIABLE)
    if origin_json:
        return Source.model_validate_json(origin_json)
    if is_remote(data):
        return origin_of(data)
    path = Path(data).resolve()
    return Source(uri=Address(data), dvc=dvc_hash(path), git_revision=git_revision(path))


def dvc_hash(path: Path) -> str | None:
    """The hash with which DVC tracks the path or a folder that contains it; None if DVC tracks neither.

    The hash may be in `<name>.dvc` next to the data, or in an output of a stage in `dvc.lock`.
    """
    for tracked in (path, *path.parents):
        pointer = tracked.parent / f"{tracked.name}.dvc"
        for output in _outputs(_read_yaml(pointer)) if pointer.is_file() else []:
            if output.get("path") == tracked.name:
                return _hash_of(output)
        for folder in tracked.parents:
            lock = folder / "dvc.lock"
            stages = _read_yaml(lock).get("stages") if lock.is_file() else None
            for output in (
                output for stage in (stages.values() if isinstance(stages, dict) else ()) for output in _outputs(stage)
            ):
                if folder / str(output.get("path")) == tracked:
                    return _hash_of(output)
        if (tracked / ".dvc").is_dir() or (tracked / ".git").exists():
            break
    return None


def _outputs(stage: object) -> list[dict[str, Any]]:
    """The outputs of a stage or of a .dvc file; an untrusted file may contain values of any type."""
    outputs = stage.get("outs") if isinstance(stage, dict) else None
    return [output for output in outputs if isinstance(output, dict)] if isinstance(outputs, list) else []


def _hash_of(output: dict[str, Any]) -> str | None:
    value = output.get("md5") or output.get("etag") or output.get("checksum")
    return str(value) if value else None


def _read_yaml(path: Path) -> dict[str, Any]:
    """Reads a DVC file; an unreadable file counts as empty."""
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:  # content that is not UTF-8 or not YAML raises a ValueError
        log.warning("%s cannot be read, so its DVC hash is not recorded: %s.", path, error)
        return {}
    return content if isinstance(content, dict) else {}
