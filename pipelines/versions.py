"""Versions of data sets: DVC keeps the photos, git the list of versions, both in the repository of this folder.

`data/<name>.dvc` names a version by its hash; a commit of that file is a version. What DVC keeps only ever
grows: an earlier version comes back with `git checkout <commit> data/<name>.dvc && dvc checkout`.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from components.contract import archive, launcher
from components.contract.errors import DataError

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
    target = source if source.is_relative_to(root) else _copied(source, root / DATA_DIR, name)
    if target == source and name is not None and name != archive.stem(source.name):
        raise DataError(f"Data within the repository keep their name; {path} cannot become {name}. Rename it first, or "
                        "leave out --name.")  # fmt: skip
    take_into_dvc(root, str(target.relative_to(root)))
    pointer = target.with_name(f"{target.name}.dvc")
    existed = bool(_git(root, "log", "--format=%H", "-1", "--", str(pointer.relative_to(root))))
    return commit_version(root, target, f"{'Update' if existed else 'Add'} the data {target.name}")


def _copied(source: Path, folder: Path, name: str | None) -> Path:
    suffix = source.name[len(archive.stem(source.name)) :] if source.is_file() else ""
    target = folder / f"{name or archive.stem(source.name)}{suffix}"
    if target.parent != folder or target.name.startswith(".") or not target.name:
        raise DataError(f"A name must be that of a file, without slashes; found {name!r}.")
    if target.exists() or target.with_name(f"{target.name}.dvc").exists():
        raise DataError(f"{target} must be free; it is not. Give another --name. For a new version of it change the "
                        f"photos in it, then: darkroom data add {os.path.relpath(target)}")  # fmt: skip
    folder.mkdir(exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=folder)) / target.name
    try:
        shutil.copytree(source, partial) if source.is_dir() else shutil.copy2(source, partial)
        partial.rename(target)
    finally:
        shutil.rmtree(partial.parent)
    return target


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
    chosen = paths if name is None else [
        path for path in paths if name.rstrip("/") in (path, Path(path).name, archive.stem(Path(path).name))
    ]  # fmt: skip
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
        raise DataError(f"Versions of data are kept in a repository of git and DVC; {Path.cwd()} is in none. Make one: "
                        f"{missing}")  # fmt: skip
    return Path(root)


def _version(root: Path, pointer: str, commit: str, date: str, subject: str) -> Version | None:
    """None where the commit removed the data."""
    from ruamel.yaml import YAML

    text = _git(root, "cat-file", "blob", f"{commit}:{pointer}", check=False)
    outs: Sequence[Mapping[str, Any]] = (YAML(typ="safe", pure=True).load(text) or {}).get("outs", []) if text else []
    if not outs:
        return None
    path = pointer.removesuffix(".dvc")
    return Version(Path(path).name, path, commit, date, subject, str(outs[0].get("md5", "")), outs[0].get("nfiles", 1),
                   outs[0].get("size"))  # fmt: skip


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
        _git(root, "commit", "--quiet", "-m", subject, "--", *files)
    commit, date, text = _git(root, "log", "-1", "--format=%H%x09%cs%x09%s", "--", pointer).split("\t", 2)
    version = _version(root, pointer, commit, date, text)
    assert version is not None, "it was committed just now"
    return version


def _git(root: Path, *arguments: str, check: bool = True) -> str:
    result = launcher.git(*arguments, cwd=root, timeout_seconds=GIT_SECONDS)
    if check and result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise DataError(f"git {arguments[0]} must succeed in {root}; it does not: {reason}.")
    return result.stdout.strip() if result.returncode == 0 else ""


def _dvc(root: Path, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    command = launcher.python("dvc", *arguments)
    result = launcher.run(command, cwd=root, env=launcher.environment() | {"DVC_NO_ANALYTICS": "1"})
    if check and result.returncode != 0:
        reason = " ".join(line.removeprefix("ERROR: ") for line in result.stderr.strip().splitlines()[-2:])
        raise DataError(f"dvc {arguments[0]} must succeed in {root}; it does not: {reason}")
    return result
