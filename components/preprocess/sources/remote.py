"""Data at an address: https://, s3://, gs:// and all else that fsspec knows, and dvc+<repository>@<revision>:<path>.

What is fetched stands in the cache, one folder per address, and stays there; the next run fetches only what changed,
by the tags that the server gives. A file appears under its name when all of it is there.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from components.contract.artifacts.dataset import Source
from components.contract.errors import DataError
from components.contract.foreign.confinement import UnsafeNameError, checked_name, within
from components.contract.system.address import ADDRESSES_VARIABLE, Address, split_credentials
from components.contract.system.atomic_files import write_json
from components.contract.system.budget import Budget
from components.contract.system.cache import cache_dir
from components.contract.system.disk_space import FULL, free_text
from components.preprocess.progress import logged
from components.preprocess.sources.dvc_repository import opened_repository

log = logging.getLogger(__name__)

DVC_URI: Final = re.compile(r"dvc\+(?P<repository>.+)@(?P<revision>[^@:]+):(?P<path>.+)")
EXTRAS: Final = {
    "gs": "gs",
    "gcs": "gs",
    "s3": "preprocess",
    "s3a": "preprocess",
    "http": "preprocess",
    "https": "preprocess",
}
SCHEMES: Final = ("https", "http", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf")
"""fsspec knows many more, of which some read this machine (file, local, memory), chain others (simplecache, zip) or run
what an address holds (reference)."""
CHUNK_BYTES: Final = 2**20
PROGRESS_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 40.0
"""How long a server may take for what it says of one file, and to begin with a file."""
LIST_SECONDS: Final = 300.0
"""How long the list of a folder may take, or a copy of a repository."""
BYTES_PER_SECOND: Final = 10_000
UNANNOUNCED_BYTES: Final = 2**31
"""Of a file whose size the server does not tell, such as GitHub's archive of a branch."""
SPARE_BYTES: Final = 2**30
"""Left free on the disk."""
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
    uri = Address(uri)
    if uri.lacks_secret:
        raise DataError(
            f"The address {uri} was redacted, and its secret is unknown here. Give the whole address with "
            f"--data, or put it into the environment variable {ADDRESSES_VARIABLE}; on a cluster, into the "
            "secret darkroom-data (docs/kubernetes.md)."
        )
    require_harmless(uri)
    if uri.startswith("dvc+"):
        return _fetch_dvc(uri, wanted)
    with _explaining(uri):
        import fsspec

        place, credentials = _place_and_credentials(uri.full)
        system, path = fsspec.core.url_to_fs(place, **_options(uri), **credentials)
        target = _target(uri)
        single = _budget(uri).wait_for(lambda: _single_file(system, path, uri), ANSWER_SECONDS)
        if single is None:
            _fetch_all(system, _list(system, path, uri), target, uri)
            return target
        name = _name(uri)
        _fetch_all(system, {name: single}, target, uri, keep_others=wanted is not None)
        if wanted is not None:
            beside = _beside_table(system, path, wanted(target / name), uri)
            _fetch_all(system, {name: single, **beside}, target, uri)
        return target / name


def _options(uri: str) -> dict[str, Any]:
    """Of HTTP: a large file may take hours, as long as it comes; silence may not."""
    if not uri.startswith(("http://", "https://")):
        return {}
    import aiohttp

    silence = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS / 2, sock_read=ANSWER_SECONDS / 2)
    return {"client_kwargs": {"timeout": silence}}


def _budget(uri: str) -> Budget:
    """What data at an address may cost while they are fetched."""
    advice = "Fetch them yourself and give the folder, or name another address."
    return Budget(
        f"The data at {uri}",
        advice,
        start_seconds=ANSWER_SECONDS / 2,
        bytes_per_second=BYTES_PER_SECOND,
        members_per_second=1,
    )


def origin_of(uri: str) -> Source:
    """Where fetched data came from: of DVC data the hash and the commit that the revision was."""
    path = _beside(_target(uri), "origin.json")
    with contextlib.suppress(OSError, ValueError):
        return Source.model_validate_json(path.read_bytes())
    return Source(uri=Address(uri))


