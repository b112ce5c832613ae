"""Versions of data sets: DVC keeps the photos, git the list of versions, both in the repository of this folder.

`data/<name>.dvc` names a version by its hash; a commit of that file is a version. What DVC keeps only ever
grows: an earlier version comes back with `git checkout <commit> data/<name>.dvc && dvc checkout`.
"""

import filecmp
import json
import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.foreign import archive
from components.contract.foreign.documents import DocumentError, parse_yaml
from components.contract.system import launcher
from components.contract.system.atomic_files import remove_remains, scratch_folder
from pipelines.data import recovery

log = logging.getLogger(__name__)

DATA_DIR: Final = Path("data")
GIT_SECONDS: Final = 600.0


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
    """Puts a folder or an archive under DVC, as a new data set or as the next version of one, and commits that.

    What lies in this repository is taken in place; all else is copied to `data/<name>`, and stays as it is.

    Raises:
        DataError: there is no such path, no repository, or the name is taken.
    """
    root = repository()
    source = path.expanduser().resolve()
    if not (source.is_dir() or (source.is_file() and archive.is_archive(source))):
        raise DataError(f"Data must be a folder of photos or an archive of one; there is none at {path}.")
    if source == root or root.is_relative_to(source):
        raise DataError(f"Data must be a folder within the repository, or outside it; {path} holds the repository.")
    within = source.is_relative_to(root)
    if within and name is not None and name != archive.stem(source.name):
        raise DataError(
            f"Data within the repository keep their name; {path} cannot become {name}. Rename it first, or "
            "leave out --name."
        )
    request = json.dumps(["add", str(source), name])
    with recovery.only_change(root):
        finished = recover(root)
        if finished is not None and finished.request == request:
            return last_version(root, finished.pointer)
        target = source if within else _copied(root, source, root / DATA_DIR, name)
        path_in_root = str(target.relative_to(root))
        existed = bool(_git(root, "log", "--format=%H", "-1", "--", f"{path_in_root}.dvc"))
        with recovery.journaled(root, journal_of(root, path_in_root, request)):
            take_into_dvc(root, path_in_root)
            return commit_version(root, target, f"{'Update' if existed else 'Add'} the data {target.name}")


def recover(root: Path) -> recovery.Journal | None:
    """Finishes or undoes a change that was killed, and returns its journal if it had been committed.

    Raises:
        DataError: git cannot change its index.
    """
    journal = recovery.unfinished(root)
    if journal is None:
        return None
    _remove_dead_lock(root)
    if _committed(root, journal.pointer) != journal.before:
        recovery.conclude(root, journal.data)
        return journal
    _git(root, "reset", "--quiet", "--", journal.pointer, check=False)
    recovery.undo(root, journal)
    log.warning("An interrupted change of %s was undone.", journal.data)
    return None


def journal_of(root: Path, path: str, request: str, moves: Sequence[tuple[str, str]] = ()) -> recovery.Journal:
    """The journal of a change of the data at this path, which has not begun yet."""
    pointer = root / f"{path}.dvc"
    here = pointer.read_text(encoding="utf-8") if pointer.exists() else None
    return recovery.Journal(
        request=request,
        data=path,
        before=_committed(root, f"{path}.dvc"),
        here=here,
        moves=tuple(moves),
    )


def _committed(root: Path, name: str) -> str:
    """The text of a file in the last commit; empty if there is none."""
    return _git(root, "show", f"HEAD:{name}", check=False)


def _remove_dead_lock(root: Path) -> None:
    """Removes git's own lock if the git process of a killed change left it; only a kill can do that."""
    lock = root / _git(root, "rev-parse", "--git-path", "index.lock")
    journal_path = root / recovery.STATE_DIR / recovery.JOURNAL_FILE
    if not lock.exists() or lock.stat().st_mtime < journal_path.stat().st_mtime or _git_is_at_work(root):
        return
    lock.unlink(missing_ok=True)


def _git_is_at_work(root: Path) -> bool:
    """Whether a git process of this machine works in the repository. Those of earlier changes have ended."""
    import psutil

    processes = psutil.process_iter(["name", "cwd"])
    folders = [process.info["cwd"] for process in processes if str(process.info["name"]).startswith("git")]
    return any(folder and Path(folder).is_relative_to(root) for folder in folders)


def _copied(root: Path, source: Path, folder: Path, name: str | None) -> Path:
    suffix = source.name[len(archive.stem(source.name)) :] if source.is_file() else ""
    target = folder / f"{name or archive.stem(source.name)}{suffix}"
    if target.parent != folder or target.name.startswith(".") or not target.name:
        raise DataError(f"A name must be that of a file, without slashes; found {name!r}.")
    remove_remains(target)
    is_version = bool(_committed(root, f"{target.relative_to(root)}.dvc"))
    if not is_version and target.exists() and _is_copy(source, target):
        return target  # of an earlier call that was interrupted
    if target.exists() or target.with_name(f"{target.name}.dvc").exists():
        raise DataError(
            f"{target} must be free; it is not. Give another --name. For a new version of it change the "
            f"photos in it, then: darkroom data add {os.path.relpath(target)}"
        )
    try:
        with scratch_folder(target) as scratch:
            partial = scratch / target.name
            shutil.copytree(source, partial) if source.is_dir() else shutil.copy2(source, partial)
            partial.rename(target)
    except OSError as error:
        raise _no_copy(source, folder, error) from None
    return target


