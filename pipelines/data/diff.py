"""Finds the changes between two versions of a data set."""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from components.contract.errors import DataError
from pipelines.data import recovery, versions
from pipelines.data.repository import find_repository
from pipelines.data.snapshot import find_labels, read_contents


@dataclass(frozen=True)
class PhotoPlace:
    """The path and the class of a photo in a version."""

    path: str
    class_name: str


@dataclass
class Difference:
    """The differences between two versions.

    Attributes:
        added, removed: the paths of the photos.
        relabeled: (path, earlier class, current class) of each relabeled photo.
        moved: (earlier path, current path) of each photo that was moved within its class.
        counts: the earlier and current numbers of photos, by class.
    """

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    relabeled: list[tuple[str, str, str]] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)


def compare_data(name: str | None, before: str, now: str) -> tuple[str, Difference]:
    """Returns the path of a data set in this repository, and its changes; see `compare_versions`."""
    root = find_repository()
    path = versions.find_data(root, name)
    with recovery.lock_changes(root):
        versions.recover(root)
    return path, compare_versions(root, path, before, now)


def compare_versions(root: Path, path: str, before: str, now: str) -> Difference:
    """Compares two revisions of a data set.

    Args:
        root: the root of the repository.
        path: the path of the data, relative to the root.
        before: a git revision.
        now: a git revision, or `workspace` for the current content of the folder.

    Raises:
        DataError: a revision does not contain this data, or the data cannot be read.
    """
    old, new = (read_photos(root, path, revision) for revision in (before, now))
    changes = Difference()
    for content, places in new.items():
        if content not in old:
            changes.added += [place.path for place in places]
            continue
        old_places = old[content]
        labels = sorted({place.class_name for place in old_places}), sorted({place.class_name for place in places})
        if labels[0] != labels[1]:
            changes.relabeled.append((places[0].path, ", ".join(labels[0]), ", ".join(labels[1])))
        elif {place.path for place in old_places} != {place.path for place in places}:
            changes.moved.append((old_places[0].path, places[0].path))
    changes.removed = [place.path for content, places in old.items() if content not in new for place in places]
    counts = [Counter(place.class_name for places in version.values() for place in places) for version in (old, new)]
    changes.counts = {name: (counts[0][name], counts[1][name]) for name in sorted(counts[0].keys() | counts[1].keys())}
    for paths in (changes.added, changes.removed, changes.relabeled, changes.moved):
        paths.sort()
    return changes


def read_photos(root: Path, path: str, revision: str) -> dict[str, list[PhotoPlace]]:
    """Returns the places (path and class) of each photo in a version, by the MD5 of the photo.

    Raises:
        DataError: the revision does not contain this data, or the data has neither class folders nor a table of labels.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-") as scratch:
        contents = read_contents(root, path, revision, Path(scratch))
        photos: dict[str, list[PhotoPlace]] = {}
        for name, class_name in find_labels(contents).items():
            photos.setdefault(contents.hashes[name], []).append(PhotoPlace(name, class_name))
    if not photos:
        raise DataError(
            f"{path} must contain class folders, or a table of paths and labels; at {revision} it contains neither."
        )
    return photos
