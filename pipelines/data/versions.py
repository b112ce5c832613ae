"""Versions of data sets in the repository of the current folder: DVC keeps the photos, and git records the versions.

`data/<name>.dvc` contains the hash of a version; each commit of that file is a version. DVC keeps the photos of all
versions: to restore an earlier one, run `git checkout <commit> data/<name>.dvc && dvc checkout`.
"""

import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.foreign import archive
from components.contract.foreign.documents import DocumentError, parse_yaml
from components.contract.validation_messages import nearest
from pipelines.data import recovery
from pipelines.data.copying import copy_data, name_copy
from pipelines.data.repository import (
    committed_text,
    find_repository,
    git,
    has_commits,
    matches_commit,
    require_ready,
    take_into_dvc,
)

log = logging.getLogger(__name__)

DATA_DIR: Final = Path("data")
DVC_FILES: Final = (".dvc/config", ".dvc/.gitignore", ".dvcignore")
"""The files that make a folder a DVC repository; a version can only be read from a commit that contains them."""
Moves = list[tuple[Path, Path]]
"""(from, to) of each file to move, in the order of the moves."""


@dataclass(frozen=True)
class Version:
    """One version of one data set."""

    name: str
    path: str
    commit: str
    date: str
    subject: str
    hash: str
    num_files: int | None
    num_bytes: int | None


def add(path: Path, name: str | None) -> Version:
    """Adds a folder or an archive to DVC, as a new data set or as the next version of one, and commits it.

    Data in this repository is added in place; other data is copied to `data/<name>`, and the original is unchanged.

    Raises:
        DataError: the path does not exist, there is no repository, or the name is already used.
    """
    root = find_repository()
    source = path.expanduser().resolve()
    if not (source.is_dir() or (source.is_file() and archive.is_archive(source))):
        raise DataError(f"The data must be a folder of photos or an archive of such a folder; {path} is neither.")
    if source == root or root.is_relative_to(source):
        raise DataError(f"The data must not contain the repository; {path} does.")
    is_inside = source.is_relative_to(root)
    if is_inside and name is not None and name != archive.stem(source.name):
        raise DataError(
            f"Data inside the repository keeps its name; {path} cannot become {name}. Rename it first, or "
            "leave out --name."
        )
    request = json.dumps(["add", str(source), name])
    with recovery.lock_changes(root):
        finished = recover(root)
        if finished is not None and finished.request == request:
            return last_version(root, finished.pointer)
        target = source if is_inside else name_copy(source, root / DATA_DIR, name)
        path_in_root = str(target.relative_to(root))
        require_ready(root, path_in_root)
        existed = bool(git(root, "log", "--format=%H", "-1", "--", f"{path_in_root}.dvc", check=has_commits(root)))
        with contextlib.ExitStack() as undo:
            if not is_inside:
                undo.enter_context(copy_data(root, source, target))
            undo.enter_context(recovery.apply_moves(root, new_journal(root, path_in_root, request)))
            take_into_dvc(root, path_in_root)
            return commit_version(root, target, f"{'Update' if existed else 'Add'} the data set {target.name}")


def change_photos(root: Path, path: str, request: str, prepare: Callable[[Path, Path], tuple[Moves, str]]) -> Version:
    """Moves files into or out of the data, and commits the result as a new version.

    If an earlier change was killed, it is first finished or undone.

    Args:
        root: the root of the repository.
        path: the path of the data, relative to the root.
        request: identifies the user's request; if it was killed after its commit, it is not executed again.
        prepare: receives the folder of the data and a scratch folder; returns the moves and the commit's subject.

    Raises:
        DataError: the data is not a folder, or differs from its version in DVC; also any error of `prepare`.
    """
    folder = root / path
    if not folder.is_dir():
        raise DataError(f"Labels can only be changed in a folder; {path} is not one. Unpack it and add the folder.")
    with recovery.lock_changes(root):
        finished = recover(root)
        if finished is not None and finished.request == request:
            return last_version(root, finished.pointer)
        require_ready(root, path)
        if not matches_commit(root, path):
            raise DataError(
                f"{path} must be unchanged since its last version, so that the change can be undone; it has changed. "
                f"Save it first: darkroom data add {path}"
            )
        with recovery.scratch_folder(root, path) as scratch:
            moves, subject = prepare(folder, scratch)
            in_root = [(str(source.relative_to(root)), str(target.relative_to(root))) for source, target in moves]
            with recovery.apply_moves(root, new_journal(root, path, request, in_root)):
                take_into_dvc(root, path)
                return commit_version(root, folder, subject)


def recover(root: Path) -> recovery.Journal | None:
    """Finishes or undoes a killed change, and returns its journal if the change had been committed.

    Raises:
        DataError: the journal is damaged, or the change cannot be undone.
    """
    journal = recovery.read_journal(root)
    if journal is None:
        return None
    _remove_dead_lock(root)
    if committed_text(root, journal.pointer) != journal.before:
        recovery.conclude(root, journal)
        return journal
    git(root, "reset", "--quiet", "--", journal.pointer, check=False)
    recovery.undo(root, journal)
    log.warning("An interrupted change to %s was undone.", journal.data)
    return None


