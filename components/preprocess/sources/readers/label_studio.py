"""Reads Label Studio's exports: JSON with tasks and their annotations, and JSON-MIN with one flat record per photo.

Label Studio's CSV export is a table with a column `choice`: see `columns.COLUMNS`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.preprocess.sources.file_index import names_photo
from components.preprocess.sources.readers.columns import find_columns
from components.preprocess.sources.readers.json_document import first_sign, read_document
from components.preprocess.sources.readers.json_lines import read_records
from components.preprocess.sources.readers.label_rows import (
    LabelRow,
    Labels,
    NoLabelsError,
    as_cell,
    normalize_cell,
    parse_split,
    refuse_several_labels,
)

SUFFIXES: Final = (".json",)
ANNOTATION_KEYS: Final = ("annotations", "completions")
"""The keys of a task's annotations; the second was used before version 1.0."""


def recognizes(path: Path) -> bool:
    """Whether a JSON document is a list, as exports of Label Studio are."""
    return first_sign(path) == "["


def read_tasks(path: Path, wanted: ColumnNames) -> Labels:
    """Reads the photos in an export, one row for each annotation that was not canceled.

    Raises:
        DataError: the file is not an export of Label Studio, or photos have several labels.
    """
    subject = f"The label file {path}"
    tasks = read_document(path)
    if not isinstance(tasks, list) or not tasks or not all(isinstance(task, dict) for task in tasks):
        raise NoLabelsError(f"{subject} must be a list of Label Studio's tasks; it is not a list of records.")
    if not all(isinstance(task.get("data"), dict) for task in tasks):
        records = [{str(name): as_cell(value) for name, value in task.items()} for task in tasks]
        return read_records(subject, records, wanted)
    control = _find_control(subject, tasks, wanted)
    rows: list[LabelRow] = []
    several: dict[str, list[str]] = {}
    for task in tasks:
        path_cell, split, group = _read_data(task["data"], wanted)
        labels_of_annotations = [_find_labels(annotation, control) for annotation in _annotations(task)]
        for labels in labels_of_annotations or [[]]:
            if len(labels) > 1:
                several[str(path_cell)] = labels
            rows.append(LabelRow(path_cell, labels[0] if labels else None, split, group))
    refuse_several_labels(subject, several, len(tasks))
    return Labels(rows)


def _annotations(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ANNOTATION_KEYS:
        annotations = task.get(key)
        for annotation in annotations if isinstance(annotations, list) else ():
            if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
                yield annotation


def _results(annotation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    results = annotation.get("result")
    for result in results if isinstance(results, list) else ():
        if isinstance(result, dict) and isinstance(result.get("value"), dict):
            yield result


def _find_control(subject: str, tasks: list[dict[str, Any]], wanted: ColumnNames) -> str:
    """The name of the control with which the photos were classified."""
    kinds: dict[str, set[str]] = {}
    for task in tasks:
        for annotation in _annotations(task):
            for result in _results(annotation):
                kinds.setdefault(str(result.get("type")), set()).add(str(result.get("from_name")))
    controls = sorted(kinds.get("choices", ()))
    if wanted.label in controls:
        return str(wanted.label)
    if wanted.label is not None or len(controls) > 1:
        raise DataError(
            f"{subject} has these controls with choices: {', '.join(controls) or 'none'}. Set the one with the "
            "classes: --set data.columns.label=NAME"
        )
    if not controls:
        content = ", ".join(sorted(kinds)) or "no labels"
        raise NoLabelsError(f"{subject} must contain choices, one class for each photo; it contains {content}.")
    return controls[0]


def _find_labels(annotation: Mapping[str, Any], control: str) -> list[str]:
    labels = []
    for result in _results(annotation):
        choices = result["value"].get("choices")
        if str(result.get("from_name")) == control and isinstance(choices, list):
            labels += [label for label in map(normalize_cell, choices) if label is not None]
    return list(dict.fromkeys(labels))


def _read_data(data: Mapping[str, Any], wanted: ColumnNames) -> tuple[str | None, SplitName | None, str | None]:
    """(path, split, group) of a task's photo; without a usual key, the path is the first value that names a photo."""
    names = list(data)
    places = find_columns(names, wanted, "A task of Label Studio")
    cells = {role: as_cell(data[names[place]]) for role, place in places.items()}
    path = cells.get("path")
    if wanted.path is None and (path is None or not names_photo(path)):
        path = next((str(text) for text in data.values() if isinstance(text, str) and names_photo(text)), path)
    try:
        split = parse_split(cells.get("split"))
    except KeyError:
        split = None  # the key has a different meaning
    return path, split, cells.get("group")
