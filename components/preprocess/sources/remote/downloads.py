"""Downloads files to the cache if they are missing there or have changed."""

import contextlib
import logging
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from components.contract.errors import DataError
from components.contract.foreign.confinement import within
from components.contract.system.budget import Budget
from components.contract.system.progress import Progress, log_progress
from components.preprocess.sources.remote import limits
from components.preprocess.sources.remote.files import RemoteFile, remote_file
from components.preprocess.sources.remote.tags import Tags

log = logging.getLogger(__name__)

CHUNK_BYTES: Final = 2**20
CONNECTIONS: Final = 8
NOTED_FILES: Final = 64
"""The number of downloads after which their tags are saved."""


def download_files(
    system: Any, files: Mapping[str, RemoteFile], target: Path, uri: str, *, keep_others: bool = False
) -> None:
    """Downloads missing and changed files to `target`; unless `keep_others` is True, removes other files there."""
    target.mkdir(parents=True, exist_ok=True)
    with FileLock(note_path(target, "lock")):
        for name, file in download_missing(system, files, target, uri).items():
            if file is None:
                raise FileNotFoundError(f"{files[name].name} no longer exists")
        if not keep_others:
            remove_others(files, target)


def download_missing(
    system: Any, files: Mapping[str, RemoteFile], target: Path, uri: str
) -> dict[str, RemoteFile | None]:
    """Downloads the files that are missing in `target` or whose tag has changed.

    A file gets its final name and its tag only when it is complete, so a repeated download skips complete files.

    Returns:
        The downloaded version of each file; None if it no longer exists on the server.
    """
    target.mkdir(parents=True, exist_ok=True)
    tags = tags_of(target)
    downloaded_tags = tags.find(list(files))
    versions: dict[str, RemoteFile | None] = dict(files)
    missing = {
        name: file
        for name, file in files.items()
        if file.tag is None or downloaded_tags.get(name) != _version(file) or not within(target, name).is_file()
    }
    if missing:
        log.info("Downloading %s of %s files from %s.", f"{len(missing):,}", f"{len(files):,}", uri)
        _require_room(target, missing.values(), uri)
    with ThreadPoolExecutor(CONNECTIONS, "fetch") as pool, _cancel_on_error(pool):
        downloads = pool.map(lambda job: _download_file(system, job[1], within(target, job[0]), uri), missing.items())
        new_tags: dict[str, str] = {}
        try:
            for name, version in zip(missing, log_progress(downloads, len(missing), "files downloaded"), strict=True):
                versions[name] = version
                if version is not None:
                    new_tags[name] = _version(version)
                if len(new_tags) >= NOTED_FILES:
                    tags.add(new_tags)
                    new_tags = {}
        finally:
            tags.add(new_tags)
    return versions


def remove_others(files: Collection[str], target: Path) -> None:
    """Removes earlier downloads that are not among these files."""
    tags = tags_of(target)
    others = tags.names().difference(files)
    for name in others:
        within(target, name).unlink(missing_ok=True)
    tags.remove(others)


def tags_of(target: Path) -> Tags:
    """Opens the database with the tags of the downloaded files."""
    return Tags(note_path(target, "tags.sqlite"))


def _version(file: RemoteFile) -> str:
    return f"{file.size}/{file.tag}"


def _require_room(target: Path, files: Iterable[RemoteFile], uri: str) -> None:
    num_bytes, free = sum(file.size or 0 for file in files), shutil.disk_usage(target).free
    if num_bytes > free - limits.SPARE_BYTES:
        raise DataError(
            f"Downloading {uri} needs {num_bytes / 1e6:,.0f} MB of disk space; {target} has "
            f"{max(0, free - limits.SPARE_BYTES) / 1e6:,.0f} MB. Free some space, or set DARKROOM_CACHE "
            "to a folder on another disk."
        )


def _download_file(system: Any, file: RemoteFile, target: Path, uri: str) -> RemoteFile | None:
    """Downloads one file; returns its version on the server, or None if it no longer exists there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial_path = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.partial")
    progress = Progress()
    try:
        with _open_stream(system, file, uri) as source, partial_path.open("wb") as sink:
            version = _opened_version(source, file)
            budget = _file_budget(version, target, uri)
            while chunk := budget.wait_for(partial(source.read, CHUNK_BYTES), limits.ANSWER_SECONDS):
                budget.spend(len(chunk))
                sink.write(chunk)
                if progress.is_due():
                    of = f" of {version.size / 1e6:,.0f}" if version.size else ""
                    log.info(
                        "%s: %.0f%s MB, %.1f MB per second.",
                        target.name,
                        budget.num_bytes / 1e6,
                        of,
                        budget.num_bytes / 1e6 / progress.seconds,
                    )
        if version.size is not None and budget.num_bytes != version.size:
            raise OSError(f"{file.name} ended after {budget.num_bytes:,} of {version.size:,} bytes")
        partial_path.replace(target)
    except FileNotFoundError:
        return None
    finally:
        partial_path.unlink(missing_ok=True)
    return version


def _opened_version(source: Any, file: RemoteFile) -> RemoteFile:
    """The version that is being read; object stores report it when a file is opened."""
    details = getattr(source, "details", None)
    version = remote_file(file.name, details) if isinstance(details, dict) else file
    return file if version.tag is None else version


def _file_budget(file: RemoteFile, target: Path, uri: str) -> Budget:
    room = max(0, shutil.disk_usage(target.parent).free - limits.SPARE_BYTES)
    budget = replace(limits.fetch_budget(uri), subject=f"The file {target.name} from {uri}")
    budget.max_bytes = min(limits.UNANNOUNCED_BYTES, room) if file.size is None else file.size
    budget.basis = ", since its server does not report its size" if file.size is None else ", as its server reports"
    return budget


def _open_stream(system: Any, file: RemoteFile, uri: str) -> Any:
    """Opens the file as a stream; by default, fsspec keeps whole blocks in memory, however much the server sends."""
    return system.open(file.name, "rb", **({"block_size": 0} if uri.startswith(("http://", "https://")) else {}))


@contextlib.contextmanager
def _cancel_on_error(pool: ThreadPoolExecutor) -> Iterator[None]:
    """Cancels the remaining downloads after the first error in the block."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def note_path(target: Path, name: str) -> Path:
    """The path of a file with facts about the download, outside the folder of the data."""
    return target.with_name(f"{target.name}.{name}")
