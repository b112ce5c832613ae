"""Writes outputs completely or not at all, by writing to a temporary path next to the target and then renaming it."""

import contextlib
import csv
import ctypes
import errno
import fcntl
import glob
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from components.contract.errors import ArtifactError, DarkroomError
from components.contract.system.budget import read_regular
from components.contract.system.disk_space import FULL, SMALL_SPACE, free_bytes, free_text
from components.contract.system.posix import try_lock
from components.contract.text import json_text
from components.contract.validation_messages import explain

MAX_JSON_BYTES: Final = 2**28
"""The size limit for JSON files that steps write; with a thousand classes, they have a few megabytes."""
NOT_WRITABLE: Final = (*FULL, errno.EROFS, errno.EACCES, errno.EPERM)
"""System errors for an output that cannot be written, for a reason that the user can fix."""
MAX_NAME_BYTES: Final = 200
"""The maximum length of a name to which a suffix is added; file systems allow 255 bytes."""
DEVICE_FOLDERS: Final = (Path("/dev"), Path("/dev/fd"))
"""Entries of these folders count as devices even if they lead to a regular file, as a redirected /dev/stdout does."""
RENAME_EXCHANGE: Final = 2
AT_FDCWD: Final = -100


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder to write into; it becomes `target` when the block ends without an error.

    An earlier `target` remains until then, and is replaced in one move. After an error, or if the process is killed,
    `target` is unchanged. A killed process leaves a folder `.<target>.partial-*`, which the next writer of the same
    target removes. Each writer holds a lock on its temporary folder, so several can write the target in parallel; the
    last to finish wins.

    Raises:
        ArtifactError: the target cannot be written, or is a device, or the disk is full.
    """
    with contextlib.ExitStack() as stack:
        try:
            if _is_device(target):
                raise ArtifactError(
                    f"{target} must be a folder; it is a device or a pipe. Choose another output folder."
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_remains(target)
            partial = stack.enter_context(_locked_folder(target))
            partial.chmod(0o755)
        except OSError as error:
            raise ArtifactError(f"The output folder {target} cannot be written: {error}.") from None
        try:
            yield partial
            _replace(partial, target)
        except BaseException as error:
            refusal = _write_error(error, target, partial)
            shutil.rmtree(partial, ignore_errors=True)
            if refusal is not None:
                raise refusal from error
            raise


@contextlib.contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """A temporary folder next to the target, for files that will be moved to the target; removed when the block ends.

    If the process is killed, the next writer of the same target removes the folder.

    Raises:
        OSError: the folder cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_remains(target)
    with _locked_folder(target) as scratch:
        try:
            yield scratch
        finally:
            _remove(scratch)


def remove_all_remains(folder: Path) -> None:
    """Removes the partial outputs that killed writers left in a folder that belongs to Darkroom, for all targets."""
    for remains in folder.glob(".*.partial-*"):
        _remove_abandoned(remains)


def remove_remains(target: Path) -> None:
    """Removes partial outputs of killed writers of this target, but not those of running processes.

    Raises:
        OSError: the folder of the target cannot be read.
    """
    for remains in target.parent.glob(f"{glob.escape(_prefix(target))}*"):
        _remove_abandoned(remains)


def _write_error(error: BaseException, target: Path, partial: Path) -> ArtifactError | None:
    """The error to report if the target could not be written for a reason that the user can fix; otherwise None."""
    if isinstance(error, DarkroomError) or not isinstance(error, Exception):
        return None
    number = error.errno if isinstance(error, OSError) else None
    num_free = free_bytes(target.parent)
    if number in FULL or (num_free is not None and num_free < SMALL_SPACE):
        num_needed = sum(path.lstat().st_size for path in partial.rglob("*"))
        return ArtifactError(
            f"The disk is too full for {target} and its temporary files: {error}. "
            f"They need more than {num_needed / 1e6:,.1f} MB{free_text(target.parent)}. Free some space "
            "and run the step again."
        )
    if number in NOT_WRITABLE and str(partial) in str(getattr(error, "filename", "")):
        return ArtifactError(f"The output folder {target} cannot be written: {error}.")
    return None


