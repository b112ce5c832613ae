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

from components.contract.address import ADDRESSES_VARIABLE, Address, split_credentials
from components.contract.cache import cache_dir
from components.contract.dataset import Source
from components.contract.errors import DataError
from components.contract.outputs import write_json
from components.preprocess.progress import logged

log = logging.getLogger(__name__)

DVC_URI: Final = re.compile(r"dvc\+(?P<repository>.+)@(?P<revision>[^@:]+):(?P<path>.+)")
EXTRAS: Final = {"gs": "gs", "gcs": "gs", "s3": "preprocess", "s3a": "preprocess", "http": "preprocess",
                 "https": "preprocess"}  # fmt: skip
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
    if uri.startswith("dvc+"):
        return _fetch_dvc(uri, wanted)
    with _explaining(uri):
        import fsspec

        place, credentials = _place_and_credentials(uri.full)
        system, path = fsspec.core.url_to_fs(place, **credentials)
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
    return Source(uri=Address(uri))


def _fetch_dvc(uri: Address, wanted: Callable[[Path], list[str]] | None) -> Path:
    found = DVC_URI.fullmatch(uri.full)
    if found is None:
        raise DataError(f"Data under DVC must be named dvc+<repository>@<revision>:<path>; found {uri}.")
    with _explaining(uri), _no_clone_left(uri):
        from dvc.api import DVCFileSystem

        system = DVCFileSystem(found["repository"], rev=found["revision"])
        path = "/" + found["path"].strip("/")
        info = system.info(path)
        commit = system.repo.get_rev()
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
        reason = uri.hide((str(error).strip() or type(error).__name__).splitlines()[0]).rstrip(".")
        raise DataError(f"The data must be within reach at {uri}; they are not: {type(error).__name__}: {reason}. "
                        "Check the address, the network and the credentials.") from None  # fmt: skip


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
    place, mark, query = path.partition("?")
    parent = place.rsplit("/", 1)[0]
    files = {name: _if_there(system, f"{parent}/{name}{mark}{query}") for name in names}
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
        if ".." in below.split("/"):
            raise DataError(f"Names of files must stay within their folder; {name!r} leads outside.")
        files[below] = _remote_file(name, info)
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
        missing = {below: file for below, file in files.items()
                   if file.tag is None or tags.get(below) != f"{file.size}/{file.tag}"
                   or not (target / below).is_file()}  # fmt: skip
        if missing:
            log.info("Fetching %s of %s files from %s.", f"{len(missing):,}", f"{len(files):,}", uri)
        with ThreadPoolExecutor(CONNECTIONS, "fetch") as pool:
            done = pool.map(lambda item: _fetch_one(system, item[1], target / item[0]), missing.items())
            for below, _ in zip(missing, logged(done, len(missing), "files fetched"), strict=True):
                tags[below] = f"{files[below].size}/{files[below].tag}"
        if not keep_others:
            for below in set(tags) - set(files):
                (target / below).unlink(missing_ok=True)
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
