"""The rows of a label file of any format."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components.contract.artifacts.dataset import SPLIT_FOLDERS, SplitName
from components.contract.errors import DataError
from components.contract.foreign.documents import DocumentError, parse_json

UNASSIGNED: Final = frozenset({"unassigned", "none", "null", "nan"})
"""The values in a column of splits that mean that a photo has no split."""
SHOWN: Final = 3
_JOINT: Final = re.compile(r"\s*[|;,/+&]\s*| and |\s+")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A row of a label file; empty cells are None."""

    path: str | None
    label: str | None
    split: SplitName | None = None
    group: str | None = None


@dataclass(frozen=True)
class Labels:
    """All rows of a label file.

    Attributes:
        rows: the rows, in the order of the file.
        notices: messages for the user about how the file was read, one or two sentences each.
    """

    rows: list[LabelRow]
    notices: tuple[str, ...] = ()


class NoLabelsError(DataError):
    """A file that may be a label file has no labels, or the columns with the labels are unknown."""


class SeveralLabelsError(DataError):
    """A label file has several labels for a photo.

    Attributes:
        labels: all labels of the photos that have several.
    """

    def __init__(self, message: str, labels: frozenset[str]):
        super().__init__(message)
        self.labels = labels


def normalize_cell(value: object) -> str | None:
    """A cell as a string in Unicode normalization form C, without surrounding spaces; None if it is empty."""
    if value is None or value != value:  # NaN is not equal to itself
        return None
    text = str(value).strip()
    return (text if text.isascii() else unicodedata.normalize("NFC", text)) or None


def parse_split(text: str | None) -> SplitName | None:
    """The split in a cell; None if the cell is empty or means that there is no split.

    Raises:
        KeyError: the cell does not contain the name of a split.
    """
    name = (text or "none").casefold()
    return None if name in UNASSIGNED else SPLIT_FOLDERS[name]


def listed_labels(cell: str | None) -> list[str]:
    """The labels in a cell, which may be a JSON list, `["cat", "dog"]`, or Label Studio's `{"choices": […]}`."""
    if cell is None or cell.casefold() == "nan":
        return []
    if cell[0] not in "[{":
        return [cell]
    try:
        tree = parse_json(cell)
    except DocumentError:
        return [cell]
    values = tree.get("choices") if isinstance(tree, dict) else tree
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        return [cell]
    return [label for label in map(normalize_cell, values) if label]


def divide_joined(label_lists: Sequence[list[str]]) -> list[list[str]]:
    """Splits joined labels such as `cat|dog`, if cat and dog are labels of other photos."""
    alone = {labels[0] for labels in label_lists if len(labels) == 1}

    def divide(labels: list[str]) -> list[str]:
        parts = [part.strip() for part in _JOINT.split(labels[0])] if len(labels) == 1 else []
        return parts if len(parts) > 1 and alone.issuperset(parts) else labels

    return [divide(labels) for labels in label_lists]


def refuse_several_labels(subject: str, several: Mapping[str, Sequence[str]], num_photos: int) -> None:
    """Checks that each photo has one label.

    Args:
        subject: the label file, for messages, such as `The table labels.csv`.
        several: the labels of each photo that has more than one.
        num_photos: the number of photos in the label file.

    Raises:
        SeveralLabelsError: there are photos with several labels.
    """
    if not several:
        return
    examples = "; ".join(f"{path}: {', '.join(labels)}" for path, labels in list(several.items())[:SHOWN])
    raise SeveralLabelsError(
        f"Each photo must have one label; {subject[0].lower()}{subject[1:]} has several for "
        f"{len(several):,} of {num_photos:,} photos, such as {examples}. Darkroom supports only one class per "
        "photo: keep one label for each photo, or remove these photos.",
        frozenset(label for labels in several.values() for label in labels),
    )


def as_cell(value: object) -> str | None:
    """Converts a value of a JSON record to a cell of a table; lists and mappings become JSON."""
    return normalize_cell(json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value)
