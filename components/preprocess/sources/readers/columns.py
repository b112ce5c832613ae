"""Finds the columns with paths, labels, splits and groups in a table: by the params, by name, or by content."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import DataError
from components.contract.params.data import ColumnNames
from components.contract.text import join_names
from components.preprocess.sources.file_index import names_photo
from components.preprocess.sources.folders.names import HUMP
from components.preprocess.sources.readers.label_rows import (
    LabelRow,
    Labels,
    NoLabelsError,
    divide_joined,
    listed_labels,
    parse_split,
    refuse_several_labels,
)

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "path": (
        *("path", "file", "filename", "file_name", "filepath", "file_path", "filepaths", "filenames", "files"),
        *("image", "image_path", "image_file", "image_name", "img_path", "img", "images", "photo", "picture"),
        *("imagegcsuri", "image_gcs_uri", "image_url", "uri", "url", "image_id", "img_id", "id_code", "id"),
    ),
    "label": (
        *("label", "labels", "class", "class_name", "category", "target", "choice", "class_label"),
        *("label_name", "category_name", "classes", "annotation"),
        *("class_id", "classid", "label_id", "category_id"),
    ),
    "split": ("split", "subset", "partition", "set", "ml_use", "data_set", "dataset"),
    "group": ("group", "group_id", "patient", "patient_id", "subject", "subject_id", "session", "session_id"),
}
"""The possible names of each column, ignoring case; the first name in this order that exists is used."""
UNSURE_SPLITS: Final = frozenset({"data_set", "dataset"})
"""A column with one of these names may contain sources of photos instead; it is used only if it contains splits."""
ONE_HOT: Final[Mapping[str | None, bool]] = {
    None: False,
    **dict.fromkeys(("0", "0.0", "false"), False),
    **dict.fromkeys(("1", "1.0", "true"), True),
}
UNLABELED: Final = "unlabeled"
"""The name of Roboflow's column for photos without a label."""

Column = Sequence[str | None]

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Cells:
    """A table of strings.

    Attributes:
        subject: the table, for messages, such as `The table labels.csv`.
        names: the names of the columns; None if the table has no header.
        columns: the cells of each column, normalized by `normalize_cell`; all columns have the same length.
    """

    subject: str
    names: tuple[str, ...] | None
    columns: list[list[str | None]]

    @property
    def first_line(self) -> int:
        """The line number of the first row."""
        return 1 if self.names is None else 2


def read_labels(cells: Cells, wanted: ColumnNames) -> Labels:
    """Reads the photos in a table.

    Args:
        cells: the table.
        wanted: the column names that the user set.

    Raises:
        DataError: a column is missing, a split is invalid, or photos have several labels.
    """
    names = cells.names
    places = _find_unnamed(cells, wanted) if names is None else find_columns(names, wanted, cells.subject)
    if names is not None and wanted.split is None and "split" in places:
        place = places["split"]
        if _normal(names[place]) in UNSURE_SPLITS and not _holds_splits(cells.columns[place]):
            del places["split"]
    if "path" not in places:
        raise _missing_column(cells, "path")
    empty: Column = [None] * len(cells.columns[places["path"]])
    paths = cells.columns[places["path"]]
    notices: tuple[str, ...] = ()
    if "label" in places:
        place = places["label"]
        if wanted.label is None:
            place, notices = _prefer_names(cells, place)
            notices = notices or _announce_choice(cells, place)
        label_lists = divide_joined([listed_labels(cell) for cell in cells.columns[place]])
        labels = _one_label_each(cells.subject, paths, label_lists)
    else:
        labels = _one_label_each(cells.subject, paths, _read_one_hot(cells, places))
    splits = _read_splits(cells, places)
    groups = cells.columns[places["group"]] if "group" in places else empty
    return Labels([LabelRow(*row) for row in zip(paths, labels, splits, groups, strict=True)], notices)


def find_columns(names: Sequence[str], wanted: ColumnNames, subject: str) -> dict[str, int]:
    """The indices of the columns `path`, `label`, `split` and `group` that exist in a table with a header.

    Raises:
        DataError: a column that the user set does not exist.
    """
    by_name = {_normal(name): place for place, name in reversed(list(enumerate(names)))}
    places: dict[str, int] = {}
    for role in COLUMNS:
        column = getattr(wanted, role)
        if column is not None:
            place = column - 1 if isinstance(column, int) else by_name.get(_normal(column), len(names))
            if place >= len(names):
                raise NoLabelsError(
                    f"data.columns.{role} must be a column of the table; {subject} has {_listed(names)}, and no "
                    f"{column!r}."
                )
            places[role] = place
    for role, aliases in COLUMNS.items():
        free = (by_name[alias] for alias in aliases if alias in by_name and by_name[alias] not in places.values())
        place = next(free, -1)
        if role not in places and place >= 0:
            places[role] = place
    return places


def has_header(first_row: Sequence[str], wanted: ColumnNames) -> bool:
    """Whether the first row of a table is a header."""
    if any(map(names_photo, first_row)):
        return False
    by_number = isinstance(wanted.path, int) and isinstance(wanted.label, int)
    return not by_number or any(_normal(cell) in aliases for cell in first_row for aliases in COLUMNS.values())


def find_label_columns(names: Sequence[str]) -> list[int]:
    """The indices of all columns that may contain the class, as a name or as a number."""
    return [place for place, name in enumerate(names) if _normal(name) in COLUMNS["label"]]


