"""Reads the classes of an uploaded model from a file next to it, and matches its outputs to the classes of the data."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from components.contract.errors import UploadError
from components.contract.validation_messages import nearest

LABEL_FILES: Final = (
    "labels.txt",
    "class_names.txt",
    "classes.txt",
    "labels.json",
    "class_names.json",
    "class_indices.json",
)
"""Text: one class per line, optionally after its number. JSON: a list of classes, {name: number} or {number: name}."""
MAX_LABEL_BYTES: Final = 2**20
_MAX_CLASSES: Final = 100_000
_MAX_NAME: Final = 200
_NUMBERED_LINE: Final = re.compile(r"(\d+)[\s:,;]+(\S.*)")


def read_class_names(content: bytes, file_name: str) -> tuple[str, ...]:
    """Reads the classes from the content of a label file; its name must be one of LABEL_FILES.

    Raises:
        UploadError: the content is not a list of classes.
    """
    if len(content) > MAX_LABEL_BYTES:
        raise _refused(file_name, f"it has more than {MAX_LABEL_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
        names = _from_json(json.loads(text)) if file_name.endswith(".json") else _from_lines(text)
    except (ValueError, RecursionError) as error:
        raise _refused(file_name, str(error)) from None
    if len(set(names)) != len(names):
        raise _refused(file_name, "a class is listed twice")
    if not 2 <= len(names) <= _MAX_CLASSES:
        raise _refused(file_name, f"the number of classes that it lists is {len(names):,}")
    for name in names:
        if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
            raise _refused(file_name, f"{name[:40]!r} is not a class name")
    return names


def _refused(file_name: str, why: str) -> UploadError:
    return UploadError(
        f"{file_name} next to an uploaded model must list the model's classes in the order of its outputs, one per "
        f"line; {why}. Correct it, or set train.model.class_names."
    )


def _from_lines(text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [_NUMBERED_LINE.fullmatch(line) for line in lines]
    matches = [match for match in numbered if match is not None]
    name_by_number = {int(match[1]): match[2] for match in matches}
    if len(matches) == len(lines) and sorted(name_by_number) == list(range(len(lines))):
        return tuple(name_by_number[number] for number in range(len(lines)))
    return tuple(lines)


def _from_json(tree: object) -> tuple[str, ...]:
    if isinstance(tree, dict) and all(isinstance(value, int) for value in tree.values()):
        tree = {str(number): name for name, number in tree.items()}
    if isinstance(tree, dict):
        if sorted(tree) != sorted(map(str, range(len(tree)))):
            raise ValueError(f"its numbers are not 0 to {len(tree) - 1}")
        tree = [tree[str(number)] for number in range(len(tree))]
    if not isinstance(tree, list) or not all(isinstance(name, str) for name in tree):
        raise ValueError("it is not a list of names")
    return tuple(name.strip() for name in tree)


def find_beside(path: Path) -> tuple[Path, tuple[str, ...]] | None:
    """Finds the first of LABEL_FILES next to a model, and reads its classes; None if there is none.

    Raises:
        UploadError: the file is not a list of classes.
    """
    for name in LABEL_FILES:
        label_path = path.with_name(name)
        if label_path.is_file():
            with label_path.open("rb") as file:
                return label_path, read_class_names(file.read(MAX_LABEL_BYTES + 1), name)
    return None


def order_outputs(model_classes: Sequence[str], class_names: Sequence[str], display_name: str) -> tuple[int, ...]:
    """Finds the index of the model's output for each class of the data.

    Names that differ only in case, spaces, hyphens and underscores are the same class.

    Raises:
        UploadError: the model lacks a class of the data.
    """
    place_by_name = {name: place for place, name in enumerate(model_classes)}
    if not place_by_name.keys() >= set(class_names):
        folded = {_fold(name): place for place, name in enumerate(model_classes)}
        if len(folded) == len(model_classes):
            place_by_name |= {name: folded[_fold(name)] for name in class_names if _fold(name) in folded}
    for name in class_names:
        if name not in place_by_name:
            raise UploadError(
                f"A model that is used unchanged must have the classes of the data; {display_name} does not have "
                f"{name!r}{nearest(name, model_classes)}. Rename the class, correct the model's list of "
                "classes, or give the model a new head: train.model.head=linear."
            )
    return tuple(place_by_name[name] for name in class_names)


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.casefold()).strip()
