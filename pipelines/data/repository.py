"""Runs git and DVC in the repository that contains the current folder."""

import shlex
import subprocess
import textwrap
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.system import launcher
from components.contract.text import pluralize

GIT_SECONDS: Final = 600.0


def find_repository() -> Path:
    """Finds the root of the DVC repository of the current folder; the root may be a subfolder of a git repository.

    Raises:
        DataError: there is no such repository.
    """
    here = Path.cwd()
    top = git(here, "rev-parse", "--show-toplevel", check=False)
    for folder in (here, *here.parents) if top else ():
        if (folder / ".dvc").is_dir() and folder.is_relative_to(top):
            return folder
    missing = "dvc init" if top else "git init && dvc init"
    raise DataError(f"Versions of data need a repository with git and DVC; {here} is not in one. Create one: {missing}")


def has_commits(root: Path) -> bool:
    """Whether the current branch has a commit."""
    return bool(git(root, "rev-parse", "--verify", "--quiet", "HEAD", check=False))


def committed_text(root: Path, name: str) -> str:
    """The text of a file in the last commit; empty if the commit does not contain the file."""
    return git(root, "show", f"HEAD:./{name}", check=False)


def require_ready(root: Path, path: str) -> None:
    """Checks that data at the path can become a version, before anything is copied or written.

    Raises:
        DataError: git has no author, tracks the data itself, or ignores its version file.
    """
    if tracked := git(root, "ls-files", "--", path):
        name = shlex.quote(path)
        commit = " && git commit -m 'Remove the data from git'" if has_commits(root) else ""
        raise DataError(
            f"Data under DVC must not be in git as well; git in {root} tracks "
            f"{pluralize(len(tracked.splitlines()), 'file')} in {path}. Remove them from git, but not from the disk, "
            f"and add the data again: git rm -r --cached --quiet {name}{commit}"
        )
    if git(root, "check-ignore", "--", f"{path}.dvc", check=False):
        rule = git(root, "check-ignore", "--verbose", "--", f"{path}.dvc", check=False).split("\t")[0]
        raise DataError(
            f"The version file {path}.dvc must be tracked by git, but {rule} ignores it. Change that rule; "
            "DVC itself adds a rule for the photos."
        )
    if not all(git(root, "var", f"GIT_{role}_IDENT", check=False) for role in ("AUTHOR", "COMMITTER")):
        raise DataError(
            f"A version is a git commit, which needs an author; none is configured in {root}. Set one: "
            "git config user.name NAME && git config user.email ADDRESS"
        )


def take_into_dvc(root: Path, path: str) -> None:
    """Adds the data at the path to DVC, which writes the version file next to it."""
    dvc(root, "add", path)


def matches_commit(root: Path, path: str) -> bool:
    """Whether the data is unchanged since its last version."""
    return dvc(root, "status", "--quiet", f"{path}.dvc", check=False).returncode == 0


def git(root: Path, *arguments: str, check: bool = True) -> str:
    """Runs git, which inherits the lock of `recovery.lock_changes`, and returns its output.

    If git fails and `check` is false, the output is empty.

    Raises:
        DataError: git fails.
    """
    settings = ("-c", "gc.auto=0", "-c", "core.quotePath=false")
    result = launcher.git(*settings, *arguments, cwd=root, timeout_seconds=GIT_SECONDS, close_fds=False)
    if check and result.returncode != 0:
        raise _failure(f"git {arguments[0]}", root, result)
    return result.stdout.strip() if result.returncode == 0 else ""


def dvc(root: Path, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Runs DVC, which inherits the lock of `recovery.lock_changes`.

    Raises:
        DataError: DVC fails.
    """
    environment = launcher.environment() | {"DVC_NO_ANALYTICS": "1"}
    result = launcher.run(launcher.python("dvc", *arguments), cwd=root, env=environment, close_fds=False)
    if check and result.returncode != 0:
        raise _failure(f"dvc {arguments[0]}", root, result)
    return result


def _failure(command: str, root: Path, result: "subprocess.CompletedProcess[str]") -> DataError:
    """The error for a failed command, with the complete message of the program."""
    lines = [line.rpartition("\r")[2].rstrip().removeprefix("ERROR: ") for line in result.stderr.split("\n")]
    message = "\n".join(line for line in lines if line) or f"it printed nothing; its exit code is {result.returncode}"
    return DataError(f"{command} failed in {root}:\n{textwrap.indent(message, '  ')}")
