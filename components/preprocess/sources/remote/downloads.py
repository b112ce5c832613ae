"""Downloads files into the cache: those that are missing there, or whose version has changed."""

import contextlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from components.contract.errors import DataError
from components.contract.foreign.confinement import within
from components.contract.system.atomic_files import write_json
from components.contract.system.progress import Progress, log_progress
from components.preprocess.sources.remote import limits
from components.preprocess.sources.remote.files import RemoteFile

log = logging.getLogger(__name__)

CHUNK_BYTES: Final = 2**20
CONNECTIONS: Final = 8


def download_files(
    system: Any, files: Mapping[str, RemoteFile], target: Path, uri: str, *, keep_others: bool = False
) -> None:
    """Makes `target` hold these files, fetching those that are missing or whose tag is another."""
    target.mkdir(parents=True, exist_ok=True)
    with FileLock(note_path(target, "lock")):
        tags_path = note_path(target, "tags.json")
        tags: dict[str, str] = json.loads(tags_path.read_text()) if tags_path.is_file() else {}
        missing = {
            name: file
            for name, file in files.items()
            if file.tag is None or tags.get(name) != f"{file.size}/{file.tag}" or not within(target, name).is_file()
        }
        if missing:
            log.info("Downloading %s of %s files from %s.", f"{len(missing):,}", f"{len(files):,}", uri)
            _require_room(target, missing.values(), uri)
        with ThreadPoolExecutor(CONNECTIONS, "fetch") as pool, _cancel_on_error(pool):
            jobs = missing.items()
            downloads = pool.map(lambda job: _download_file(system, job[1], within(target, job[0]), uri), jobs)
            for name, _ in zip(missing, log_progress(downloads, len(missing), "files fetched"), strict=True):
                tags[name] = f"{files[name].size}/{files[name].tag}"
        if not keep_others:
            for name in set(tags) - set(files):
                within(target, name).unlink(missing_ok=True)
                del tags[name]
        write_json(tags_path, tags)


def _require_room(target: Path, files: Iterable[RemoteFile], uri: str) -> None:
    num_bytes, free = sum(file.size or 0 for file in files), shutil.disk_usage(target).free
    if num_bytes > free - limits.SPARE_BYTES:
        raise DataError(
            f"Downloading {uri} needs {num_bytes / 1e6:,.0f} MB of disk space; {target} has "
            f"{max(0, free - limits.SPARE_BYTES) / 1e6:,.0f} MB. Free some space, or set DARKROOM_CACHE "
            "to another disk."
        )


def _download_file(system: Any, file: RemoteFile, target: Path, uri: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial_path = target.with_name(f".{target.name[:200]}.partial")
    room = max(0, shutil.disk_usage(target.parent).free - limits.SPARE_BYTES)
    budget = replace(limits.fetch_budget(uri), subject=f"The file {target.name} of {uri}")
    budget.max_bytes = min(limits.UNANNOUNCED_BYTES, room) if file.size is None else file.size
    budget.basis = ", as its server does not announce its size" if file.size is None else ", as its server announces"
    progress = Progress()
    try:
        with _open_stream(system, file, uri) as source, partial_path.open("wb") as sink:
            while chunk := budget.wait_for(partial(source.read, CHUNK_BYTES), limits.ANSWER_SECONDS):
                budget.spend(len(chunk))
                sink.write(chunk)
                if progress.is_due():
                    of = f" of {file.size / 1e6:,.0f}" if file.size else ""
                    log.info(
                        "%s: %.0f%s MB, %.1f MB a second.",
                        target.name,
                        budget.num_bytes / 1e6,
                        of,
                        budget.num_bytes / 1e6 / progress.seconds,
                    )
        if file.size is not None and budget.num_bytes != file.size:
            raise OSError(f"{file.name} ended after {budget.num_bytes:,} of {file.size:,} bytes")
        partial_path.replace(target)
    finally:
        partial_path.unlink(missing_ok=True)


def _open_stream(system: Any, file: RemoteFile, uri: str) -> Any:
    """The file as a stream: in blocks, fsspec holds whatever the server sends for one in memory."""
    return system.open(file.name, "rb", **({"block_size": 0} if uri.startswith(("http://", "https://")) else {}))


@contextlib.contextmanager
def _cancel_on_error(pool: ThreadPoolExecutor) -> Iterator[None]:
    """After the first error no other file is begun."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def note_path(target: Path, name: str) -> Path:
    """Where we note what was fetched: not among the data, which are listed as they are."""
    return target.with_name(f"{target.name}.{name}")
