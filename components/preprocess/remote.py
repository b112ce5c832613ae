"""Data at an address: https://, s3://, gs:// and all else that fsspec knows, and dvc+<repository>@<revision>:<path>.

What is fetched stands in the cache, one folder per address, and stays there; the next run fetches only what changed,
by the tags that the server gives. A file appears under its name when all of it is there.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from components.contract.cache import cache_dir
from components.contract.confinement import UnsafeNameError, checked_name, within
from components.contract.dataset import Source
from components.contract.errors import DataError
from components.contract.outputs import write_json
from components.preprocess.dvc_repository import opened_repository
from components.preprocess.progress import logged

log = logging.getLogger(__name__)

DVC_URI: Final = re.compile(r"dvc\+(?P<repository>.+)@(?P<revision>[^@:]+):(?P<path>.+)")
EXTRAS: Final = {"gs": "gs", "gcs": "gs", "s3": "preprocess", "s3a": "preprocess", "http": "preprocess",
                 "https": "preprocess"}  # fmt: skip
SCHEMES: Final = ("https", "http", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf")
"""fsspec knows many more, of which some read this machine (file, local, memory), chain others (simplecache, zip) or run
what an address holds (reference)."""
CHUNK_BYTES: Final = 2**20
PROGRESS_SECONDS: Final = 5.0
CONNECTIONS: Final = 8
TAGS: Final = ("ETag", "etag", "md5Hash", "checksum", "Last-Modified", "LastModified", "updated", "mtime", "created")
"""What the file systems call that by which a file's version is known."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to be fetched: its name at the server, its size where that is known, and what tells its version."""

    name: str
    size: int | None
    tag: str | None


def is_remote(data: str) -> bool:
    """Whether the data have an address rather than a path."""
    return "://" in data or data.startswith("dvc+")


def repository_of(data: str) -> Path | None:
    """The repository on this machine that `dvc+<repository>@<revision>:<path>` names; None for all else."""
    found = DVC_URI.fullmatch(data)
    return None if found is None or "://" in found["repository"] else Path(found["repository"])


def require_harmless(uri: str) -> None:
    """Refuses an address that would lead elsewhere than to a server, or to the repository that it names.

    Raises:
        DataError: it is of another kind, or a part of it would be read as an option or a command.
    """
    dvc = DVC_URI.fullmatch(uri)
    if uri.startswith("dvc+"):
        if dvc is None:
            raise DataError(f"Data under DVC must be named dvc+<repository>@<revision>:<path>; found {uri}.")
        _require_harmless_dvc(dvc["repository"], dvc["revision"], dvc["path"])
        return
    scheme = uri.partition("://")[0]
    if scheme not in SCHEMES or "::" in uri:
        named = ", ".join(f"{name}://" for name in SCHEMES)
        raise DataError(
            f"The data must be within reach at {uri}; addresses of this kind are not fetched. An address "
            f"begins with {named} or dvc+. For files on this machine, give the path."
        )


def _require_harmless_dvc(repository: str, revision: str, path: str) -> None:
    scheme = repository.partition("://")[0] if "://" in repository else None
    host = re.split(r"[/:]", repository.partition("://")[2] if scheme else repository)[0].rpartition("@")[2]
    if (
        repository.startswith("-")
        or host.startswith("-")
        or "::" in repository
        or scheme not in (None, "https", "http", "ssh", "git", "git+ssh")
    ):
        raise DataError(
            "A repository must be a folder of this machine, user@host:path, or an address that begins with "
            f"https://, http://, ssh:// or git://; found {repository[:200]!r}."
        )
    if not re.fullmatch(r"[\w.+/~^{}#-]+", revision) or revision.startswith("-") or ".." in revision:
        raise DataError(f"A revision must be a branch, a tag or a commit; found {revision[:200]!r}.")
    try:
        checked_name(path.strip("/"))
    except UnsafeNameError as reason:
        raise DataError(
            f"The path in a repository must be that of a file or folder in it; {path[:200]!r} {reason}."
        ) from None