def _no_copy(source: Path, folder: Path, error: OSError) -> DataError:
    """The error to report if the data cannot be copied: of many reasons the first, and the room there is."""
    reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error
    files = source.rglob("*") if source.is_dir() else [source]
    needed = sum(path.stat().st_size for path in files if path.is_file())
    return DataError(
        f"The data must be copied to {folder}; they cannot be: {reason}. They take {needed / 1e6:,.1f} MB, "
        f"{shutil.disk_usage(folder if folder.exists() else folder.parent).free / 1e6:,.1f} MB are free."
    )


def _is_copy(source: Path, target: Path) -> bool:
    """Whether both hold the same files, by size and time or else by content."""
    if source.is_file():
        return target.is_file() and filecmp.cmp(source, target)
    names, copied = _names(source), _names(target)
    return names == copied and all(filecmp.cmp(source / name, target / name) for name in names)


def _names(folder: Path) -> list[str]:
    return sorted(
        os.path.relpath(os.path.join(parent, name), folder)  # noqa: PTH118 of ten thousands
        for parent, _, names in os.walk(folder, followlinks=True)
        for name in names
    )


def versions(root: Path | None = None) -> list[Version]:
    """All versions of all data sets, by name, the newest first.

    Raises:
        DataError: this folder is in no repository.
    """
    root = root or repository()
    found = []
    for pointer in sorted(_git(root, "ls-files", "*.dvc").splitlines()):
        log = _git(root, "log", "--format=%H%x09%cs%x09%s", "--", pointer)
        for line in log.splitlines():
            commit, date, subject = line.split("\t", 2)
            version = _version(root, pointer, commit, date, subject)
            if version is not None:
                found.append(version)
    return found


def find_data(root: Path, name: str | None) -> str:
    """The path of a data set by its name or path; the only one where none is named.

    Raises:
        DataError: there is none such, or several.
    """
    paths = [pointer.removesuffix(".dvc") for pointer in _git(root, "ls-files", "*.dvc").splitlines()]
    if not paths:
        raise DataError("No data are under DVC here: darkroom data add PATH --name NAME")
    chosen = (
        paths
        if name is None
        else [path for path in paths if name.rstrip("/") in (path, Path(path).name, archive.stem(Path(path).name))]
    )
    if len(chosen) != 1:
        raise DataError(f"One data set must be named with --name; there are {', '.join(paths)}.")
    return chosen[0]


def repository() -> Path:
    """The root of the git and DVC repository around this folder.

    Raises:
        DataError: there is none.
    """
    root = _git(Path.cwd(), "rev-parse", "--show-toplevel", check=False)
    if not root or not (Path(root) / ".dvc").is_dir():
        missing = "dvc init" if root else "git init && dvc init"
        raise DataError(
            f"Versions of data are kept in a repository of git and DVC; {Path.cwd()} is in none. Make one: {missing}"
        )
    return Path(root)


def _version(root: Path, pointer: str, commit: str, date: str, subject: str) -> Version | None:
    """None where the commit removed the data."""
    text = _git(root, "cat-file", "blob", f"{commit}:{pointer}", check=False)
    try:
        tree = parse_yaml(text) if text else None
    except DocumentError:  # a commit may hold anything under this name
        return None
    outs = tree.get("outs") if isinstance(tree, dict) else None
    if not isinstance(outs, list) or not outs or not isinstance(outs[0], dict):
        return None
    path = pointer.removesuffix(".dvc")
    return Version(
        Path(path).name,
        path,
        commit,
        date,
        subject,
        str(outs[0].get("md5", "")),
        outs[0].get("nfiles", 1),
        outs[0].get("size"),
    )


def take_into_dvc(root: Path, path: str) -> None:
    """Gives what stands at the path to DVC, which writes the pointer beside it."""
    _dvc(root, "add", path)


def is_as_committed(root: Path, path: str) -> bool:
    """Whether the data are as their version says."""
    return _dvc(root, "status", "--quiet", f"{path}.dvc", check=False).returncode == 0


def commit_version(root: Path, data: Path, subject: str) -> Version:
    """Commits the version file and the ignore file that DVC wrote, and nothing else."""
    pointer = f"{data.relative_to(root)}.dvc"
    files = [pointer, *([str(ignored.relative_to(root))] if (ignored := data.parent / ".gitignore").exists() else [])]
    _git(root, "add", "--", *files)
    if _git(root, "status", "--porcelain", "--", *files):
        try:
            _git(root, "commit", "--quiet", "-m", subject, "--", *files)
        except DataError:
            _git(root, "reset", "--quiet", "--", *files, check=False)
            raise
    return last_version(root, pointer)


def last_version(root: Path, pointer: str) -> Version:
    """The version that was committed last."""
    commit, date, text = _git(root, "log", "-1", "--format=%H%x09%cs%x09%s", "--", pointer).split("\t", 2)
    version = _version(root, pointer, commit, date, text)
    assert version is not None, "it was committed just now"
    return version


def _git(root: Path, *arguments: str, check: bool = True) -> str:
    # It inherits the lock of only_change.
    result = launcher.git("-c", "gc.auto=0", *arguments, cwd=root, timeout_seconds=GIT_SECONDS, close_fds=False)
    if check and result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise DataError(f"git {arguments[0]} must succeed in {root}; it does not: {reason}.")
    return result.stdout.strip() if result.returncode == 0 else ""


def _dvc(root: Path, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    environment = launcher.environment() | {"DVC_NO_ANALYTICS": "1"}
    result = launcher.run(launcher.python("dvc", *arguments), cwd=root, env=environment, close_fds=False)
    if check and result.returncode != 0:
        reason = " ".join(line.removeprefix("ERROR: ") for line in result.stderr.strip().splitlines()[-2:])
        raise DataError(f"dvc {arguments[0]} must succeed in {root}; it does not: {reason}")
    return result
