"""Reads data from an untrusted DVC repository: `dvc+<repository>@<revision>:<path>`.

DVC's files can refer to programs (`bearer_token_command`), keys and paths on this machine, so DVC must not read its
files from an untrusted repository. Instead, this module reads them from git's objects, and DVC works in a temporary
folder with only the hashes of the data and the safe settings of the remote. Git does not check out files of the
repository, so neither filters nor hooks run. Submodules and links are ignored.
"""

import contextlib
import json
import logging
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from components.contract.errors import DataError
from components.contract.foreign.confinement import (
    UnsafeNameError,
    allowed_roots,
    checked_name,
    is_tool_file,
    lies_within,
    within,
)
from components.contract.foreign.documents import DocumentError, parse_yaml
from components.contract.foreign.repository import find_git_dir
from components.contract.system.address import Address

log = logging.getLogger(__name__)

REMOTE_SCHEMES: Final = ("s3", "gs", "http", "https")
REMOTE_SETTINGS: Final = frozenset(
    (
        "url",
        "type",
        "region",
        "endpointurl",
        "use_ssl",
        "allow_anonymous_login",
        "projectname",
        "version_aware",
    )
)
"""The only settings of a remote that are taken from an untrusted repository; they describe just where it is and how to
reach it. Users set keys, passwords and programs themselves, with `dvc config --global` or in the environment."""
PLAIN: Final = re.compile(r"[\w.-]{1,100}")
HASH: Final = re.compile(r"[0-9a-f]{32}(\.dir)?")
MAX_POINTER_BYTES: Final = 16 * 2**20
MAX_FILE_BYTES: Final = 2**30


@dataclass(frozen=True)
class DvcView:
    """The data of one commit, as seen through DVC.

    Attributes:
        system: an fsspec file system; its `/` is the root of the repository.
        commit: the id of the commit.
    """

    system: Any
    commit: str


class _Tree:
    """The regular files of a commit, without links and submodules."""

    def __init__(self, git: Any, commit: Any):
        from dulwich.object_store import iter_tree_contents

        self._store = git.object_store
        self.files = {
            entry.path.decode("utf-8", "surrogateescape"): entry.sha
            for entry in iter_tree_contents(self._store, commit.tree)
            if stat.S_ISREG(entry.mode)
        }

    def read(self, path: str, max_bytes: int) -> bytes:
        """The content of a file; empty if it does not exist."""
        content: bytes = self._store[self.files[path]].data if path in self.files else b""
        if len(content) > max_bytes:
            raise DataError(f"{path} in the repository may have at most {max_bytes:,} bytes; it has {len(content):,}.")
        return content


@contextlib.contextmanager
def open_repository(repository: str, revision: str, path: str) -> Iterator[DvcView]:
    """Makes the data below a path of a repository available within the block.

    Args:
        repository: the address, or the folder on this machine.
        revision: a branch, a tag or a commit.
        path: the path of a file or folder in the repository; for a label file, its folder is also available.

    Raises:
        DataError: `repository` is not a git repository, or the revision does not exist.
    """
    from dvc.api import DVCFileSystem
    from dvc.repo import Repo

    from components.preprocess.sources.readers.label_files import is_label_file

    local = Path(repository).resolve() if Path(repository).is_dir() else None
    roots = allowed_roots()
    if local is not None and roots is not None and not lies_within(local, roots):
        raise DataError(f"The repository must be in {', '.join(map(str, roots))}; {local} is elsewhere.")
    top = path.rpartition("/")[0] if is_label_file(Path(path)) else path
    with tempfile.TemporaryDirectory(prefix="darkroom-dvc-") as scratch, contextlib.ExitStack() as stack:
        view = Path(scratch) / "view"
        (view / ".dvc").mkdir(parents=True)
        git = stack.enter_context(contextlib.closing(_open_git(repository, local, Path(scratch) / "clone")))
        commit = _commit(git, repository, revision)
        tree = _Tree(git, commit)
        _write_files(tree, top, view)
        for output, entry in _outputs(tree).items():
            if _lies_below(output, top) or _lies_below(path, output):
                pointer = json.dumps({"outs": [entry | {"path": output.rpartition("/")[2]}]})
                _write(view, f"{output}.dvc", pointer.encode())
        repo = stack.enter_context(Repo(str(view), config=_config(tree, path, local)))
        yield DvcView(DVCFileSystem(repo), commit.id.decode())


def _open_git(repository: str, local: Path | None, clone: Path) -> Any:
    """Opens a local repository, or a bare clone of a remote one; only its objects are read."""
    from dulwich.repo import Repo

    if local is None:
        from scmrepo.git import Git

        Git.clone(repository, str(clone), bare=True).close()
    elif find_git_dir(local) is None and not ((local / "HEAD").is_file() and (local / "objects").is_dir()):
        raise DataError(f"The folder {local} is not a git repository: it has no .git folder.")
    return Repo(str(local or clone))


def _commit(git: Any, repository: str, revision: str) -> Any:
    from dulwich.objectspec import parse_commit

    for name in (revision, f"refs/remotes/origin/{revision}"):
        with contextlib.suppress(KeyError, ValueError):
            return parse_commit(git, name.encode())
    address = Address(f"dvc+{repository}@{revision}:")
    raise DataError(f"The revision in {address} is not a branch, a tag or a commit of the repository.")


def _lies_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def _write_files(tree: _Tree, top: str, view: Path) -> None:
    """Writes the files that git tracks below `top`, except those that DVC would read."""
    for path in tree.files:
        if _lies_below(path, top) and not any(map(is_tool_file, path.split("/"))):
            _write(view, path, tree.read(path, MAX_FILE_BYTES))


