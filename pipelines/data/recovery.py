"""Makes changes to data sets recoverable after a kill: in a repository, changes run one at a time and keep a journal.

.dvc/tmp/darkroom.lock   held by the running change, and by the git and dvc processes that it started
.dvc/tmp/darkroom.json   the journal of the running change, or of a change that was killed
"""

import contextlib
import fcntl
import glob
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from components.contract.errors import DataError
from components.contract.record import BaseRecord
from components.contract.system.atomic_files import write_file, write_json
from components.contract.system.posix import try_lock

log = logging.getLogger(__name__)

STATE_DIR: Final = Path(".dvc", "tmp")
"""The folder of the lock and the journal; DVC's .gitignore excludes it from git."""
LOCK_FILE, JOURNAL_FILE = "darkroom.lock", "darkroom.json"


class Journal(BaseRecord):
    """The planned steps of a change; paths are relative to the repository.

    Attributes:
        request: identifies the user's request, so that a repeated request is recognized.
        data: the path of the data.
        before: the text of the version file in the last commit.
        here: the text of the version file in the working tree before the change; None if there was none.
        ignore_rules: the text of the .gitignore next to the version file before the change; empty if there was none,
            None if unknown.
        moves: (from, to) of each file to move, in the order of the moves.
        is_done: whether the change was committed or undone, so that nothing is left to undo.
    """

    request: str
    data: str
    before: str
    here: str | None
    ignore_rules: str | None = None
    moves: tuple[tuple[str, str], ...] = ()
    is_done: bool = False

    @property
    def pointer(self) -> str:
        """The path of the version file."""
        return f"{self.data}.dvc"


@contextlib.contextmanager
def lock_changes(root: Path) -> Iterator[None]:
    """Locks the repository for a change to its data; first waits for other changes and processes of a killed change.

    Raises:
        DataError: the repository cannot be written to.
    """
    path = root / STATE_DIR / LOCK_FILE
    try:
        path.parent.mkdir(exist_ok=True)
        lock = path.open("a")
    except OSError as error:
        raise DataError(f"The repository {root} cannot be written to: {error}.") from None
    with lock:
        if not try_lock(lock.fileno()):
            log.warning("Waiting until another change to the data in %s is finished.", root)
            fcntl.flock(lock, fcntl.LOCK_EX)
        # git and dvc inherit the lock: if this process is killed, they finish before the next change starts.
        os.set_inheritable(lock.fileno(), True)
        yield


def require_whole(path: Path) -> None:
    """Rejects data with an unfinished change, because some of its labels may be new and others old.

    Raises:
        DataError: a change was interrupted, or is in progress.
    """
    for root in (path, *path.parents):
        if (root / STATE_DIR / JOURNAL_FILE).is_file() and path.is_relative_to(root / _changed_data(root)):
            raise DataError(
                f"The data {path} must be complete; a change to it was interrupted or is in progress. To "
                f"finish or undo it, run in {root}: darkroom data diff HEAD"
            )


def _changed_data(root: Path) -> str:
    journal = read_journal(root)
    return journal.data if journal else "."


def read_journal(root: Path) -> Journal | None:
    """Reads the journal of a killed change, if there is one.

    Raises:
        DataError: the journal is damaged.
    """
    path = root / STATE_DIR / JOURNAL_FILE
    try:
        return Journal.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DataError(
            f"The journal of an interrupted change, {path}, cannot be read: {error.errors()[0]['msg']}. "
            "Compare the data with its version (dvc status), then remove the journal."
        ) from None


@contextlib.contextmanager
def apply_moves(root: Path, journal: Journal) -> Iterator[None]:
    """Moves the files of a change, and undoes the moves if the block fails; after a kill, the next change undoes them.

    Raises:
        DataError: the journal cannot be written, or a file cannot be moved.
    """
    path = root / STATE_DIR / JOURNAL_FILE
    try:
        write_json(path, json.loads(journal.model_dump_json()))
        for source, target in journal.moves:
            (root / target).parent.mkdir(exist_ok=True)
            (root / source).rename(root / target)
        yield
    except BaseException as error:
        undo(root, journal)
        if isinstance(error, OSError):
            raise DataError(f"The data in {root} cannot be written to: {error}. Nothing has changed.") from None
        raise
    conclude(root, journal)


@contextlib.contextmanager
def scratch_folder(root: Path, data: str) -> Iterator[Path]:
    """Provides a folder next to the data for the files that a change adds or removes, until the change is committed.

    Must be called within `lock_changes`, after any earlier change was finished or undone: it removes what that change
    left behind.
    """
    data_dir = root / data
    remove_scratch(data_dir)
    scratch = Path(tempfile.mkdtemp(prefix=_scratch_prefix(data_dir), dir=data_dir.parent))
    try:
        yield scratch
    finally:
        if not (root / STATE_DIR / JOURNAL_FILE).exists():
            remove_scratch(data_dir)


def remove_scratch(data_dir: Path) -> None:
    """Deletes the files that changes have removed from the data; all changes must be committed or undone."""
    for scratch in data_dir.parent.glob(f"{glob.escape(_scratch_prefix(data_dir))}*"):
        shutil.rmtree(scratch, ignore_errors=True)


def _scratch_prefix(data_dir: Path) -> str:
    return f".{data_dir.name}.removed-"


def undo(root: Path, journal: Journal) -> None:
    """Undoes all moves and writes that a change has made so far; can be repeated after a kill.

    Raises:
        DataError: a file must be moved back, but its path is occupied by another file.
    """
    for source, target in reversed(journal.moves):
        if not os.path.lexists(root / target):
            continue
        if not os.path.lexists(root / source):
            (root / target).rename(root / source)
        elif Path(target).parent.name.startswith(_scratch_prefix(Path(journal.data))):
            raise DataError(
                f"Cannot undo an interrupted change to {journal.data}: {root / target} cannot be moved back to "
                f"{root / source}, which exists. Move {root / source} away, and run the command again."
            )
    if not journal.is_done:
        _put_back(root / journal.pointer, journal.here or "")
        if journal.ignore_rules is not None:
            _put_back((root / journal.pointer).with_name(".gitignore"), journal.ignore_rules)
    conclude(root, journal)


def _put_back(path: Path, text: str) -> None:
    """Restores the earlier text of a file; an empty text means that there was no file."""
    if text:
        write_file(path, text.encode())
    else:
        path.unlink(missing_ok=True)


def conclude(root: Path, journal: Journal) -> None:
    """Ends a change that was committed or undone; removes the journal last, because it identifies repeated requests."""
    path = root / STATE_DIR / JOURNAL_FILE
    try:
        nothing_to_undo = journal.model_copy(update={"is_done": True, "moves": ()})
        write_json(path, nothing_to_undo.model_dump(mode="json"))
    except OSError:  # the disk is full; the journal must not outlast the files that are removed below
        path.unlink(missing_ok=True)
    remove_scratch(root / journal.data)
    path.unlink(missing_ok=True)
