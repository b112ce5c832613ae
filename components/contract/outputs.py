"""Outputs that appear whole or not at all: written beside their place, then renamed into it."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from components.contract.budget import read_regular
from components.contract.errors import ArtifactError
from components.contract.faults import explain

MAX_JSON_BYTES: Final = 2**28
"""Of what a step writes as JSON; a thousand classes take some megabytes."""

FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""What the system says where a disk, or a user's share of it, is full."""


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `target` when the block ends without an error.

    An earlier `target` stays until then and is replaced as a whole. After an error, or a kill, `target` is as it was;
    the remains of a kill are named `.<target>.partial-*` and are removed by the next writer of the same target.

    Raises:
        ArtifactError: the place cannot be written, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for remains in target.parent.glob(f".{target.name}.partial-*"):
            shutil.rmtree(remains, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    except OSError as error:
        raise ArtifactError(f"The output folder {target} must be writable; it is not: {error}.") from None
    try:
        partial.chmod(0o755)
        yield partial
        _replace(partial, target)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in FULL:
            raise ArtifactError(f"There must be room for {target}, and for what is written on the way; there is not: "
                                f"{error}. Make room and run the step again.") from error  # fmt: skip
        raise


def write_file(target: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        partial = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            partial.chmod(0o644)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def write_json(target: Path, content: Any) -> None:
    """Writes JSON, readable, with a newline at its end."""
    if isinstance(content, BaseModel):
        content = content.model_dump(mode="json")
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_file(target, (text + "\n").encode())


ModelT = TypeVar("ModelT", bound=BaseModel)


def read_json(path: Path, model: type[ModelT], what: str) -> ModelT:
    """A JSON file that an earlier step wrote, checked.

    Args:
        path: the file.
        model: what it must hold.
        what: what the folder is called, for the message: "data set", "model bundle".

    Raises:
        ArtifactError: missing, damaged, or of another format version.
    """
    try:
        return model.model_validate_json(read_regular(path, MAX_JSON_BYTES))
    except FileNotFoundError:
        raise ArtifactError(f"A {what} must hold {path.name}; there is none in {path.parent}. Run its step.") from None
    except OSError as error:
        raise ArtifactError(f"{path} must be readable; it is not: {error}.") from None
    except ValidationError as error:
        raise ArtifactError(f"The {what} is damaged, or of another version; write it anew.\n"
                            f"{explain(error, model, str(path))}") from None  # fmt: skip


def _replace(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    target.rename(old / target.name)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)
