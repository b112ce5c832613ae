"""The photos of the data, with what their places say of them: what every reader returns."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.foreign.confinement import Roots, open_within
from components.contract.text import pluralize, printable
from components.preprocess.manifest import Record
from components.preprocess.sources.folders.classes import join_names, shown_name
from components.preprocess.sources.folders.names import may_be_photo, spelling_key
from components.preprocess.store.cache_index import identity

SHOWN_CLASSES: Final = 30
"""So many classes are listed in one line; the audit lists all."""


class Remote(Protocol):
    """A photo at a server."""

    @property
    def key(self) -> bytes:
        """Its address."""
        ...

    @property
    def identity(self) -> str | None:
        """What changes whenever its content does; None if it is unknown."""
        ...

    @property
    def fetched_identity(self) -> str | None:
        """That of the version that was fetched."""
        ...

    def fetch(self) -> None:
        """Makes sure that it is in the cache.

        Raises:
            DataError: the server cannot be reached.
        """
        ...


@dataclass(frozen=True)
class PhotoFile:
    """A file that should be a photo.

    Attributes:
        location: where it can be read.
        record: what its place says of it.
        roots: the folders that it must lie in when it is opened.
        remote: the photo at a server, if it is fetched when it is opened.
    """

    location: Path
    record: Record
    roots: Roots = None
    remote: Remote | None = None

    @property
    def key(self) -> bytes:
        """By what all tasks know it: its path, or its address."""
        return os.fsencode(self.location) if self.remote is None else self.remote.key

    def identity(self) -> str | None:
        """What changes whenever its content does; None if that is unknown, or it changed just now.

        Raises:
            OSError: it cannot be looked at.
        """
        if self.remote is not None:
            return self.remote.identity
        return identity(os.stat(self.location))  # noqa: PTH116 - Path costs

    def open(self) -> BinaryIO:
        """Opens it for reading.

        Raises:
            OSError: it cannot be read, is not a regular file, or lies outside its roots.
            DataError: its server cannot be reached.
        """
        if self.remote is not None:
            self.remote.fetch()
        return open_within(self.roots, self.location)


@dataclass(frozen=True)
class PhotoSet:
    """All that the data contains.

    Attributes:
        files: what should be photos, ordered by path.
        rejected: what is none by its place or kind.
        class_names: the class folders' names, ordered.
        given_splits: the splits that the data has folders for.
        notices: how the data was read, where that is not obvious; a sentence each.
    """

    files: tuple[PhotoFile, ...]
    rejected: tuple[Record, ...]
    class_names: tuple[str, ...]
    given_splits: frozenset[SplitName]
    notices: tuple[str, ...] = ()


def describe(photo_set: PhotoSet) -> list[str]:
    """What a person should see before any work begins: the classes with their counts, the splits, and the notices."""
    photos = [file.record for file in photo_set.files if may_be_photo(file.record.path)]
    counts = Counter(record.class_name for record in photos)
    classes = [f"{shown_name(name)} {counts[name]:,}" for name in photo_set.class_names[:SHOWN_CLASSES]]
    if len(photo_set.class_names) > SHOWN_CLASSES:
        classes.append(f"and {len(photo_set.class_names) - SHOWN_CLASSES:,} more")
    lines = [
        f"Found {len(photos):,} photos in {len(photo_set.class_names):,} classes: {', '.join(classes)}.",
        *describe_reading(photo_set),
    ]
    if photo_set.given_splits:
        split_counts = Counter(record.split for record in photos)
        splits = [f"{split} {split_counts[split]:,}" for split in SPLITS if split in photo_set.given_splits]
        lines.insert(1, f"The data are split: {', '.join(splits)}.")
    return lines


def describe_reading(photo_set: PhotoSet) -> list[str]:
    """What a person should know of how the data was read; nothing if that is obvious."""
    counts = Counter(str(file.record.class_name) for file in photo_set.files)
    return [*photo_set.notices, *_describe_unlabeled(photo_set.rejected), *_describe_twins(counts)]


def _describe_unlabeled(rejected: Sequence[Record]) -> list[str]:
    """A line about photos beside a table that does not name them."""
    counts = Counter(
        record.path.rpartition("/")[0] or "the data's own folder"
        for record in rejected
        if record.reason == "no_label" and may_be_photo(record.path)
    )
    if not counts:
        return []
    folders = sorted(counts)
    return [f"Left out, because they have no label: {join_names(folders, [counts[name] for name in folders])}."]


def _describe_twins(counts: Mapping[str, int]) -> list[str]:
    """A line for each group of classes whose names hardly differ."""
    groups = defaultdict(list)
    for name in sorted(counts):
        groups[spelling_key(name)].append(f"{printable(name)!r} ({pluralize(counts[name])})")
    return [
        "Classes whose names differ only in case, spaces, punctuation or a copy suffix: "
        f"{', '.join(twins)}. If they are the same class, use one name."
        for twins in groups.values()
        if len(twins) > 1
    ]
