"""Reads the commit of an untrusted git repository, without using its configuration.

`.git/config` and the files that it includes can name programs (`core.fsmonitor`, `filter.*.clean`, `diff.external`),
and even `git status` runs them. Therefore HEAD and the references are read from their files. To find out whether files
have changed, git runs in an empty repository that uses only the objects and the index of the untrusted one.
"""

import contextlib
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

from components.contract.system import launcher

COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
REFERENCE: Final = re.compile(r"refs/[A-Za-z0-9_][\w.+@/-]*")
MAX_REFERENCE_BYTES: Final = 4096
MAX_PACKED_BYTES: Final = 64 * 2**20
MAX_CONFIG_BYTES: Final = 2**20
MAX_SYMBOLIC: Final = 5
VALUES: Final = (
    "filemode",
    "symlinks",
    "ignorecase",
    "autocrlf",
    "eol",
    "precomposeunicode",
    "trustctime",
    "checkstat",
)
"""The settings of the section `core` that affect how files are compared; their values are not programs or paths."""
_VALUE: Final = re.compile(r"true|false|input|lf|crlf|native|default|minimal", re.IGNORECASE)


def git_revision(path: Path) -> str | None:
    """The checked-out commit of the repository that contains the path, with `-dirty` if tracked files have changed.

    Uses no program or file that the repository's configuration names, and no file outside the repository.
    """
    folder = path if path.is_dir() else path.parent
    for root in (folder, *folder.parents):
        git_dir = find_git_dir(root)
        if git_dir is not None:
            common_dir = _common_dir(git_dir)
            commit = _head(git_dir, common_dir)
            return f"{commit}-dirty" if commit and _differs(root, git_dir, common_dir, commit) else commit
        if os.path.lexists(root / ".git"):
            return None
    return None


def find_git_dir(root: Path) -> Path | None:
    """The git folder of a working tree; if `.git` is a file, the folder that it names must refer back to this tree."""
    entry = root / ".git"
    try:
        mode = entry.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISDIR(mode):
        return entry
    target = _text(entry, MAX_REFERENCE_BYTES).removeprefix("gitdir:").strip()
    if not stat.S_ISREG(mode) or not target or "\0" in target:
        return None
    git_dir = (root / target).resolve()
    back = _text(git_dir / "gitdir", MAX_REFERENCE_BYTES).strip()  # only in a linked working tree
    if back:
        return git_dir if (git_dir / back).resolve() == entry.resolve() else None
    worktree = _settings(git_dir).get("worktree", "")  # only in a submodule
    return git_dir if worktree and (git_dir / worktree).resolve() == root.resolve() else None


def _common_dir(git_dir: Path) -> Path:
    """The folder of objects and references; for a linked working tree, the main git folder, two folders up."""
    target = _text(git_dir / "commondir", MAX_REFERENCE_BYTES).strip()
    main = git_dir.parent.parent
    return main if target and git_dir.parent.name == "worktrees" and (git_dir / target).resolve() == main else git_dir


def _head(git_dir: Path, common_dir: Path) -> str | None:
    content = _text(git_dir / "HEAD", MAX_REFERENCE_BYTES).strip()
    for _ in range(MAX_SYMBOLIC):
        if not content.startswith("ref:"):
            break
        name = content.removeprefix("ref:").strip()
        if not REFERENCE.fullmatch(name) or ".." in name:
            return None
        own, shared = _reference(git_dir, name), _reference(common_dir, name)
        content = own or shared or _packed(common_dir, name)
    return content if COMMIT.fullmatch(content) else None


def _reference(git_dir: Path, name: str) -> str:
    """The content of a reference's file; empty if a link leads out of the git folder."""
    folder = (git_dir / name).parent
    return (
        _text(git_dir / name, MAX_REFERENCE_BYTES).strip() if folder.resolve().is_relative_to(git_dir.resolve()) else ""
    )


def _packed(common_dir: Path, name: str) -> str:
    for line in _text(common_dir / "packed-refs", MAX_PACKED_BYTES).splitlines():
        commit, _, packed = line.partition(" ")
        if packed == name:
            return commit
    return ""


def _differs(root: Path, git_dir: Path, common_dir: Path, commit: str) -> bool:
    """Whether tracked files differ from the commit according to git; False if this is unknown."""
    objects = common_dir / "objects"
    if not (stat.S_ISDIR(_mode(objects)) and stat.S_ISREG(_mode(git_dir / "index"))):
        return False
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-git-") as scratch,
        contextlib.suppress(OSError),
    ):
        stand_in = Path(scratch)
        (stand_in / "refs").mkdir()
        (stand_in / "objects").mkdir()
        (stand_in / "HEAD").write_text(f"{commit}\n")
        (stand_in / "config").write_text(_harmless_config(common_dir, commit))
        shutil.copyfile(git_dir / "index", stand_in / "index")
        for shared in git_dir.glob("sharedindex.*"):
            if stat.S_ISREG(_mode(shared)):
                shutil.copyfile(shared, stand_in / shared.name)
        environment = launcher.environment() | {
            "GIT_DIR": scratch,
            "GIT_WORK_TREE": str(root),
            "GIT_OBJECT_DIRECTORY": str(objects),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "none",
            "HOME": scratch,
            "XDG_CONFIG_HOME": scratch,
        }
        result = launcher.git(
            "status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all", cwd=root, env=environment
        )
        return result.returncode == 0 and bool(result.stdout.strip())
    return False


def _harmless_config(common_dir: Path, commit: str) -> str:
    settings = _settings(common_dir)
    lines = [f"\t{name} = {settings[name]}\n" for name in VALUES if _VALUE.fullmatch(settings.get(name, ""))]
    sha256 = len(commit) == 64
    return "".join(
        [
            f"[core]\n\trepositoryformatversion = {int(sha256)}\n",
            *lines,
            "[extensions]\n\tobjectFormat = sha256\n" if sha256 else "",
        ]
    )


def _settings(git_dir: Path) -> dict[str, str]:
    """The settings of the section `core` in a repository's configuration; includes are not followed."""
    settings: dict[str, str] = {}
    section = ""
    for line in _text(git_dir / "config", MAX_CONFIG_BYTES).splitlines():
        heading = re.match(r"\s*\[([^\]]*)\]", line)
        if heading:
            section = heading[1].strip().lower()
        elif section == "core" and "=" in line:
            name, _, value = line.partition("=")
            settings[name.strip().lower()] = value.strip().strip('"')
    return settings


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _text(path: Path, max_bytes: int) -> str:
    """The content of a regular file; "" for anything else, and for more than `max_bytes`."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                content = file.read(max_bytes + 1)
                return content.decode("utf-8", "replace") if len(content) <= max_bytes else ""
    return ""