def _fetch_dvc(uri: Address, wanted: Callable[[Path], list[str]] | None) -> Path:
    found = DVC_URI.fullmatch(uri.full)
    assert found is not None, "it was checked"
    within_repository = checked_name(found["path"].strip("/"))
    opened = opened_repository(found["repository"], found["revision"], within_repository)
    with _explaining(uri), _no_clone_left(uri), opened as view:
        system, commit = view.system, view.commit
        path = f"/{within_repository}"
        info = _budget(uri).wait_for(partial(system.info, path), LIST_SECONDS)
        target = _target(uri)
        name = path.rsplit("/", 1)[-1]
        files = (
            _list(system, path, uri)
            if info["type"] == "directory"
            else {name: RemoteFile(path, info.get("size"), None)}
        )
        _fetch_all(system, _tagged(files, commit), target, uri, keep_others=wanted is not None)
        if wanted is not None:
            files |= _beside_table(system, path, wanted(target / name), uri)
            _fetch_all(system, _tagged(files, commit), target, uri)
        entry = (info.get("dvc_info") or {}).get("entry")
        hash_info = getattr(entry, "hash_info", None)
        pinned = f"dvc+{found['repository']}@{commit}:{found['path']}"
        source = Source(uri=pinned, dvc=getattr(hash_info, "value", None), git_revision=commit)
        write_json(_beside(target, "origin.json"), source)
        return target if info["type"] == "directory" else target / name


@contextlib.contextmanager
def _no_clone_left(uri: Address) -> Iterator[None]:
    """Removes DVC's clone of a repository with a password afterwards, because the clone's .git/config holds it."""
    try:
        yield
    finally:
        if uri.has_secret:
            from dvc.repo.open_repo import clean_repos

            clean_repos()


@contextlib.contextmanager
def _explaining(uri: Address) -> Iterator[None]:
    """Turns what a library raises into a `DataError`, without the secrets of the address."""
    try:
        yield
    except MemoryError:
        raise
    except DataError as error:
        raise DataError(uri.hide(str(error))) from None
    except ImportError as error:
        kind = uri.split("://")[0]
        extra = f" Install it: pip install 'darkroom[{EXTRAS[kind]}]'" if kind in EXTRAS else ""
        reason = uri.hide(str(error))
        raise DataError(f"For {kind}:// a package is needed that is not there: {reason}.{extra}") from None
    except Exception as error:  # every file system raises its library's own errors
        if isinstance(error, OSError) and error.errno in (*FULL, errno.EROFS):
            raise DataError(
                f"Data are fetched into the cache, {cache_dir()}, which must be writable and have room; it is not: "
                f"{error.strerror}{free_text(cache_dir())}. Make room, or name another folder with DARKROOM_CACHE."
            ) from None
        reason = uri.hide((str(error).strip() or type(error).__name__).splitlines()[0]).rstrip(".")
        raise DataError(
            f"The data must be within reach at {uri}; they are not: {type(error).__name__}: {reason}. "
            "Check the address, the network and the credentials."
        ) from None


def _place_and_credentials(uri: str) -> tuple[str, dict[str, str]]:
    """What fsspec takes: the keys in `s3://KEY:SECRET@bucket/…` it would take for a part of the bucket's name."""
    place, key, secret = split_credentials(uri)
    if not secret or not uri.startswith(("s3://", "s3a://")):
        return uri, {}
    return place, {"key": key, "secret": secret}


def _target(uri: str) -> Path:
    return cache_dir() / "downloads" / hashlib.sha256(Address(uri).cache_key.encode()).hexdigest()[:24]


def _beside(target: Path, name: str) -> Path:
    """Where we note what was fetched: not among the data, which are listed as they are."""
    return target.with_name(f"{target.name}.{name}")


def _name(uri: str) -> str:
    return urlsplit(uri).path.rstrip("/").rsplit("/", 1)[-1] or "data"


def _single_file(system: Any, path: str, uri: str) -> RemoteFile | None:
    """What the server says of a file; None for a folder."""
    from components.contract.foreign import archive
    from components.preprocess.sources.readers.table import is_table

    name = Path(_name(uri))
    if not (archive.is_archive(name) or is_table(name)):
        if uri.startswith(("http://", "https://")):
            raise DataError(
                f"An address must lead to an archive or a table, with a name that ends in "
                f"{', '.join(archive.SUFFIXES)}, .csv or .parquet; {uri} does not."
            )
        return None
    return _remote_file(path, system.info(path))


def _if_there(system: Any, path: str) -> RemoteFile | None:
    """What the server says of a file that a table names; None where it is not there, which is told with the photos."""
    try:
        return _remote_file(path, system.info(path))
    except FileNotFoundError:
        return None


def _beside_table(system: Any, path: str, names: Sequence[str], uri: str) -> dict[str, RemoteFile]:
    """The files that a table at the path names, as far as they are there."""
    place, mark, query = path.partition("?")
    parent = place.rsplit("/", 1)[0]
    budget, files = _budget(uri), {}
    for name in names:
        file = budget.wait_for(partial(_if_there, system, f"{parent}/{name}{mark}{query}"), ANSWER_SECONDS)
        budget.spend(num_members=1)
        if file is not None:
            files[name] = file
    return files