def _prefix(target: Path) -> str:
    """The prefix of the names of partial outputs; a long name is truncated to MAX_NAME_BYTES."""
    return f".{os.fsdecode(os.fsencode(target.name)[:MAX_NAME_BYTES])}.partial-"


@contextlib.contextmanager
def _locked_folder(target: Path) -> Iterator[Path]:
    """A new, empty folder next to the target, with a lock that the system releases when this process ends."""
    while True:
        partial = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
        try:
            lock = os.open(partial, os.O_RDONLY)
        except FileNotFoundError:  # before the lock, another writer took it for abandoned and removed it
            continue
        try:
            if try_lock(lock) and _is_same(partial, lock):
                yield partial
                return
        finally:
            os.close(lock)


@contextlib.contextmanager
def _locked_file(target: Path) -> Iterator[IO[bytes]]:
    """A new file next to the target, locked like the folder of `_locked_folder`."""
    while True:
        file = tempfile.NamedTemporaryFile(dir=target.parent, prefix=_prefix(target), delete=False)  # noqa: SIM115
        with file:
            if try_lock(file.fileno()) and _is_same(Path(file.name), file.fileno()):
                yield file
                return


def _remove_abandoned(path: Path) -> None:
    """Removes a partial output if its writer no longer runs; on a file system without locks, the output is kept.

    The lock is held during the removal: a writer that has just created the output finds it locked or missing, and tries
    again.
    """
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    except OSError:
        return
    finally:
        os.close(lock)


def _is_device(target: Path) -> bool:
    """Whether the target is a device or a pipe, which a rename would replace: for root, even /dev/null."""
    is_other = target.exists() and not target.is_file() and not target.is_dir()
    return is_other or target.parent in DEVICE_FOLDERS


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def write_file(target: Path, content: bytes) -> None:
    """Writes a file completely or not at all; a device or a pipe is written to directly.

    Raises:
        OSError: the file cannot be written, or the disk is full.
    """
    if _is_device(target):
        target.write_bytes(content)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_remains(target)
    with _locked_file(target) as file:
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
    """Writes indented JSON with a final newline."""
    if isinstance(content, BaseModel):
        content = content.model_dump(mode="json")
    write_file(target, (json_text(content, indent=2, allow_nan=False) + "\n").encode())


def write_csv(target: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a table in UTF-8, with a header. If a spreadsheet may open it, pass untrusted names through `csv_cell`."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    write_file(target, text.getvalue().encode())


ModelT = TypeVar("ModelT", bound=BaseModel)


def read_json(path: Path, model: type[ModelT], artifact_name: str) -> ModelT:
    """Reads and validates a JSON file that an earlier step wrote.

    Args:
        path: the file.
        model: the class of the record that the file must contain.
        artifact_name: what the folder is called in messages, such as "data set" or "model bundle".

    Raises:
        ArtifactError: the file is missing or damaged, or has an unsupported format version.
    """
    try:
        return model.model_validate_json(read_regular(path, MAX_JSON_BYTES))
    except FileNotFoundError:
        raise ArtifactError(
            f"The {artifact_name} must contain {path.name}; it is missing in {path.parent}. Run the step that writes "
            "it."
        ) from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from None
    except ValidationError as error:
        raise ArtifactError(
            f"The {artifact_name} is damaged, or from another version of Darkroom; create it again.\n"
            f"{explain(error, model, str(path))}"
        ) from None


def _replace(partial: Path, target: Path) -> None:
    """Replaces an earlier folder in one move, so that a killed process leaves either the old or the new folder."""
    while not _exchange(partial, target):
        try:
            partial.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            with _locked_folder(target) as old:  # the file system cannot swap, or another writer was faster
                with contextlib.suppress(FileNotFoundError):
                    target.rename(old / "earlier")
                _remove(old)
        else:
            return
    _remove(partial)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _exchange(first: Path, second: Path) -> bool:
    """Atomically swaps two paths; returns False and does nothing if the system or the file system cannot do this."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    result: int = rename(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), RENAME_EXCHANGE)
    return result == 0


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