def new_journal(root: Path, path: str, request: str, moves: Sequence[tuple[str, str]] = ()) -> recovery.Journal:
    """Creates the journal of a change to the data at this path, before the change begins."""
    pointer = root / f"{path}.dvc"
    here = pointer.read_text(encoding="utf-8") if pointer.exists() else None
    ignore_file = pointer.with_name(".gitignore")
    return recovery.Journal(
        request=request,
        data=path,
        before=committed_text(root, f"{path}.dvc"),
        here=here,
        ignore_rules=ignore_file.read_text(encoding="utf-8") if ignore_file.exists() else "",
        moves=tuple(moves),
    )


def _remove_dead_lock(root: Path) -> None:
    """Removes git's own lock file if the git process of a killed change has left it behind."""
    lock = root / git(root, "rev-parse", "--git-path", "index.lock")
    journal_path = root / recovery.STATE_DIR / recovery.JOURNAL_FILE
    if not lock.exists() or lock.stat().st_mtime < journal_path.stat().st_mtime or _git_is_at_work(root):
        return
    lock.unlink(missing_ok=True)


def _git_is_at_work(root: Path) -> bool:
    """Whether a git process is using the repository; those of earlier changes have ended, as they held the lock."""
    import psutil

    processes = psutil.process_iter(["name", "cwd"])
    folders = [process.info["cwd"] for process in processes if str(process.info["name"]).startswith("git")]
    return any(folder and Path(folder).is_relative_to(root) for folder in folders)


def list_versions(root: Path | None = None) -> list[Version]:
    """Lists all versions of all data sets, sorted by path; the newest version of each data set comes first.

    Raises:
        DataError: the current folder is not in a repository.
    """
    root = root or find_repository()
    history: list[Version] = []
    if not has_commits(root):
        return history
    for pointer in sorted(git(root, "ls-files", "*.dvc").splitlines()):
        commits = git(root, "log", "--format=%H%x09%cs%x09%s", "--", pointer)
        for line in commits.splitlines():
            commit, date, subject = line.split("\t", 2)
            version = _version(root, pointer, commit, date, subject)
            if version is not None:
                history.append(version)
    return history


def _names_of(path: str) -> tuple[str, ...]:
    return path, Path(path).name, archive.stem(Path(path).name)


def find_data(root: Path, name: str | None) -> str:
    """Returns the path of the data set with this name or path; if `name` is None, there must be exactly one data set.

    Raises:
        DataError: there is no such data set, or there are several.
    """
    paths = [pointer.removesuffix(".dvc") for pointer in git(root, "ls-files", "*.dvc").splitlines()]
    if not paths:
        raise DataError("There is no data under DVC here. To add data: darkroom data add PATH --name NAME")
    matches = paths if name is None else [path for path in paths if name.rstrip("/") in _names_of(path)]
    if len(matches) != 1:
        hint = nearest(name, paths) if name is not None else f"; there are {', '.join(paths)}"
        raise DataError(f"Choose one data set with --name{hint}.")
    return matches[0]


def _version(root: Path, pointer: str, commit: str, date: str, subject: str) -> Version | None:
    """Reads the version in a commit; None if the commit removed the data."""
    text = git(root, "cat-file", "blob", f"{commit}:./{pointer}", check=False)
    try:
        tree = parse_yaml(text) if text else None
    except DocumentError:  # a commit may contain any file under this name
        return None
    outputs = tree.get("outs") if isinstance(tree, dict) else None
    if not isinstance(outputs, list) or not outputs or not isinstance(outputs[0], dict):
        return None
    path, output = pointer.removesuffix(".dvc"), outputs[0]
    md5, num_files, num_bytes = str(output.get("md5", "")), output.get("nfiles", 1), output.get("size")
    return Version(Path(path).name, path, commit, date, subject, md5, num_files, num_bytes)


def commit_version(root: Path, data: Path, subject: str) -> Version:
    """Commits the version file, the .gitignore that DVC wrote, and DVC's configuration if it is not committed yet."""
    pointer = f"{data.relative_to(root)}.dvc"
    ignore_path = data.parent / ".gitignore"
    files = [pointer, *([str(ignore_path.relative_to(root))] if ignore_path.exists() else [])]
    files += [name for name in DVC_FILES if (root / name).exists() and not _is_committed(root, name)]
    git(root, "add", "--", *files)
    if git(root, "status", "--porcelain", "--", *files):
        try:
            git(root, "commit", "--quiet", "-m", subject, "--", *files)
        except DataError:
            git(root, "reset", "--quiet", "--", *files, check=False)
            raise
    return last_version(root, pointer)


def _is_committed(root: Path, name: str) -> bool:
    return bool(git(root, "ls-tree", "--name-only", "HEAD", "--", name, check=False))


def last_version(root: Path, pointer: str) -> Version:
    """Returns the version in the last commit of the version file."""
    commit, date, text = git(root, "log", "-1", "--format=%H%x09%cs%x09%s", "--", pointer).split("\t", 2)
    version = _version(root, pointer, commit, date, text)
    assert version is not None, "the version has just been committed"
    return version
