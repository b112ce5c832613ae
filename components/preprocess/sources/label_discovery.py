"""Finds label files within the data, and decides whether the labels come from them or from the folders.

Label files are searched for at the top level and one level down: a table, Roboflow's `train/_classes.csv`, Hugging
Face's `metadata.jsonl`, COCO's `annotations/instances_train.json`. A label file does not replace the folder names if it
refers to no photo in the data or, like a sample submission, to fewer than half of the photos in the folders named after
its classes.
"""

import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.contract.text import pluralize
from components.preprocess.manifest import Record
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.file_index import FileIndex, name_key
from components.preprocess.sources.folders.names import is_split, is_train
from components.preprocess.sources.folders.tree import Parts
from components.preprocess.sources.label_places import find_refusal, in_folders_of, index_splits, place_rows
from components.preprocess.sources.listing import is_hidden
from components.preprocess.sources.photo_set import PhotoFile, PhotoSet
from components.preprocess.sources.readers.label_files import (
    SUFFIXES,
    Fault,
    has_labels,
    is_label_file,
    read_labels,
)
from components.preprocess.sources.readers.label_rows import LabelRow, NoLabelsError, SeveralLabelsError

MAX_FILES: Final = 10
"""The maximum number of label files in a folder; if there are more, each probably describes one photo."""
MAX_CANDIDATES: Final = 100