def fetch(uri: str, wanted: Callable[[Path], list[str]] | None = None) -> Path:
    """The data as a file or folder in the cache.

    Args:
        uri: the address of an archive, a table or a folder.
        wanted: of a table that was fetched, the paths beside it that are needed too.

    Raises:
        DataError: the address cannot be, cannot be reached, or leads to nothing.
    """
    require_harmless(uri)
    if uri.startswith("dvc+"):
        return _fetch_dvc(uri, wanted)
    with _explaining(uri):
        import fsspec

        system, path = fsspec.core.url_to_fs(uri)
        target = _target(uri)
        single = _single_file(system, path, uri)
        if single is None:
            _fetch_all(system, _list(system, path), target, uri)
            return target
        name = _name(uri)
        _fetch_all(system, {name: single}, target, uri, keep_others=wanted is not None)
        if wanted is not None:
            _fetch_all(system, {name: single, **_beside_table(system, path, wanted(target / name))}, target, uri)
        return target / name


def origin_of(uri: str) -> Source:
    """Where fetched data came from: of DVC data the hash and the commit that the revision was."""
    path = _beside(_target(uri), "origin.json")
    with contextlib.suppress(OSError, ValueError):
        return Source.model_validate_json(path.read_bytes())
    return Source(uri=uri)


def _fetch_dvc(uri: str, wanted: Callable[[Path], list[str]] | None) -> Path:
    found = DVC_URI.fullmatch(uri)
    assert found is not None, "it was checked"
    within_repository = checked_name(found["path"].strip("/"))
    opened = opened_repository(found["repository"], found["revision"], within_repository)
    with _explaining(uri), opened as view:
        system, commit = view.system, view.commit
        path = f"/{within_repository}"
        info = system.info(path)
        target = _target(uri)
        name = path.rsplit("/", 1)[-1]
        files = _list(system, path) if info["type"] == "directory" else {name: RemoteFile(path, info.get("size"), None)}
        _fetch_all(system, _tagged(files, commit), target, uri, keep_others=wanted is not None)
        if wanted is not None:
            files |= _beside_table(system, path, wanted(target / name))
            _fetch_all(system, _tagged(files, commit), target, uri)
        entry = (info.get("dvc_info") or {}).get("entry")
        hash_info = getattr(entry, "hash_info", None)
        pinned = f"dvc+{found['repository']}@{commit}:{found['path']}"
        source = Source(uri=pinned, dvc=getattr(hash_info, "value", None), git_revision=commit)
        write_json(_beside(target, "origin.json"), source)
        return target if info["type"] == "directory" else target / name


@contextlib.contextmanager
def _explaining(uri: str) -> Iterator[None]:
    try:
        yield
    except (DataError, MemoryError):
        raise
    except ImportError as error:
        kind = uri.split("://")[0]
        extra = f" Install it: pip install 'darkroom[{EXTRAS[kind]}]'" if kind in EXTRAS else ""
        raise DataError(f"For {kind}:// a package is needed that is not there: {error}.{extra}") from None
    except Exception as error:  # every file system raises its library's own errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(f"The data must be within reach at {uri}; they are not: {type(error).__name__}: {reason}. "
                        "Check the address, the network and the credentials.") from None  # fmt: skip


def _target(uri: str) -> Path:
    return cache_dir() / "downloads" / hashlib.sha256(uri.encode()).hexdigest()[:24]


def _beside(target: Path, name: str) -> Path:
    """Where we note what was fetched: not among the data, which are listed as they are."""
    return target.with_name(f"{target.name}.{name}")


def _name(uri: str) -> str:
    return urlsplit(uri).path.rstrip("/").rsplit("/", 1)[-1] or "data"


def _single_file(system: Any, path: str, uri: str) -> RemoteFile | None:
    """What the server says of a file; None for a folder."""
    from components.contract import archive
    from components.preprocess.table import is_table

    name = Path(_name(uri))
    if not (archive.is_archive(name) or is_table(name)):
        if uri.startswith(("http://", "https://")):
            raise DataError(f"An address must lead to an archive or a table, with a name that ends in "
                            f"{', '.join(archive.SUFFIXES)}, .csv or .parquet; {uri} does not.")  # fmt: skip
        return None
    return _remote_file(path, system.info(path))


