"""Which photos the rows of a label file mean, and whether the file says what the photos are."""

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
"""Rows by the photo that they mean and their label."""


def find_split(name: str) -> SplitName | None:
    """The split that a file is about, by its name or its folders: `valid/_classes.csv`, `trainLabels.csv`."""
    splits = {SPLIT_FOLDERS[word] for word in words_of(name) if word in SPLIT_FOLDERS}
    return splits.pop() if len(splits) == 1 else None


def index_splits(names: Collection[str]) -> dict[SplitName, FileIndex]:
    """The files in the folders of each split: `1` of `trainLabels.csv` is `train/1.png`, not `test/1.png`."""
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
    """The rows by the photos that they name and their labels, and those that name none."""
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
    """Why a label file does not say what the photos are; None if it may.

    Args:
        label_file: its name.
        rows: that name a photo.
        faults: rows that name none, each with the reason.
        names: of all files.

    Raises:
        DataError: most names fit several photos, and no folders are named for the labels.
    """
    ambiguous_rows = [row for row, (reason, _) in faults if reason == "ambiguous_path"]
    if len(ambiguous_rows) > len(rows):
        message = next(message for _, (reason, message) in faults if reason == "ambiguous_path")
        example = printable(str(ambiguous_rows[0].path))
        labels = {str(row.label) for row in ambiguous_rows}
        if len(labels) > 1 and not is_submission(label_file) and not in_folders_of(labels, names):
            raise DataError(
                f"The names in {label_file} must each fit one photo; {len(ambiguous_rows):,} of them, such as "
                f"{example}, fit several. {message} Give the folder of photos that is meant, with the label file in "
                "it, or move the label file out of the data."
            )
        return f"names photos that may be any of several files, such as {example}"
    if not rows:
        return "names no photo of the data"
    if all(is_annotation(name.rpartition("/")[0]) for name, _ in rows):
        return "names only pictures in folders beside the photos"
    labels = {str(row.label) for row in rows.values()}
    if len(labels) < 2:
        return f"names only one class, '{printable(labels.pop())}'"
    if is_submission(label_file):
        return "is called a submission, which has no true labels"
    return None


def is_submission(label_file: str) -> bool:
    """Whether a file is called as the example of a competition's answers."""
    return SUBMISSION in posixpath.basename(label_file).casefold()


def in_folders_of(labels: Collection[str], names: Collection[str]) -> set[str]:
    """The files in folders that are named for a label."""
    folders = {part for label in labels for part in name_key(label)}
    return {name for name in names if not folders.isdisjoint(name_key(name)[:-1])}
