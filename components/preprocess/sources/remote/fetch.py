"""Downloads data at an address: https://, s3://, gs:// and others, and dvc+<repository>@<revision>:<path>.

Downloads remain in the cache, in one folder per address. The next run downloads only files whose tag on the server has
changed. A file appears under its name only when it is complete.
"""

import contextlib
import errno
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from components.contract.artifacts.dataset import Source
from components.contract.errors import DataError
from components.contract.foreign.confinement import checked_name
from components.contract.system.address import ADDRESSES_VARIABLE, Address, split_credentials
from components.contract.system.atomic_files import write_json
from components.contract.system.cache import cache_dir
from components.contract.system.disk_space import FULL, free_text
from components.contract.system.waiting import is_outage, outage_seconds, wait_for
from components.preprocess.sources.remote import limits
from components.preprocess.sources.remote.addresses import DVC_URI, require_harmless
from components.preprocess.sources.remote.downloads import download_files, note_path
from components.preprocess.sources.remote.dvc_repository import open_repository
from components.preprocess.sources.remote.files import (
    RemoteFile,
    file_name,
    find_file,
    find_files_beside,
    list_files,
    pin_to_commit,
)

ADDRESSING_VARIABLE: Final = "DARKROOM_S3_ADDRESSING_STYLE"
"""The environment variable for the addressing style of an S3 store. AWS defines variables for the endpoint, the region
and the keys, but none for the addressing style."""
ADDRESSING_STYLES: Final = ("auto", "path", "virtual")
EXTRAS: Final = {
    "gs": "gs",
    "gcs": "gs",
    "s3": "preprocess",
    "s3a": "preprocess",
    "http": "preprocess",
    "https": "preprocess",
}


def fetch(uri: str, list_referenced: Callable[[Path], list[str]] | None = None) -> Path:
    """Downloads data to a file or folder in the cache, and returns its path.

    Args:
        uri: the address of an archive, a label file or a folder.
        list_referenced: returns, for a downloaded label file, the paths of files next to it that are also needed.

    Raises:
        DataError: the address is invalid, cannot be reached, or does not exist.
    """
    uri = checked_address(uri)
    fetch_once = partial(_fetch_dvc if uri.startswith("dvc+") else _fetch_files, uri, list_referenced)
    with explain_errors(uri):
        return wait_for(fetch_once, f"The server of {uri}", is_outage, outage_seconds())


def checked_address(uri: str) -> Address:
    """Checks that an address is complete and supported.

    Raises:
        DataError: the address is redacted and its secret is unknown, or its kind is not supported.
    """
    address = Address(uri)
    if address.lacks_secret:
        raise DataError(
            f"The address {address} is redacted, and its secret is unknown here. Pass the full address with "
            f"--data, or set the environment variable {ADDRESSES_VARIABLE}; on a cluster, use the secret "
            "darkroom-data (docs/kubernetes.md)."
        )
    require_harmless(address)
    return address


def _fetch_files(uri: Address, list_referenced: Callable[[Path], list[str]] | None) -> Path:
    import fsspec

    place, s3_options = place_and_s3_options(uri.full)
    system, path = fsspec.core.url_to_fs(place, **limits.http_options(uri), **s3_options)
    target = target_of(uri)
    file = limits.fetch_budget(uri).wait_for(lambda: find_file(system, path, uri), limits.ANSWER_SECONDS)
    if file is None:
        download_files(system, list_files(system, path, uri), target, uri)
        return target
    name = file_name(uri)
    download_files(system, {name: file}, target, uri, keep_others=list_referenced is not None)
    if list_referenced is not None:
        referenced_files = find_files_beside(system, path, list_referenced(target / name), uri)
        download_files(system, {name: file, **referenced_files}, target, uri)
    return target / name