def _if_there(system: Any, path: str) -> RemoteFile | None:
    """What the server says of a file that a table names; None where it is not there, which is told with the photos."""
    try:
        return _remote_file(path, system.info(path))
    except FileNotFoundError:
        return None


def _beside_table(system: Any, path: str, names: Sequence[str]) -> dict[str, RemoteFile]:
    """The files that a table at the path names, as far as they are there."""
    parent = path.rsplit("/", 1)[0]
    files = {name: _if_there(system, f"{parent}/{name}") for name in names}
    return {name: file for name, file in files.items() if file is not None}


def _tagged(files: Mapping[str, RemoteFile], commit: str) -> dict[str, RemoteFile]:
    """What a commit holds never changes, so the commit tells the version."""
    return {below: RemoteFile(file.name, file.size, f"{commit}/{file.name}") for below, file in files.items()}


def _list(system: Any, path: str) -> dict[str, RemoteFile]:
    found = system.find(path, detail=True)
    if not found:
        raise FileNotFoundError(f"there is no file below {path}")
    root = path.rstrip("/") + "/"
    files = {}
    for name, info in found.items():
        below = ("/" + name.lstrip("/")).split("/" + root.strip("/") + "/", 1)[-1]
        try:
            place = checked_name(below)
            if place in files:
                raise UnsafeNameError("is there twice, but for the slashes")
            files[place] = _remote_file(name, info)
        except UnsafeNameError as reason:
            raise DataError(
                f"Names of files must stay within their folder, and be such as a file can have; {name!r} {reason}."
            ) from None
    return files


def _remote_file(name: str, info: Mapping[str, Any]) -> RemoteFile:
    tag = next((str(info[key]) for key in TAGS if info.get(key)), None)
    return RemoteFile(name, info.get("size"), tag)


def _fetch_all(
    system: Any, files: Mapping[str, RemoteFile], target: Path, uri: str, *, keep_others: bool = False
) -> None:
    """Makes `target` hold these files, fetching those that are missing or whose tag is another."""
    target.mkdir(parents=True, exist_ok=True)
    with _beside(target, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tags_path = _beside(target, "tags.json")
        tags: dict[str, str] = json.loads(tags_path.read_text()) if tags_path.is_file() else {}
        missing = {
            below: file
            for below, file in files.items()
            if file.tag is None or tags.get(below) != f"{file.size}/{file.tag}" or not within(target, below).is_file()
        }
        if missing:
            log.info("Fetching %s of %s files from %s.", f"{len(missing):,}", f"{len(files):,}", uri)
        with ThreadPoolExecutor(CONNECTIONS, "fetch") as pool:
            done = pool.map(lambda item: _fetch_one(system, item[1], within(target, item[0])), missing.items())
            for below, _ in zip(missing, logged(done, len(missing), "files fetched"), strict=True):
                tags[below] = f"{files[below].size}/{files[below].tag}"
        if not keep_others:
            for below in set(tags) - set(files):
                within(target, below).unlink(missing_ok=True)
                del tags[below]
        write_json(tags_path, tags)


def _fetch_one(system: Any, file: RemoteFile, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name[:200]}.partial")
    started = noted = time.monotonic()
    num_bytes = 0
    try:
        with system.open(file.name, "rb") as source, partial.open("wb") as sink:
            while chunk := source.read(CHUNK_BYTES):
                sink.write(chunk)
                num_bytes += len(chunk)
                now = time.monotonic()
                if now - noted > PROGRESS_SECONDS:
                    noted = now
                    of = f" of {file.size / 1e6:,.0f}" if file.size else ""
                    log.info("%s: %.0f%s MB, %.1f MB a second.", target.name, num_bytes / 1e6, of,
                             num_bytes / 1e6 / (now - started))  # fmt: skip
        if file.size is not None and num_bytes != file.size:
            raise OSError(f"{file.name} ended after {num_bytes:,} of {file.size:,} bytes")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
