"""Finds the photos to which the rows of a label file refer, and decides whether the file is used."""

import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from components.contract.artifacts.dataset import SPLIT_FOLDERS, SPLITS, SplitName
from components.contract.errors import DataError
from components.contract.text import printable
from components.preprocess.sources.file_index import FileIndex, Match, name_key
from components.preprocess.sources.folders.names import is_annotation, split_of, words_of
from components.preprocess.sources.readers.label_files import Fault, find_fault, find_hindrance
from components.preprocess.sources.readers.label_rows import LabelRow

SUBMISSION: Final = "submission"

PlacedRows = dict[tuple[str, str | None], LabelRow]
"""The rows of label files, by the path of the photo and the label."""


def find_split(name: str) -> SplitName | None:
    """The split that the path of a label file names, such as `trainLabels.csv`; None if it names none, or several."""
    splits = {SPLIT_FOLDERS[word] for word in words_of(name) if word in SPLIT_FOLDERS}
    return splits.pop() if len(splits) == 1 else None


def index_splits(names: Collection[str]) -> dict[SplitName, FileIndex]:
    """Indexes the files in the folders of each split, so that `1` in `trainLabels.csv` matches `train/1.png`."""
    names_of_split: dict[SplitName, list[str]] = {split: [] for split in SPLITS}
    names_of_folder: dict[str, list[str]] = {}
    for name in names:
        names_of_folder.setdefault(posixpath.dirname(name), []).append(name)
    for folder, folder_names in names_of_folder.items():
        matches = map(split_of, folder.split("/"))
        split = next((match[0] for match in matches if match is not None and not match[1]), None)
        if split is not None:
            names_of_split[split] += folder_names
    return {split: FileIndex(split_names) for split, split_names in names_of_split.items() if split_names}


def place_rows(
    rows: Sequence[LabelRow], index: FileIndex, split_indexes: Mapping[SplitName, FileIndex], label_file: str
) -> tuple[PlacedRows, list[tuple[LabelRow, Fault]]]:
    """The rows by photo and label, and the rows that refer to no photo, each with the reason."""
    split, folder = find_split(label_file), posixpath.dirname(label_file)
    placed: PlacedRows = {}
    faults: list[tuple[LabelRow, Fault]] = []
    for row in dict.fromkeys(rows):
        fault = find_fault(row)
        match = index.find(row.path, folder=folder, label=row.label) if row.path else None
        if row.path and match is not None and match.candidates and split is not None and split in split_indexes:
            match = split_indexes[split].find(row.path, folder=folder, label=row.label)
        if match is not None and match.name is not None and fault is None:
            placed[match.name, row.label] = replace(row, split=split) if split and not row.split else row
        else:
            named = replace(row, path=match.name) if match is not None and match.name is not None else row
            faults.append((named, fault or find_hindrance(row, match or Match(None), confined=True)))
    return placed, faults


def find_refusal(
    label_file: str, rows: PlacedRows, faults: Sequence[tuple[LabelRow, Fault]], names: Collection[str]
) -> str | None:
    """The reason why a label file is not used; None if it is used.

    Args:
        label_file: the name of the label file.
        rows: the rows that refer to a photo.
        faults: the rows that refer to no photo, each with the reason.
        names: the names of all files.

    Raises:
        DataError: most names match several photos, and no folders are named after the labels.
    """
    ambiguous_rows = [row for row, (reason, _) in faults if reason == "ambiguous_path"]
    if len(ambiguous_rows) > len(rows):
        message = next(message for _, (reason, message) in faults if reason == "ambiguous_path")
        example = printable(str(ambiguous_rows[0].path))
        labels = {str(row.label) for row in ambiguous_rows}
        if len(labels) > 1 and not is_submission(label_file) and not in_folders_of(labels, names):
            raise DataError(
                f"Each name in {label_file} must match one photo; {len(ambiguous_rows):,} names, such as "
                f"{example}, match several. {message} Pass the folder of the photos that you mean, with the label file "
                "in it, or move the label file out of the data."
            )
        return f"contains names that match several files, such as {example}"
    if not rows:
        return "refers to no photo in the data"
    if all(is_annotation(name.rpartition("/")[0]) for name, _ in rows):
        return "refers only to pictures in folders of masks or annotations"
    labels = {str(row.label) for row in rows.values()}
    if len(labels) < 2:
        return f"contains only one class, '{printable(labels.pop())}'"
    if is_submission(label_file):
        return "is named like a sample submission, which contains placeholder labels"
    return None


def is_submission(label_file: str) -> bool:
    """Whether a file is named like a sample submission for a competition."""
    return SUBMISSION in posixpath.basename(label_file).casefold()


def in_folders_of(labels: Collection[str], names: Collection[str]) -> set[str]:
    """The files in folders that are named after a label."""
    folders = {part for label in labels for part in name_key(label)}
    return {name for name in names if not folders.isdisjoint(name_key(name)[:-1])}
