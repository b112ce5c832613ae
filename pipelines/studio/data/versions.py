"""Versions of the data, which users create in the studio by relabeling and removing photos or saving a snapshot.

The photos are neither changed nor moved: a version is a table of paths and labels, which `darkroom run --data` accepts.

versions/<name>/<number>/<name>.csv     path, label, split
versions/<name>/<number>/version.json   Version
versions/<name>/<number>/photos/        hard links to photos that could be deleted in the studio
"""

import datetime
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from components.contract.errors import DarkroomError
from components.contract.record import BaseRecord
from components.contract.system.atomic_files import read_json, write_csv, write_json
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.sources.source import name_of
from pipelines.studio.data.dataset_editor import check_class_name
from pipelines.studio.data.photos import Album
from pipelines.studio.settings import StudioError

Decisions = Mapping[str, str | None]
"""The new class of each changed photo, by its path; None removes the photo."""


class Version(BaseRecord):
    """A version of the data.

    Attributes:
        uri: the path of its table, which `--data` accepts.
        origin: the address of the data from which the first version was created.
        parent: the address of the data from which this version was created.
        what: a description of the change.
    """

    number: int
    uri: str
    origin: str
    parent: str
    created: str
    what: str
    num_photos: int


class Changes(BaseRecord):
    """The differences between two versions; the lists of photos are truncated, but all numbers are complete."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    relabeled: tuple[tuple[str, str, str], ...]
    counts: dict[str, tuple[int, int]]
    num_added: int
    num_removed: int
    num_relabeled: int


SHOWN = 50


class Versions:
    """The versions of all data sets in a studio."""

    def __init__(self, folder: Path, album: Album):
        self._folder = folder.resolve()
        self._album = album

    def list_for(self, uri: str) -> list[Version]:
        """Lists all versions of the data, the oldest first."""
        versions = [read_json(path, Version, "version") for path in self._folder.glob(f"{name_of(uri)}/*/version.json")]
        origin = next((version.origin for version in versions if version.uri == uri), uri)
        return sorted((version for version in versions if version.origin == origin), key=lambda version: version.number)

    def family(self, uri: str) -> frozenset[str]:
        """Returns the addresses of the data, of its origin, and of all its versions."""
        versions = self.list_for(uri)
        return frozenset((uri, *(version.uri for version in versions), *(version.origin for version in versions)))

    def make(self, uri: str, decisions: Decisions) -> Version:
        """Creates a new version from decisions.

        Raises:
            StudioError: there are no decisions, a photo does not exist, a class name is invalid, fewer than two
                classes remain, or the disk is full.
        """
        files = self._album.files(uri)
        unknown = [path for path in decisions if path not in files]
        if not decisions or unknown:
            problem = f"{unknown[0][:200]!r} does not exist" if unknown else "there are no decisions"
            raise StudioError(f"Decisions must name photos of this data set; {problem}.")
        known_names = {file.record.class_name for file in files.values()}
        for label in {label for label in decisions.values() if label not in (None, *known_names)}:
            if check_class_name(str(label)) != label:
                raise StudioError(f"A class name must not begin or end with a space; found {label!r}.")
        rows = []
        for path, file in files.items():
            label = decisions.get(path, file.record.class_name)
            if label is not None:
                rows.append((str(file.location.absolute()), label, file.record.split or ""))
        return self._write(uri, rows, _describe(decisions, files))

    def snapshot(self, uri: str, keep_photos: Callable[[PhotoFile], bool]) -> Version:
        """Stores the current state of the data as a version.

        Args:
            uri: the address of the data.
            keep_photos: returns whether the studio could later delete a photo; the version contains hard links to these
                photos.

        Raises:
            StudioError: the data cannot be read, has fewer than two classes, or the disk is full.
        """
        files = self._album.files(uri)
        rows = [
            (str(file.location.absolute()), str(file.record.class_name), file.record.split or "")
            for file in files.values()
        ]
        removable_paths = [str(file.location.absolute()) for file in files.values() if keep_photos(file)]
        return self._write(uri, rows, "snapshot", removable_paths)

    def _write(
        self, uri: str, rows: Sequence[tuple[str, str, str]], what: str, linked_paths: Sequence[str] = ()
    ) -> Version:
        classes = {label for _, label, _ in rows}
        if len(classes) < 2:
            raise StudioError("A version must have photos of at least two classes; this one would have fewer.")
        earlier_versions = self.list_for(uri)
        name = name_of(uri)
        number = 1 + max((int(path.name) for path in (self._folder / name).glob("[0-9]*")), default=1)
        place = self._folder / name / str(number)
        version = Version(
            number=number,
            uri=str(place / f"{name}.csv"),
            origin=earlier_versions[0].origin if earlier_versions else uri,
            parent=uri,
            created=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            what=what,
            num_photos=len(rows),
        )
        try:
            links = _link_photos(linked_paths, place / "photos")
            rows = [(links.get(path, path), label, split) for path, label, split in rows]
            write_csv(place / f"{name}.csv", ("path", "label", "split"), rows)
            write_json(place / "version.json", version)
        except (OSError, UnicodeEncodeError) as error:
            raise StudioError(f"Cannot write the version to {place}: {error}.", 507) from None
        return version

    def changes(self, old_uri: str, new_uri: str) -> Changes:
        """Compares two versions.

        Raises:
            StudioError: a version cannot be read.
        """
        old_labels, new_labels = (self._labels(uri) for uri in (old_uri, new_uri))
        added_paths = sorted(new_labels.keys() - old_labels.keys())
        removed_paths = sorted(old_labels.keys() - new_labels.keys())
        common_labels = [(path, old_labels[path], new_labels[path]) for path in sorted(old_labels.keys() & new_labels)]
        relabeled_photos = [(path, old, new) for path, old, new in common_labels if old != new]
        counts = [Counter(labels.values()) for labels in (old_labels, new_labels)]
        return Changes(
            added=tuple(added_paths[:SHOWN]),
            removed=tuple(removed_paths[:SHOWN]),
            relabeled=tuple(relabeled_photos[:SHOWN]),
            counts={name: (counts[0][name], counts[1][name]) for name in sorted(counts[0].keys() | counts[1].keys())},
            num_added=len(added_paths),
            num_removed=len(removed_paths),
            num_relabeled=len(relabeled_photos),
        )

    def _labels(self, uri: str) -> dict[str, str]:
        return {str(file.location.absolute()): str(file.record.class_name) for file in self._album.files(uri).values()}


def dvc_versions() -> list[dict[str, object]]:
    """Lists the data versions that DVC tracks in this repository; empty if there is no repository."""
    from dataclasses import asdict

    from pipelines.data import versions

    try:
        return [asdict(version) for version in versions.list_versions()]
    except DarkroomError:
        return []


def _link_photos(paths: Sequence[str], folder: Path) -> dict[str, str]:
    """Creates a hard link to each photo, which keeps the content if the photo is removed; nothing is copied."""
    links = {}
    for number, path in enumerate(paths):
        link = folder / f"{number:06}{Path(path).suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(path)
        links[path] = str(link.absolute())
    return links


def _describe(decisions: Decisions, files: Mapping[str, PhotoFile]) -> str:
    num_removed = sum(label is None for label in decisions.values())
    kept_labels = [(files[path].record.class_name, label) for path, label in decisions.items() if label is not None]
    num_relabeled = sum(label != class_name for class_name, label in kept_labels)
    parts = [f"{num_relabeled} relabeled" if num_relabeled else "", f"{num_removed} removed" if num_removed else ""]
    return ", ".join(part for part in parts if part) or "unchanged"
