"""git and DVC in the repository of this folder."""

import subprocess
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.system import launcher

GIT_SECONDS: Final = 600.0


def find_repository() -> Path:
    """The root of the git and DVC repository around this folder.

    Raises:
        DataError: there is none.
    """
    root = git(Path.cwd(), "rev-parse", "--show-toplevel", check=False)
    if not root or not (Path(root) / ".dvc").is_dir():
        missing = "dvc init" if root else "git init && dvc init"
        raise DataError(
            f"Versions of data are kept in a repository of git and DVC; {Path.cwd()} is in none. Make one: {missing}"
        )
    return Path(root)


def committed_text(root: Path, name: str) -> str:
    """The text of a file in the last commit; empty if there is none."""
    return git(root, "show", f"HEAD:{name}", check=False)


def take_into_dvc(root: Path, path: str) -> None:
    """Gives what stands at the path to DVC, which writes the pointer beside it."""
    dvc(root, "add", path)


def matches_commit(root: Path, path: str) -> bool:
    """Whether the data are as their version says."""
    return dvc(root, "status", "--quiet", f"{path}.dvc", check=False).returncode == 0


def git(root: Path, *arguments: str, check: bool = True) -> str:
    """What git prints; nothing if it fails and `check` is false. It inherits the lock of `recovery.lock_changes`.

    Raises:
        DataError: git fails.
    """
    result = launcher.git("-c", "gc.auto=0", *arguments, cwd=root, timeout_seconds=GIT_SECONDS, close_fds=False)
    if check and result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise DataError(f"git {arguments[0]} must succeed in {root}; it does not: {reason}.")
    return result.stdout.strip() if result.returncode == 0 else ""


def dvc(root: Path, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    """Runs DVC, which inherits the lock of `recovery.lock_changes`.

    Raises:
        DataError: DVC fails.
    """
    environment = launcher.environment() | {"DVC_NO_ANALYTICS": "1"}
    result = launcher.run(launcher.python("dvc", *arguments), cwd=root, env=environment, close_fds=False)
    if check and result.returncode != 0:
        reason = " ".join(line.removeprefix("ERROR: ") for line in result.stderr.strip().splitlines()[-2:])
        raise DataError(f"dvc {arguments[0]} must succeed in {root}; it does not: {reason}")
    return result