def _tagged(files: Mapping[str, RemoteFile], commit: str) -> dict[str, RemoteFile]:
    """What a commit holds never changes, so the commit tells the version."""
    return {below: RemoteFile(file.name, file.size, f"{commit}/{file.name}") for below, file in files.items()}


def _list(system: Any, path: str, uri: str) -> dict[str, RemoteFile]:
    budget = _budget(uri)
    found: dict[str, dict[str, Any]] = budget.wait_for(lambda: system.find(path, detail=True), LIST_SECONDS)
    budget.spend(num_members=len(found), memory_bytes=sum(map(len, found)))
    if not found:
        raise FileNotFoundError(f"there is no file below {path}")
    root = path.rstrip("/") + "/"
    files: dict[str, RemoteFile] = {}
    for name, info in found.items():
        below = ("/" + name.lstrip("/")).split("/" + root.strip("/") + "/", 1)[-1]
        try:
            place = _unique_place(below, files)
            files[place] = _remote_file(name, info)
        except UnsafeNameError as reason:
            raise DataError(
                f"Names of files must stay within their folder, and be such as a file can have; {name!r} {reason}."
            ) from None
    return files


def _unique_place(below: str, files: Mapping[str, RemoteFile]) -> str:
    """The checked name of a file, which no other file has.

    Raises:
        UnsafeNameError: the name is unsafe, or another file has it.
    """
    place = checked_name(below)
    if place in files:
        raise UnsafeNameError("is there twice, but for the slashes")
    return place


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
            _require_room(target, missing.values(), uri)
        with ThreadPoolExecutor(CONNECTIONS, "fetch") as pool, _cancelling(pool):
            done = pool.map(lambda item: _fetch_one(system, item[1], within(target, item[0]), uri), missing.items())
            for below, _ in zip(missing, logged(done, len(missing), "files fetched"), strict=True):
                tags[below] = f"{files[below].size}/{files[below].tag}"
        if not keep_others:
            for below in set(tags) - set(files):
                within(target, below).unlink(missing_ok=True)
                del tags[below]
        write_json(tags_path, tags)


@contextlib.contextmanager
def _cancelling(pool: ThreadPoolExecutor) -> Iterator[None]:
    """After the first error no other file is begun."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _require_room(target: Path, files: Iterable[RemoteFile], uri: str) -> None:
    num_bytes, free = sum(file.size or 0 for file in files), shutil.disk_usage(target).free
    if num_bytes > free - SPARE_BYTES:
        raise DataError(
            f"The data at {uri} need room on the disk: {num_bytes / 1e6:,.0f} MB; at {target} there are "
            f"{max(0, free - SPARE_BYTES) / 1e6:,.0f} MB. Make room, or set DARKROOM_CACHE to another "
            "disk."
        )


def _fetch_one(system: Any, file: RemoteFile, target: Path, uri: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial_path = target.with_name(f".{target.name[:200]}.partial")
    room = max(0, shutil.disk_usage(target.parent).free - SPARE_BYTES)
    budget = replace(_budget(uri), subject=f"The file {target.name} of {uri}")
    budget.max_bytes = min(UNANNOUNCED_BYTES, room) if file.size is None else file.size
    budget.basis = ", as its server does not announce its size" if file.size is None else ", as its server announces"
    started = noted = time.monotonic()
    try:
        with _open(system, file, uri) as source, partial_path.open("wb") as sink:
            while chunk := budget.wait_for(partial(source.read, CHUNK_BYTES), ANSWER_SECONDS):
                budget.spend(len(chunk))
                sink.write(chunk)
                now = time.monotonic()
                if now - noted > PROGRESS_SECONDS:
                    noted = now
                    of = f" of {file.size / 1e6:,.0f}" if file.size else ""
                    log.info(
                        "%s: %.0f%s MB, %.1f MB a second.",
                        target.name,
                        budget.num_bytes / 1e6,
                        of,
                        budget.num_bytes / 1e6 / (now - started),
                    )
        if file.size is not None and budget.num_bytes != file.size:
            raise OSError(f"{file.name} ended after {budget.num_bytes:,} of {file.size:,} bytes")
        partial_path.replace(target)
    finally:
        partial_path.unlink(missing_ok=True)


def _open(system: Any, file: RemoteFile, uri: str) -> Any:
    """The file as a stream: in blocks, fsspec holds whatever the server sends for one in memory."""
    return system.open(file.name, "rb", **({"block_size": 0} if uri.startswith(("http://", "https://")) else {}))
