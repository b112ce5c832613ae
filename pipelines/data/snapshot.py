"""Reads the content of one version of a data set: its files with their hashes, and the class of each photo."""

import hashlib
import posixpath
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from components.contract.errors import DataError
from components.contract.foreign import archive
from components.contract.system.budget import Budget, read_regular
from pipelines.data.repository import git

MAX_BYTES = 2**29
"""The maximum size of a file that is read into memory as a whole, such as a table of labels."""

WORKSPACE = "workspace"
"""Names the current content of the folder where a git revision is expected."""


@dataclass(frozen=True)
class Contents:
    """The files of one version.

    Attributes:
        hashes: the MD5 of each file or, if the data is an archive, of each member, by its path relative to the data.
        read_file: returns the content of a file, given its path relative to the data.
    """

    hashes: dict[str, str]
    read_file: Callable[[str], bytes]


@dataclass(frozen=True)
class LabelTable:
    """The label files within the data that contain the classes of the photos.

    Attributes:
        names: the paths of the files, relative to the data.
        labels: the class of each photo, by its path relative to the data; photos that do not exist are left out.
    """

    names: tuple[str, ...]
    labels: dict[str, str]


def read_contents(root: Path, path: str, revision: str, scratch: Path) -> Contents:
    """Opens the files of a data set at a revision.

    Args:
        root: the root of the repository.
        path: the path of the data, relative to the root.
        revision: a git revision, or WORKSPACE.
        scratch: an empty folder that must exist as long as the contents are used.

    Raises:
        DataError: the revision does not contain this data, or its files are not available.
    """
    if revision == WORKSPACE:
        return read_local_contents(root / path)
    try:
        from dvc.api import DVCFileSystem

        # At a revision, paths are relative to the git repository, which may contain DVC's root as a subfolder.
        top = f"/{git(root, 'rev-parse', '--show-prefix')}{path}"
        system = DVCFileSystem(str(root), rev=revision, subrepos=True)
        if archive.is_archive(Path(path)):
            local = scratch / Path(path).name
            system.get_file(top, str(local))
            return read_local_contents(local)
        infos = system.find(top, detail=True).items()
        hashes = {
            name.removeprefix(f"{top}/"): str(info["md5"] if "md5" in info else system.checksum(name))
            for name, info in infos
        }
        return Contents(hashes, lambda name: bytes(system.cat_file(f"{top}/{name}")))
    except DataError:
        raise
    except Exception as error:  # DVC raises its own, dulwich's and fsspec's errors
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise DataError(
            f"{path} must be under DVC at {revision}, and its photos must be available (dvc fetch). "
            f"Reading it failed: {reason}."
        ) from None


def read_local_contents(path: Path) -> Contents:
    """Hashes the files of a folder or an archive on disk."""
    from components.preprocess.sources.listing import list_folder

    if not path.is_dir():
        return Contents(_hashes_in_archive(path), lambda name: _member(path, name))
    hashes = {}
    for file in list_folder(path).files:
        with file.path.open("rb") as stream:
            hashes["/".join(file.parts)] = hashlib.file_digest(stream, "md5").hexdigest()
    return Contents(hashes, lambda name: read_regular(path / name, MAX_BYTES))


def _hashes_in_archive(path: Path) -> dict[str, str]:
    hashes = {}
    for member in archive.members(path):
        if member.chunks is not None:
            digest = hashlib.md5(usedforsecurity=False)
            for chunk in member.chunks():
                digest.update(chunk)
            hashes[member.name] = digest.hexdigest()
    return hashes


def _member(path: Path, name: str) -> bytes:
    for member in archive.members(path):
        if member.name == name and member.chunks is not None:
            content = bytearray()
            budget = Budget(f"The file {name} in {path}", "Remove it from the data.", max_bytes=MAX_BYTES)
            for chunk in member.chunks():
                budget.spend(len(chunk))
                content += chunk
            return bytes(content)
    raise DataError(f"The archive {path} changed while it was being read: {name} is gone.")


def find_labels(contents: Contents) -> dict[str, str]:
    """The class of each photo: from label files if there are any, otherwise from the folders."""
    from components.preprocess.sources.folders.layout import find_layout
    from components.preprocess.sources.folders.tree import FolderTree
    from components.preprocess.sources.listing import is_hidden

    table = find_label_table(contents.hashes, contents.read_file)
    if table is not None:
        return table.labels
    parts = {name: tuple(name.split("/")) for name in contents.hashes if not any(map(is_hidden, name.split("/")))}
    layout = find_layout(FolderTree(parts.values()), unwrap=True)
    places = {name: layout.place(path) for name, path in sorted(parts.items())}
    return {name: place[0] for name, place in places.items() if place is not None}


def find_label_table(names: Collection[str], read_file: Callable[[str], bytes]) -> LabelTable | None:
    """Reads the classes of existing photos from label files in the data; None if there are no label files."""
    from components.contract.params.data import ColumnNames
    from components.preprocess.sources.label_discovery import find_labels

    with tempfile.TemporaryDirectory(prefix="darkroom-") as scratch:

        def locate(name: str) -> Path:
            local = Path(tempfile.mkdtemp(dir=scratch)) / posixpath.basename(name)
            local.write_bytes(read_file(name))
            return local

        found = find_labels(names, locate, ColumnNames())
    return LabelTable(tuple(found.label_files), found.labels) if found.label_files else None
