"""The photos of the data, with their labels, as every reader returns them."""

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
"""The maximum number of classes in the log; the audit lists all classes."""


class Remote(Protocol):
    """A photo on a server."""

    @property
    def key(self) -> bytes:
        """The address of the photo."""
        ...

    @property
    def identity(self) -> str | None:
        """A string that changes whenever the content changes; None if unknown."""
        ...

    @property
    def fetched_identity(self) -> str | None:
        """The identity of the version that was downloaded."""
        ...

    def fetch(self) -> None:
        """Downloads the photo to the cache, if it is not there.

        Raises:
            DataError: the server cannot be reached.
        """
        ...


@dataclass(frozen=True)
class PhotoFile:
    """A file that should be a photo.

    Attributes:
        location: the path of the file.
        record: the class, split and group of the file, according to its folders or a label file.
        roots: the folders in which the file must be when it is opened; None for any.
        remote: the photo on a server, if the file is downloaded only when it is opened.
    """

    location: Path
    record: Record
    roots: Roots = None
    remote: Remote | None = None

    @property
    def key(self) -> bytes:
        """Identifies the photo in all tasks: its path or, if it is on a server, its address."""
        return os.fsencode(self.location) if self.remote is None else self.remote.key

    def identity(self) -> str | None:
        """A string that changes whenever the content changes; None if unknown, or if the file has just changed.

        Raises:
            OSError: the file cannot be read.
        """
        if self.remote is not None:
            return self.remote.identity
        return identity(os.stat(self.location))  # noqa: PTH116 - Path is slower

    def open(self) -> BinaryIO:
        """Opens the file for reading.

        Raises:
            OSError: the file cannot be read, is not a regular file, or is outside the roots.
            DataError: the server cannot be reached.
        """
        if self.remote is not None:
            self.remote.fetch()
        return open_within(self.roots, self.location)


@dataclass(frozen=True)
class PhotoSet:
    """All files of the data.

    Attributes:
        files: the files that should be photos, sorted by path.
        rejected: records of files and folders that are rejected without being read.
        class_names: the class names, sorted.
        given_splits: the splits into which the data is already divided.
        notices: messages for the user about how the data was read, one or two sentences each.
    """

    files: tuple[PhotoFile, ...]
    rejected: tuple[Record, ...]
    class_names: tuple[str, ...]
    given_splits: frozenset[SplitName]
    notices: tuple[str, ...] = ()


def describe(photo_set: PhotoSet) -> list[str]:
    """Describes the data for the log: the classes with their counts, the splits, and the notices."""
    photos = [file.record for file in photo_set.files if may_be_photo(file.record.path)]
    counts = Counter(record.class_name for record in photos)
    classes = [f"{shown_name(name)} {counts[name]:,}" for name in photo_set.class_names[:SHOWN_CLASSES]]
    if len(photo_set.class_names) > SHOWN_CLASSES:
        classes.append(f"and {len(photo_set.class_names) - SHOWN_CLASSES:,} more")
    num_classes = pluralize(len(photo_set.class_names), "class", "classes")
    lines = [
        f"Found {pluralize(len(photos))} in {num_classes}: {', '.join(classes)}.",
        *describe_reading(photo_set),
    ]
    if photo_set.given_splits:
        split_counts = Counter(record.split for record in photos)
        splits = [f"{split} {split_counts[split]:,}" for split in SPLITS if split in photo_set.given_splits]
        lines.insert(1, f"The data is split: {', '.join(splits)}.")
    return lines


def describe_reading(photo_set: PhotoSet) -> list[str]:
    """The notices about how the data was read; empty if there is nothing unusual."""
    counts = Counter(str(file.record.class_name) for file in photo_set.files)
    return [*photo_set.notices, *_describe_unlabeled(photo_set.rejected), *_describe_twins(counts)]


def _describe_unlabeled(rejected: Sequence[Record]) -> list[str]:
    """A line about the photos for which the label file contains no label."""
    counts = Counter(
        record.path.rpartition("/")[0] or "the top folder"
        for record in rejected
        if record.reason == "no_label" and may_be_photo(record.path)
    )
    if not counts:
        return []
    folders = sorted(counts)
    return [f"Photos left out because they have no label: {join_names(folders, [counts[name] for name in folders])}."]


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
