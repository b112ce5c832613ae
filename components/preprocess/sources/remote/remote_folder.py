"""A folder in an object store. Each task only downloads the photos that it reads.

To list the photos, only label files are downloaded. Downloads stay in the cache with the ETags of the server, so that
an interrupted task only downloads the missing files when it resumes.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from components.contract.foreign import archive
from components.contract.system.address import Address
from components.contract.system.waiting import is_outage, outage_seconds, wait_for
from components.preprocess.manifest import Record
from components.preprocess.sources.file_index import names_photo
from components.preprocess.sources.listing import ListedFile, Listing, as_text, is_hidden
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.sources.readers import binary
from components.preprocess.sources.readers.label_files import is_label_file
from components.preprocess.sources.remote.addresses import is_remote
from components.preprocess.sources.remote.downloads import download_missing, note_path, remove_others
from components.preprocess.sources.remote.fetch import (
    checked_address,
    explain_errors,
    place_and_s3_options,
    target_of,
)
from components.preprocess.sources.remote.files import RemoteFile, file_name, list_files


class RemoteFolder:
    """A folder at an address.

    Attributes:
        uri: the address.
        path: the folder in the cache to which files are downloaded.
        files: all files by relative path; None if this task has not listed the folder.
    """

    def __init__(self, uri: Address, system: Any, files: Mapping[str, RemoteFile] | None):
        self.uri = uri
        self.path = target_of(uri)
        self.files = files
        self._system = system
        self._versions: dict[str, RemoteFile | None] = {}
        self._lock = threading.Lock()

    def photo_at(self, location: Path, listed_file: RemoteFile | None = None) -> "RemotePhoto":
        """The photo at a path in the cache, in the version that this task has listed, else that of `listed_file`."""
        name = location.relative_to(self.path).as_posix()
        file = listed_file if self.files is None else self.files.get(name)
        if file is None:
            file = RemoteFile(listed_file.name if listed_file else name, None, None)
        return RemotePhoto(self, name, file)

    def fetch(self, files: Mapping[str, RemoteFile]) -> None:
        """Downloads the files that are not in the cache; files that no longer exist on the server are skipped.

        Raises:
            DataError: the server cannot be reached, or the cache cannot be written.
        """
        with self._lock:
            needed = {name: file for name, file in files.items() if name not in self._versions}
        if not needed:
            return
        with explain_errors(self.uri):
            fetch_once = partial(download_missing, self._system, needed, self.path, self.uri)
            versions = wait_for(fetch_once, f"The server of {self.uri}", is_outage, outage_seconds())
        with self._lock:
            self._versions |= versions

    def version(self, name: str) -> RemoteFile | None:
        """The downloaded version of a file; None if it was not downloaded."""
        return self._versions.get(name)

    def locate(self, path: Path) -> Path:
        """Downloads the file that belongs at a path in the cache, and returns the path."""
        photo = self.photo_at(path)
        self.fetch({photo.name: photo.file})
        return path

    def list(self) -> Listing:
        """Lists the folder as if it were completely in the cache."""
        assert self.files is not None, "only a task that has listed the folder may call this"
        listing = Listing()
        folders: set[tuple[str, ...]] = set()
        hidden_names: set[str] = set()
        for name, file in self.files.items():
            parts = tuple(map(as_text, name.split("/")))
            hidden = next((number for number, part in enumerate(parts, start=1) if is_hidden(part)), None)
            if hidden is not None:
                hidden_names.add("/".join(parts[:hidden]))
            else:
                listing.files.append(ListedFile(parts, self.path / name, file.size or 0))
            folders.update(parts[:depth] for depth in range(1, hidden or len(parts)))
        listing.files.sort(key=lambda file: file.parts)
        listing.folders.extend(sorted(folders))
        message = "Hidden files and folders are left out."
        listing.rejected.extend(Record(name, reason="hidden", message=message) for name in sorted(hidden_names))
        return listing


@dataclass(frozen=True, slots=True)
class RemotePhoto:
    """A photo of a remote folder.

    Attributes:
        folder: the folder of the photo.
        name: the path relative to the folder.
        file: the file on the server, with the tag of its version.
    """

    folder: RemoteFolder
    name: str
    file: RemoteFile

    @property
    def key(self) -> bytes:
        """The address, without secrets."""
        return f"{self.folder.uri.cache_key.rstrip('/')}/{self.name}".encode("utf-8", "surrogateescape")

    @property
    def identity(self) -> str | None:
        """A string that changes whenever the content changes; None if the server reports no ETag or size."""
        return _identity(self.file)

    @property
    def fetched_identity(self) -> str | None:
        """The identity of the version that was downloaded."""
        return _identity(self.folder.version(self.name))

    def fetch(self) -> None:
        """Downloads the photo to the cache, if it is not there."""
        self.folder.fetch({self.name: self.file})


def fetch_photos(photos: Sequence[PhotoFile]) -> None:
    """Downloads the photos that are on a server but not in the cache, several at a time.

    Raises:
        DataError: the server cannot be reached, or the cache cannot be written.
    """
    remote_photos = [photo.remote for photo in photos if isinstance(photo.remote, RemotePhoto)]
    if remote_photos:
        remote_photos[0].folder.fetch({photo.name: photo.file for photo in remote_photos})


def list_remote_folder(data: str) -> RemoteFolder | None:
    """Lists the folder at an address; None if there is no folder, or if the data must be downloaded completely.

    Archives, label files, paths in DVC repositories and binary files with many photos are downloaded completely.

    Raises:
        DataError: the address cannot be reached, or does not exist.
    """
    if not is_remote(data) or data.startswith(("dvc+", "http://", "https://")):
        return None
    name = Path(file_name(data))
    if archive.is_archive(name) or is_label_file(name):
        return None
    uri = checked_address(data)
    with explain_errors(uri):
        system, path = _open_system(uri)
        list_once = partial(list_files, system, path, uri)
        files = wait_for(list_once, f"The server of {uri}", is_outage, outage_seconds())
        if binary.is_binary(list(files)) or not any(map(names_photo, files)):
            return None
        folder = RemoteFolder(uri, system, files)
        folder.path.mkdir(parents=True, exist_ok=True)
        with FileLock(note_path(folder.path, "lock")):
            remove_others(files, folder.path)
    return folder


def open_remote_folder(data: str) -> RemoteFolder:
    """Opens a folder that another task has listed, without a request to the server.

    Raises:
        DataError: the address is invalid, or the package for it is missing.
    """
    uri = checked_address(data)
    with explain_errors(uri):
        return RemoteFolder(uri, _open_system(uri)[0], None)


def _open_system(uri: Address) -> tuple[Any, str]:
    import fsspec

    place, options = place_and_s3_options(uri.full)
    system, path = fsspec.core.url_to_fs(place, **options)
    return system, path


def _identity(file: RemoteFile | None) -> str | None:
    return None if file is None or file.size is None or file.tag is None else f"{file.size}-{file.tag}-"