def _write(view: Path, path: str, content: bytes) -> None:
    try:
        target = within(view, path)
    except UnsafeNameError as reason:
        log.warning("A file in the repository is left out: %r %s.", path, reason)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _outputs(tree: _Tree) -> dict[str, dict[str, Any]]:
    """The hash, size and file count of each output in `<name>.dvc` files and `dvc.lock`, by the path of the output."""
    outputs: dict[str, dict[str, Any]] = {}
    for pointer in tree.files:
        folder, _, name = pointer.rpartition("/")
        if not (name.endswith(".dvc") or name == "dvc.lock"):
            continue
        content = _read_yaml(tree.read(pointer, MAX_POINTER_BYTES))
        stages = content.get("stages") if name == "dvc.lock" else {name: content}
        for stage in stages.values() if isinstance(stages, dict) else ():
            for output in (stage.get("outs") or ()) if isinstance(stage, dict) else ():
                entry = _entry(output)
                if entry is not None:
                    outputs["/".join(filter(None, (folder, entry.pop("path"))))] = entry
    return outputs


def _entry(output: Any) -> dict[str, Any] | None:
    """The facts by which DVC finds an output; None if the output is outside the repository or has no hash."""
    if not isinstance(output, dict) or not HASH.fullmatch(str(output.get("md5"))):
        return None
    try:
        entry: dict[str, Any] = {"path": checked_name(str(output.get("path"))), "md5": str(output["md5"])}
    except UnsafeNameError:
        return None
    entry |= {key: output[key] for key in ("size", "nfiles") if isinstance(output.get(key), int)}
    return entry | ({"hash": "md5"} if output.get("hash") == "md5" else {})


def _read_yaml(content: bytes) -> dict[str, Any]:
    """Parses a DVC file within the limits for untrusted documents; an unreadable file counts as empty."""
    try:
        tree = parse_yaml(content.decode("utf-8"))
    except (UnicodeDecodeError, DocumentError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _config(tree: _Tree, path: str, local: Path | None) -> dict[str, Any]:
    """The cache and remotes for DVC: all settings if the working folder is in the repository, else only safe ones."""
    from dvc.config import Config

    if local is not None and Path.cwd().resolve().is_relative_to(local):
        user_config = Config(str(local / ".dvc"))
        cache_dir = user_config["cache"].get("dir") or str(local / ".dvc" / "cache")
        remotes, default = user_config["remote"], user_config["core"].get("remote")
    else:
        folders = [path.rsplit("/", depth)[0] for depth in range(path.count("/") + 1)]
        names = (f"{folder}/.dvc/config" for folder in folders)
        name = next((name for name in names if name in tree.files), ".dvc/config")
        remotes, default = _keep_harmless(_parse_config(tree.read(name, MAX_POINTER_BYTES)), local)
        cache_dir = str(local / ".dvc" / "cache") if local is not None and _holds_no_links(local) else None
    core = {"no_scm": True, "analytics": False} | ({"remote": default} if default in remotes else {})
    return {"core": core, "remote": remotes} | ({"cache": {"dir": cache_dir}} if cache_dir else {})


def _holds_no_links(local: Path) -> bool:
    """Whether the cache of a repository contains no links, so that no hash can lead out of it."""
    places = [Path(folder, name) for folder, *names in os.walk(local / ".dvc" / "cache") for name in chain(*names)]
    return not any(path.is_symlink() for path in (local / ".dvc", local / ".dvc" / "cache", *places))


def _parse_config(content: bytes) -> Mapping[str, Any]:
    from dvc.config import Config, ConfigError

    with tempfile.NamedTemporaryFile(suffix=".config") as file:
        file.write(content)
        file.flush()
        try:
            config: Mapping[str, Any] = Config.load_file(file.name)
        except ConfigError:
            return {}
    return config


def _keep_harmless(config: Mapping[str, Any], local: Path | None) -> tuple[dict[str, dict[str, Any]], str | None]:
    """The remotes of an untrusted repository, with only safe settings, and the name of the default remote."""
    remotes: dict[str, dict[str, Any]] = {}
    for name, settings in config.get("remote", {}).items():
        if not (PLAIN.fullmatch(name) and isinstance(settings, Mapping)):
            continue
        url = _harmless_url(str(settings.get("url", "")), local)
        dropped_settings = sorted(settings.keys() - REMOTE_SETTINGS) + ([] if url else ["url"])
        if dropped_settings:
            log.warning(
                "Ignored settings of the DVC remote %s from an untrusted repository: %s. To use them, set "
                "them yourself: dvc config --global remote.%s.KEY VALUE",
                name,
                ", ".join(dropped_settings),
                name,
            )
        plain_settings = {
            key: value for key, value in settings.items() if key in REMOTE_SETTINGS and isinstance(value, str)
        }
        if url:
            remotes[name] = plain_settings | {"url": url}
    default = config.get("core", {}).get("remote")
    return remotes, default if isinstance(default, str) else None


def _harmless_url(url: str, local: Path | None) -> str | None:
    """The URL if it leads to a server, the absolute path if it leads into the repository; otherwise None."""
    if "::" in url or "\0" in url:
        return None
    if "://" in url:
        parts = urlsplit(url)
        return url if parts.scheme in REMOTE_SCHEMES and parts.netloc else None
    if local is None or not url:
        return None
    place = local / ".dvc" / url
    return str(place.resolve()) if lies_within(place, [local]) else None