def _find_unnamed(cells: Cells, wanted: ColumnNames) -> dict[str, int]:
    """Like `find_columns`, for a table without a header, such as Vertex AI's `training,gs://…/1.jpg,cat`."""
    num_columns = len(cells.columns)
    names = [str(number) for number in range(1, num_columns + 1)]
    places = find_columns(names, wanted, f"{cells.subject}, which has no header,")
    rest = [place for place in range(num_columns) if place not in places.values() and any(cells.columns[place])]
    if "path" not in places:
        paths = [place for place in rest if names_photo(next(filter(None, cells.columns[place]), ""))]
        if paths:
            places["path"] = paths[0]
            rest.remove(paths[0])
    if "split" not in places:
        splits = [place for place in rest if _holds_splits(cells.columns[place])]
        if splits and len(rest) > 1:
            places["split"] = splits[0]
            rest.remove(splits[0])
    if "label" not in places:
        words = [place for place in rest if not all(map(_NUMBER.fullmatch, filter(None, cells.columns[place])))]
        rest = words if len(words) == 1 else rest  # numbers may be the corners of a box
        if len(rest) != 1:
            raise NoLabelsError(
                f"{cells.subject} has no header, so it must have a column of paths, one of labels and at "
                f"most one of splits; it has {num_columns} columns. Set them by number: --set "
                "'data.columns={path: 1, label: 2}'; if photos have several labels, keep one label for each."
            )
        places["label"] = rest[0]
    return places


def _read_one_hot(cells: Cells, places: Mapping[str, int]) -> list[list[str]]:
    """The labels of each row, from a column of zeros and ones per class, as in Roboflow's `_classes.csv`."""
    names = [] if cells.names is None else cells.names
    classes = {place: name.strip() for place, name in enumerate(names) if place not in places.values()}
    marks = {
        place: [ONE_HOT.get(cell.casefold() if cell else None) for cell in cells.columns[place]] for place in classes
    }
    if len(classes) < 2 or any(None in column for column in marks.values()):
        raise _missing_column(cells, "label")
    classes = {place: name for place, name in classes.items() if name.casefold() != UNLABELED}
    num_rows = len(cells.columns[0])
    return [[name for place, name in classes.items() if marks[place][row]] for row in range(num_rows)]


def _one_label_each(subject: str, paths: Column, labels: Sequence[list[str]]) -> list[str | None]:
    several = {
        str(path): names for path, names in zip(paths, labels, strict=True) if len(names) > 1 and path is not None
    }
    refuse_several_labels(subject, several, len(paths))
    return [names[0] if names else None for names in labels]


def _prefer_names(cells: Cells, place: int) -> tuple[int, tuple[str, ...]]:
    """The index of the label column, or of a column with class names if the labels are class numbers; and a notice."""
    numbers = cells.columns[place]
    if cells.names is None or not all(cell is None or re.fullmatch(r"\d+(\.0)?", cell) for cell in numbers):
        return place, ()
    for other, name in enumerate(cells.names):
        names = cells.columns[other]
        is_names = _normal(name) in COLUMNS["label"] and other != place and len(set(names)) > 1
        if is_names and _are_alike(numbers, names):
            return other, (
                f"{cells.subject} contains the classes both as numbers ({cells.names[place]}) and as "
                f"names ({name}); the names are used.",
            )
    return place, ()


def _announce_choice(cells: Cells, place: int) -> tuple[str, ...]:
    """A notice if other columns have names that suggest classes, but group the rows differently."""
    names = cells.names or ()
    others = [
        names[other].strip()
        for other in find_label_columns(names)
        if other != place and not _are_alike(cells.columns[other], cells.columns[place])
    ]
    if not others:
        return ()
    return (
        f"{cells.subject} has several columns that may contain the classes; {names[place].strip()} is used instead of "
        f"{_listed(others)}. To use another column, set data.columns.label.",
    )


def _are_alike(column: Column, other: Column) -> bool:
    """Whether two columns group the rows in the same way, as the numbers and the names of classes do."""
    num_pairs = len(set(zip(column, other, strict=True)))
    return num_pairs == len(set(column)) == len(set(other))


def _read_splits(cells: Cells, places: Mapping[str, int]) -> list[SplitName | None]:
    if "split" not in places:
        return [None] * len(cells.columns[0])
    splits = []
    for line, text in enumerate(cells.columns[places["split"]], start=cells.first_line):
        try:
            splits.append(parse_split(text))
        except KeyError:
            raise DataError(
                "A split must be train, validation or test; "
                f"{cells.subject[0].lower()}{cells.subject[1:]} contains {text!r} in line {line}."
            ) from None
    return splits


def _holds_splits(column: Column) -> bool:
    try:
        splits = [parse_split(cell) for cell in column]
    except KeyError:
        return False
    return bool(splits) and any(column)


def _missing_column(cells: Cells, role: str) -> NoLabelsError:
    examples = " or ".join(COLUMNS[role][:4])
    return NoLabelsError(
        f"{cells.subject} must have a column of {role}s, with a name such as {examples}; it has "
        f"{_listed(cells.names or ())}. If one of these is right, set it: --set data.columns.{role}=NAME"
    )


def _listed(names: Sequence[str]) -> str:
    return join_names([name.strip() for name in names]) or "no columns"


def _normal(name: str) -> str:
    """The name in lowercase, with underscores between words: image_name for `Image Name` and `ImageName`."""
    return re.sub(r"[\s_-]+", "_", HUMP.sub("_", name.strip()).casefold())