def _fetch_dvc(uri: Address, list_referenced: Callable[[Path], list[str]] | None) -> Path:
    match = DVC_URI.fullmatch(uri.full)
    assert match is not None, "`checked_address` must have checked the address"
    path_in_repository = checked_name(match["path"].strip("/"))
    repository = open_repository(match["repository"], match["revision"], path_in_repository)
    with _remove_clone(uri), repository as view:
        system, commit = view.system, view.commit
        path = f"/{path_in_repository}"
        info = limits.fetch_budget(uri).wait_for(partial(system.info, path), limits.LIST_SECONDS)
        target = target_of(uri)
        name = path.rsplit("/", 1)[-1]
        files = (
            list_files(system, path, uri)
            if info["type"] == "directory"
            else {name: RemoteFile(path, info.get("size"), None)}
        )
        download_files(system, pin_to_commit(files, commit), target, uri, keep_others=list_referenced is not None)
        if list_referenced is not None:
            files |= find_files_beside(system, path, list_referenced(target / name), uri)
            download_files(system, pin_to_commit(files, commit), target, uri)
        entry = (info.get("dvc_info") or {}).get("entry")
        hash_info = getattr(entry, "hash_info", None)
        pinned_uri = f"dvc+{match['repository']}@{commit}:{match['path']}"
        source = Source(uri=pinned_uri, dvc=getattr(hash_info, "value", None), git_revision=commit)
        write_json(note_path(target, "origin.json"), source)
        return target if info["type"] == "directory" else target / name


def origin_of(uri: str) -> Source:
    """The origin of downloaded data; for data under DVC, it includes the hash and the commit."""
    path = note_path(target_of(uri), "origin.json")
    with contextlib.suppress(OSError, ValueError):
        return Source.model_validate_json(path.read_bytes())
    return Source(uri=Address(uri))


@contextlib.contextmanager
def _remove_clone(uri: Address) -> Iterator[None]:
    """Removes DVC's clone after the block if the address has a password, which the clone's .git/config contains."""
    try:
        yield
    finally:
        if uri.has_secret:
            from dvc.repo.open_repo import clean_repos

            clean_repos()


@contextlib.contextmanager
def explain_errors(uri: Address) -> Iterator[None]:
    """Converts errors of libraries to a `DataError`, without the secrets of the address."""
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
        raise DataError(f"{kind}:// needs a package that is not installed: {reason}.{extra}") from None
    except Exception as error:  # each file system has its own error classes
        is_unwritable = isinstance(error, OSError) and error.errno in (*FULL, errno.EROFS)
        if is_unwritable or isinstance(error, sqlite3.Error):
            reason = str(error.strerror if isinstance(error, OSError) else error)
            raise DataError(
                f"The data cannot be downloaded to the cache {cache_dir()}: {reason}{free_text(cache_dir())}. "
                "Free some space, or set another folder with DARKROOM_CACHE."
            ) from None
        reason = uri.hide((str(error).strip() or type(error).__name__).splitlines()[0]).rstrip(".")
        raise DataError(
            f"The data at {uri} cannot be read: {type(error).__name__}: {reason}. Check the address, the network and "
            "the credentials."
        ) from None


def place_and_s3_options(uri: str) -> tuple[str, dict[str, Any]]:
    """Returns (address, options) for fsspec, which does not support credentials in `s3://KEY:SECRET@bucket/…`.

    Raises:
        DataError: the addressing style is invalid.
    """
    if not uri.startswith(("s3://", "s3a://")):
        return uri, {}
    style = os.environ.get(ADDRESSING_VARIABLE) or "auto"  # with an endpoint, auto means path
    if style not in ADDRESSING_STYLES:
        raise DataError(f"{ADDRESSING_VARIABLE} must be one of {', '.join(ADDRESSING_STYLES)}; found {style[:40]!r}.")
    options = {"config_kwargs": {"s3": {"addressing_style": style}}}
    place, key, secret = split_credentials(uri)
    return (place, options | {"key": key, "secret": secret}) if secret else (uri, options)


def target_of(uri: str) -> Path:
    """The path in the cache to which the data at an address is downloaded."""
    return cache_dir() / "downloads" / hashlib.sha256(Address(uri).cache_key.encode()).hexdigest()[:24]
