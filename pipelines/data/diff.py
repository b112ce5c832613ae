"""What changed in a data set from one version to another."""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from components.contract.errors import DataError
from pipelines.data.snapshot import class_names, contents_at


@dataclass(frozen=True)
class Placed:
    """Where a photo stands in a version."""

    path: str
    class_name: str


@dataclass
class Difference:
    """What one version has and the other has not.

    Attributes:
        added, removed: paths.
        relabelled: (path, class before, class now).
        moved: (path before, path now), under the same class.
        counts: class to photos before and now.
    """

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    relabelled: list[tuple[str, str, str]] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)


def difference(root: Path, path: str, before: str, now: str) -> Difference:
    """What changed in a data set from one revision to another.

    Args:
        root: of the repository.
        path: of the data, relative to it.
        before: a git revision.
        now: a git revision, or `workspace` for what stands in the folder.

    Raises:
        DataError: a revision has no such data, or they cannot be read.
    """
    old, new = (photos_at(root, path, revision) for revision in (before, now))
    result = Difference()
    for content, places in new.items():
        if content not in old:
            result.added += [place.path for place in places]
            continue
        was = old[content]
        labels = sorted({place.class_name for place in was}), sorted({place.class_name for place in places})
        if labels[0] != labels[1]:
            result.relabelled.append((places[0].path, ", ".join(labels[0]), ", ".join(labels[1])))
        elif {place.path for place in was} != {place.path for place in places}:
            result.moved.append((was[0].path, places[0].path))
    result.removed = [place.path for content, places in old.items() if content not in new for place in places]
    counts = [Counter(place.class_name for places in version.values() for place in places) for version in (old, new)]
    result.counts = {name: (counts[0][name], counts[1][name]) for name in sorted(counts[0].keys() | counts[1].keys())}
    for changed in (result.added, result.removed, result.relabelled, result.moved):
        changed.sort()
    return result


def photos_at(root: Path, path: str, revision: str) -> dict[str, list[Placed]]:
    """MD5 of each photo of a version, and where it stands.

    Raises:
        DataError: the revision has no such data, or neither folders nor a table say what they are.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-") as scratch:
        contents = contents_at(root, path, revision, Path(scratch))
        found: dict[str, list[Placed]] = {}
        for name, class_name in class_names(contents).items():
            found.setdefault(contents.hashes[name], []).append(Placed(name, class_name))
    if not found:
        raise DataError(
            f"{path} must hold class folders, or a table of paths and labels; at {revision} it holds neither."
        )
    return found
