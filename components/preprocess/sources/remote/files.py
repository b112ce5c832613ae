"""Lists files on a server: the files of a folder, a single file, or the files to which a label file refers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from components.contract.errors import DataError
from components.contract.foreign import archive
from components.contract.foreign.confinement import UnsafeNameError, checked_name
from components.preprocess.sources.readers.label_files import is_label_file
from components.preprocess.sources.remote import limits

TAGS: Final = ("ETag", "etag", "md5Hash", "checksum", "Last-Modified", "LastModified", "updated", "mtime", "created")
"""The keys under which fsspec's file systems report the version of a file, in order of preference."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to download: its name on the server and, if known, its size and the tag of its version."""

    name: str
    size: int | None
    tag: str | None


def list_files(system: Any, path: str, uri: str) -> dict[str, RemoteFile]:
    """The files of a folder, by their checked names relative to the folder.

    Raises:
        DataError: there are too many files, or a name is unsafe.
    """
    budget = limits.fetch_budget(uri, is_listed=True)
    infos: dict[str, dict[str, Any]] = budget.wait_for(lambda: system.find(path, detail=True), limits.LIST_SECONDS)
    budget.spend(num_members=len(infos), memory_bytes=sum(map(len, infos)))
    if not infos:
        raise FileNotFoundError(f"there are no files below {path}")
    root = path.rstrip("/") + "/"
    files: dict[str, RemoteFile] = {}
    for name, info in infos.items():
        name_below_root = ("/" + name.lstrip("/")).split("/" + root.strip("/") + "/", 1)[-1]
        try:
            files[_require_unique(name_below_root, files)] = remote_file(name, info)
        except UnsafeNameError as reason:
            raise DataError(f"File names must be valid and stay within their folder; {name!r} {reason}.") from None
    return files


def _require_unique(name: str, files: Mapping[str, RemoteFile]) -> str:
    """Checks the name of a file, and that no other file has the same name.

    Raises:
        UnsafeNameError: the name is unsafe, or another file has it.
    """
    plain_name = checked_name(name)
    if plain_name in files:
        raise UnsafeNameError("occurs twice if extra slashes are ignored")
    return plain_name


def find_file(system: Any, path: str, uri: str) -> RemoteFile | None:
    """The file at an address; None for a folder."""
    name = Path(file_name(uri))
    if not (archive.is_archive(name) or is_label_file(name)):
        if uri.startswith(("http://", "https://")):
            raise DataError(
                "A web address must point to an archive or a table, with a name that ends in "
                f"{', '.join(archive.SUFFIXES)}, .csv or .parquet; {uri} does not."
            )
        return None
    return remote_file(path, system.info(path))


def find_files_beside(system: Any, path: str, names: Sequence[str], uri: str) -> dict[str, RemoteFile]:
    """The existing files to which the label file at `path` refers, by name."""
    place, mark, query = path.partition("?")
    parent = place.rsplit("/", 1)[0]
    budget, files = limits.fetch_budget(uri), {}
    for name in names:
        find = partial(_find_optional_file, system, f"{parent}/{name}{mark}{query}")
        file = budget.wait_for(find, limits.ANSWER_SECONDS)
        budget.spend(num_members=1)
        if file is not None:
            files[name] = file
    return files


def _find_optional_file(system: Any, path: str) -> RemoteFile | None:
    """A file to which a label file refers; None if it does not exist, which is reported later with the photos."""
    try:
        return remote_file(path, system.info(path))
    except FileNotFoundError:
        return None


def remote_file(name: str, info: Mapping[str, Any]) -> RemoteFile:
    """A file as the server describes it."""
    tag = next((str(info[key]) for key in TAGS if info.get(key)), None)
    return RemoteFile(name, info.get("size"), tag)


def pin_to_commit(files: Mapping[str, RemoteFile], commit: str) -> dict[str, RemoteFile]:
    """Replaces the tags of files with the commit, because files in a commit never change."""
    return {name: RemoteFile(file.name, file.size, f"{commit}/{file.name}") for name, file in files.items()}


def file_name(uri: str) -> str:
    """The last component of the path of an address."""
    return urlsplit(uri).path.rstrip("/").rsplit("/", 1)[-1] or "data"