@dataclass
class FoundLabels:
    """The content of the label files within the data.

    Attributes:
        label_files: the names of the files that are used.
        rows: the rows by the path of the photo, relative to the data, and its label.
        faults: rows that refer to no photo, each with the reason.
        notices: messages for the user.
        reasons: why other label files are not used; added to the error if the folders have no labels either.
        split_places: for each photo in a split folder without class folders, the path with its class as a folder.
    """

    label_files: list[str] = field(default_factory=list)
    rows: dict[tuple[str, str | None], LabelRow] = field(default_factory=dict)
    faults: list[tuple[LabelRow, Fault]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    split_places: dict[str, Parts] = field(default_factory=dict)

    @property
    def labels(self) -> dict[str, str]:
        """The class of each photo."""
        return {name: str(row.label) for (name, _), row in self.rows.items()}


@dataclass(frozen=True)
class LabeledPhotos:
    """The photos of a folder with label files.

    Attributes:
        photo_set: the photos; None if the labels come from the folders.
        notices: messages for the user if the labels come from the folders.
        reasons: why label files are not used; added to the error if the folders have no labels either.
        split_places: for each photo in a split folder without class folders, the path with its class as a folder.
    """

    photo_set: PhotoSet | None = None
    notices: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    split_places: Mapping[str, Parts] = field(default_factory=dict)


def find_labeled_photos(data_folder: DataFolder) -> LabeledPhotos:
    """Finds the photos whose labels are in the label files of a folder.

    Raises:
        DataError: label files contradict each other, or a photo has several labels.
    """
    try:
        listing = data_folder.listing
    except OSError:
        return LabeledPhotos()  # `class_folders` reports the error
    files = {"/".join(file.parts): file for file in listing.files}
    found = find_labels(files, lambda name: data_folder.locate(files[name].path), data_folder.columns)
    if not found.label_files:
        return LabeledPhotos(None, tuple(found.notices), tuple(found.reasons), found.split_places)
    rejected = [*listing.rejected, *data_folder.skipped_records()]
    for row, (reason, message) in found.faults:
        rejected.append(Record(row.path or "", row.label, row.split, reason, message, group=row.group))
    splits = frozenset(row.split for row in found.rows.values() if row.split is not None)
    if splits == {"train"}:  # the only split named is train, so the data is not split
        splits = frozenset()
    photos = []
    for (name, _), row in found.rows.items():
        split = row.split if splits else None
        record = Record(name, row.label, split, num_bytes=files[name].num_bytes, group=row.group)
        photos.append(PhotoFile(files[name].path, record, data_folder.roots))
    labeled = {name for name, _ in found.rows} | {row.path for row, _ in found.faults} | set(found.label_files)
    message = f"There is no label for this file in {' or '.join(found.label_files)}."
    rejected += [Record(name, reason="no_label", message=message) for name in files if name not in labeled]
    photos.sort(key=lambda photo: photo.record.path)
    class_names = tuple(sorted({str(row.label) for row in found.rows.values()}))
    return LabeledPhotos(
        PhotoSet(tuple(photos), tuple(rejected), class_names, splits, (*data_folder.archive_notices(), *found.notices))
    )


def find_labels(names: Collection[str], locate: Callable[[str], Path], columns: ColumnNames) -> FoundLabels:
    """Reads the label files among the files of the data.

    Args:
        names: the names of all files, relative to the data.
        locate: returns the path of the file with a given name.
        columns: the column names that the user set.

    Raises:
        DataError: label files contradict each other, a photo has several labels, or a column that was set is missing.
    """
    visible_names = sorted(name for name in names if not any(map(is_hidden, name.split("/"))))
    index, split_indexes = FileIndex(visible_names), index_splits(visible_names)
    found = FoundLabels()
    for name in _candidates(visible_names):
        if not has_labels(locate(name)):
            continue
        try:
            labels = read_labels(locate(name), columns)
        except SeveralLabelsError as error:
            if not in_folders_of(error.labels, visible_names):
                raise
            found.notices.append(f"{name} has several labels for a photo, so it is not used.")
            continue
        except NoLabelsError as error:
            found.reasons.append(str(error))
            continue
        except DataError as error:
            found.notices.append(f"{name} is not used as a label file. {error}")
            continue
        rows, faults = place_rows(labels.rows, index, split_indexes, name)
        refusal = find_refusal(name, rows, faults, visible_names)
        if refusal is not None:
            found.notices.append(f"{name} {refusal}, so it is not used.")
            continue
        _require_agreement(found, rows, name)
        found.label_files.append(name)
        found.rows |= {key: row for key, row in rows.items() if key not in found.rows}
        found.faults += faults
        found.notices += labels.notices
    _name_numbers(found)
    photo_labels = found.labels
    class_names = set(photo_labels.values())
    in_folders = in_folders_of(class_names, visible_names)
    num_labeled = len(in_folders & photo_labels.keys())
    if num_labeled < len(in_folders) / 2:
        split_places = {} if num_labeled else _find_split_places(photo_labels, in_folders)
        subject = " and ".join(found.label_files)
        coverage = f"only {num_labeled:,}" if num_labeled else "none"
        notice = (
            f"The labels in {subject} are used for {pluralize(len(split_places))} in split folders."
            if split_places
            else f"The labels in {subject} are not used, because they cover {coverage} of the "
            f"{pluralize(len(in_folders), 'file')} in folders that are named after the classes."
        )
        found = FoundLabels(notices=[*found.notices, notice], reasons=found.reasons, split_places=split_places)
    if found.label_files:
        moved = [
            name for name in in_folders & photo_labels.keys() if name not in in_folders_of([photo_labels[name]], [name])
        ]
        found.notices.append(
            f"The labels come from {' and '.join(found.label_files)}: {pluralize(len(photo_labels))} in "
            f"{pluralize(len(class_names), 'class', 'classes')}. Folder names are not used"
            f"{f'; photos in a folder named after a class other than their label: {len(moved):,}' if moved else ''}."
        )
    elif columns != ColumnNames() and not found.split_places:
        reason = (
            found.reasons[0] if found.reasons else f"There is no file with one of the suffixes {', '.join(SUFFIXES)}."
        )
        raise DataError(f"data.columns sets columns of a label file, but the data has no label file. {reason}")
    return found


def _name_numbers(found: FoundLabels) -> None:
    """Replaces class numbers with the names of the folders of the photos, if each class has a different folder."""
    folders: dict[str, set[str]] = {}
    for name, label in found.labels.items():
        folders.setdefault(label, set()).add(posixpath.basename(posixpath.dirname(name)))
    class_names = {label: min(names) for label, names in folders.items() if len(names) == 1}
    is_named = len(set(class_names.values())) == len(folders) > 1 and all(map(str.isdecimal, folders))
    if is_named and not any(map(str.isdecimal, class_names.values())):
        found.rows = {
            (name, class_names[str(label)]): replace(row, label=class_names[str(label)])
            for (name, label), row in found.rows.items()
        }


def _find_split_places(labels: Mapping[str, str], in_folders: Collection[str]) -> dict[str, Parts]:
    """Paths for photos in a split folder without class folders: `val/cat/1.jpg` for a cat in `val/images/1.jpg`."""
    folders = {part for name in in_folders for part in name_key(name)[:-1]}
    places: dict[str, Parts] = {}
    for name, label in labels.items():
        *parents, file_name = name.split("/")
        depth = next((depth for depth, parent in enumerate(parents, 1) if is_split(parent)), 0)
        if depth and not is_train(parents[depth - 1]) and folders.issuperset(name_key(label)):
            places[name] = (*parents[:depth], label, file_name)
    return places


def _candidates(names: Sequence[str]) -> list[str]:
    """The files that may contain labels: at the top or one level down, in folders with at most MAX_FILES such files."""
    top = posixpath.commonpath([posixpath.dirname(name) for name in names]) if names else ""
    label_files = [name for name in names if is_label_file(Path(name))]
    by_folder = Counter(map(posixpath.dirname, label_files))
    candidates = [
        name
        for name in label_files
        if by_folder[folder := posixpath.dirname(name)] <= MAX_FILES and (folder == top or _parent(folder) == top)
    ]
    return sorted(candidates, key=lambda name: (name.count("/"), name))[:MAX_CANDIDATES]


def _parent(folder: str) -> str | None:
    return posixpath.dirname(folder) if folder else None


def _require_agreement(found: FoundLabels, rows: dict[tuple[str, str | None], LabelRow], label_file: str) -> None:
    """Checks that a label file does not contradict the label files that were read before it."""
    if not found.label_files:
        return
    labels: dict[str, str | None] = dict(found.rows.keys())
    for name, label in rows:
        if labels.get(name, label) != label:
            raise DataError(
                f"Label files must agree; in {' and '.join(found.label_files)}, the label of {name} is "
                f"{labels[name]!r}, but in {label_file} it is {label!r}. Move one of the files out of the data, "
                "or pass the one to use: --data FILE"
            )
