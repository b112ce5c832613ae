"""What a label file says of its photos, whatever its format."""

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
"""What tables write for a photo that no split was chosen for."""
SHOWN: Final = 3
_JOINT: Final = re.compile(r"\s*[|;,/+&]\s*| and |\s+")


@dataclass(frozen=True, slots=True)
class LabelRow:
    """One row of a label file; empty cells are None."""

    path: str | None
    label: str | None
    split: SplitName | None = None
    group: str | None = None


@dataclass(frozen=True)
class Labels:
    """All rows of a label file.

    Attributes:
        rows: in the file's order.
        notices: what the user should know about how it was read, a sentence or two each.
    """

    rows: list[LabelRow]
    notices: tuple[str, ...] = ()


class NoLabelsError(DataError):
    """A file that could hold labels is about something else, or does not show in which columns they are."""


class SeveralLabelsError(DataError):
    """A label file gives several labels to a photo.

    Attributes:
        labels: of such photos.
    """

    def __init__(self, message: str, labels: frozenset[str]):
        super().__init__(message)
        self.labels = labels


def normalize_cell(value: object) -> str | None:
    """A cell as text in Unicode's composed form without spaces around it; None if it is empty."""
    if value is None or value != value:  # NaN differs from itself
        return None
    text = str(value).strip()
    return (text if text.isascii() else unicodedata.normalize("NFC", text)) or None


def parse_split(text: str | None) -> SplitName | None:
    """The split that a cell names; None if it names none.

    Raises:
        KeyError: the text is no split.
    """
    name = (text or "none").casefold()
    return None if name in UNASSIGNED else SPLIT_FOLDERS[name]


def listed_labels(cell: str | None) -> list[str]:
    """The labels in a cell, which may be a list in JSON: `["cat", "dog"]`, or Label Studio's `{"choices": […]}`."""
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
    """The labels of each photo, where one text joins several: `cat|dog`, if cat and dog are labels of other photos."""
    alone = {labels[0] for labels in label_lists if len(labels) == 1}

    def divide(labels: list[str]) -> list[str]:
        parts = [part.strip() for part in _JOINT.split(labels[0])] if len(labels) == 1 else []
        return parts if len(parts) > 1 and alone.issuperset(parts) else labels

    return [divide(labels) for labels in label_lists]


def refuse_several_labels(subject: str, several: Mapping[str, Sequence[str]], num_photos: int) -> None:
    """Requires each photo to have one label.

    Args:
        subject: the label file in messages, such as `The table labels.csv`.
        several: photos with more labels than one, with the labels.
        num_photos: of the label file.

    Raises:
        SeveralLabelsError: there are such photos.
    """
    if not several:
        return
    examples = "; ".join(f"{path}: {', '.join(labels)}" for path, labels in list(several.items())[:SHOWN])
    raise SeveralLabelsError(
        f"Each photo must have one label; {subject[0].lower()}{subject[1:]} has several for "
        f"{len(several):,} of {num_photos:,} photos, such as {examples}. Darkroom trains one class per "
        "photo: keep one label of each, or remove these photos.",
        frozenset(label for labels in several.values() for label in labels),
    )


def as_cell(value: object) -> str | None:
    """A value of a JSON record as the cell of a table; lists and mappings as JSON."""
    return normalize_cell(json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value)
