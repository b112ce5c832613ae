"""Creates a new version of a data set: applies label decisions to its class folders or its label table."""

import itertools
import json
import posixpath
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from components.contract.errors import DataError
from components.contract.text import from_csv_cell, pluralize
from components.contract.validation_messages import nearest
from pipelines.data.repository import find_repository
from pipelines.data.snapshot import LabelTable, find_label_table
from pipelines.data.versions import Moves, Version, change_photos, find_data

Decisions = Mapping[str, str | None]
"""The new class of each photo, by its path relative to the data; None removes the photo."""


def relabel_data(name: str | None, decisions_path: Path) -> Version:
    """Applies the decisions in a table to a data set of this repository; see `relabel`."""
    root = find_repository()
    return relabel(root, find_data(root, name), read_decisions(decisions_path))


def relabel(root: Path, path: str, decisions: Decisions) -> Version:
    """Changes the labels of photos, or removes photos, and commits the result as a new version.

    In data with class folders, photos are moved to other folders or removed; in data with a table, its rows are changed
    or removed, and the photos stay in place. The data must be unchanged since its last version, so that the change can
    be undone. All decisions are checked first; if one is invalid, none is applied.

    Args:
        root: the root of the repository.
        path: the path of the data, relative to the root.
        decisions: the new class of each photo.

    Raises:
        DataError: the data differs from its version in DVC, or a decision is invalid.
    """
    request = json.dumps(["relabel", path, dict(decisions)])

    def prepare(folder: Path, scratch: Path) -> tuple[Moves, str]:
        moves, num_changed = _prepare_moves(folder, decisions, scratch)
        return moves, f"Relabel {pluralize(num_changed)} in {folder.name}"

    return change_photos(root, path, request, prepare)


def _prepare_moves(folder: Path, decisions: Decisions, scratch: Path) -> tuple[Moves, int]:
    """Returns (from, to) of each file to move, and the number of changed photos; writes a new table to `scratch`."""
    from components.preprocess.sources.listing import list_folder

    names = ["/".join(file.parts) for file in list_folder(folder).files]
    decisions = find_photo_names(decisions, names)
    table = find_label_table(names, lambda name: (folder / name).read_bytes())
    if table is None:
        plan = _plan_moves(folder, decisions)
        return [(source, target or scratch / str(number)) for number, (source, target) in enumerate(plan)], len(plan)
    path = find_table_path(folder, table)
    write, num_changed = change_table(path, table, decisions)
    return replace_table(path, write, scratch), num_changed


def find_table_path(folder: Path, table: LabelTable) -> Path:
    """Returns the path of the single table with the labels of the data.

    Raises:
        DataError: the labels are in several files, or not in a table.
    """
    from components.preprocess.sources.readers.table import is_table

    if len(table.names) > 1 or not is_table(Path(table.names[0])):
        raise DataError(
            f"Labels can be changed only if they are all in one CSV or Parquet table; those of {folder.name} are "
            f"in {' and '.join(table.names)}. Write such a table first: darkroom data export {folder} "
            "--format csv"
        )
    return folder / table.names[0]


def replace_table(path: Path, write: Callable[[Path], None], scratch: Path) -> Moves:
    """Writes a new table into the scratch folder, and returns the moves that replace the old table with it."""
    new_table, old_table = (scratch / f"{age}-{path.name}" for age in ("new", "old"))
    write(new_table)
    return [(path, old_table), (new_table, path)]


def find_photo_names(decisions: Decisions, names: Collection[str]) -> dict[str, str | None]:
    r"""Returns the decisions by the normalized names of the photos; a decision may contain a name like `red\001.png`.

    Raises:
        DataError: there are different decisions about a photo.
    """
    from components.preprocess.sources.file_index import FileIndex

    index = FileIndex(names)
    by_name: dict[str, str | None] = {}
    for text, label in decisions.items():
        name = index.find(text).name or text
        if by_name.setdefault(name, label) != label:
            raise DataError(f"Each photo can have only one decision; {name} has two.")
    return by_name


def _plan_moves(folder: Path, decisions: Decisions) -> list[tuple[Path, Path | None]]:
    """Returns (photo, destination) for each decision that changes something."""
    from components.preprocess.sources.folders.layout import find_layout
    from components.preprocess.sources.folders.tree import FolderTree
    from components.preprocess.sources.listing import list_folder

    listing = list_folder(folder)
    tree = FolderTree((file.parts for file in listing.files), listing.folders)
    layout = find_layout(tree, data=str(folder))
    files_by_name = {"/".join(file.parts): file for file in listing.files}
    moves: list[tuple[Path, Path | None]] = []
    taken_names: dict[Path, set[str]] = {}
    for name, label in decisions.items():
        file = files_by_name.get(name)
        place = layout.place(file.parts) if file is not None else None
        if file is None or place is None:
            raise DataError(f"A decision must name a photo by its path in {folder.name}; there is no photo {name!r}.")
        if label == place[0]:
            continue
        if label is None:
            moves.append((file.path, None))
            continue
        if label not in layout.class_names:
            raise DataError(
                f"A label must be one of the {len(layout.class_names)} classes of {folder.name}; for "
                f"{name!r} it is {label!r}{nearest(label, layout.class_names)}. To add a class, create "
                "its folder first."
            )
        class_folder = layout.class_folder(file.parts, label)
        if class_folder is None:
            raise DataError(
                f"Photos can only be relabeled in class folders and tables; the class of {name!r} is in "
                "its file name. Rename the file."
            )
        class_dir = folder.joinpath(*class_folder)
        if class_dir not in taken_names:
            taken_names[class_dir] = {path.name.casefold() for path in class_dir.glob("*")}
        moves.append((file.path, class_dir / pick_name(file.path, taken_names[class_dir])))
    if not moves:
        raise DataError("No decision changes anything: every photo already has the given label.")
    return moves


def pick_name(photo: Path, taken_names: set[str]) -> str:
    """Returns the photo's name, with a number if it is taken; names of files that leave the folder are not reused.

    Therefore every target is free before the first move, the order of moves does not matter, and an interrupted change
    can be undone.
    """
    names = itertools.chain([photo.name], (f"{photo.stem}-{number}{photo.suffix}" for number in itertools.count(2)))
    name = next(name for name in names if name.casefold() not in taken_names)
    taken_names.add(name.casefold())
    return name


def change_table(path: Path, table: LabelTable, decisions: Decisions) -> tuple[Callable[[Path], None], int]:
    """Returns a function that writes the changed table, and the number of changed photos."""
    from components.contract.params.data import ColumnNames
    from components.preprocess.sources.file_index import FileIndex
    from components.preprocess.sources.readers.columns import find_label_columns
    from components.preprocess.sources.readers.table import read_frame, read_table, write_frame

    rows = read_table(path, ColumnNames()).rows
    frame, text_format = read_frame(path)
    columns = find_label_columns([str(name) for name in frame.columns])
    if not columns or len(rows) != len(frame):
        raise DataError(
            f"Labels can only be changed in a table with a header and a column of labels; {path.name} is not such a "
            "table. Create one: darkroom data export --format csv"
        )
    index, folder = FileIndex(table.labels), posixpath.dirname(table.names[0])
    places: dict[str, list[int]] = {}
    examples: dict[str, int] = {}
    for place, row in enumerate(rows):
        name = index.find(row.path, folder=folder, label=row.label).name if row.path is not None else None
        places.setdefault(name or str(row.path), []).append(place)
        examples.setdefault(row.label or "", place)
    class_names = sorted(filter(None, examples))
    dropped_rows: list[int] = []
    new_labels: dict[int, str] = {}
    for name, label in decisions.items():
        if name not in places:
            raise DataError(
                f"A decision must name a photo by its path in the data; the table {path.name} has no row for {name!r}."
            )
        if label is None:
            dropped_rows += places[name]
        elif label not in class_names:
            raise DataError(
                f"A label must be one of the {len(class_names)} classes of {path.name}; for {name!r} it is "
                f"{label!r}{nearest(label, class_names)}."
            )
        else:
            new_labels |= {place: label for place in places[name] if rows[place].label != label}
    if not dropped_rows and not new_labels:
        raise DataError("No decision changes anything: every photo already has the given label.")
    for column in columns:  # labels may be in two columns: class numbers and class names
        cells = frame.iloc[:, column]
        values = cells.tolist()
        for place, label in new_labels.items():
            values[place] = cells.iloc[examples[label]]
        frame.isetitem(column, type(cells)(values, index=frame.index, dtype=cells.dtype))
    changed_frame = frame.drop(frame.index[dropped_rows])
    return lambda target: write_frame(changed_frame, target, text_format), len(dropped_rows) + len(new_labels)


def read_decisions(path: Path) -> dict[str, str | None]:
    """Reads decisions from a CSV or Parquet table with the columns path and label; an empty label removes the photo.

    Raises:
        DataError: the file is not such a table, or contains different decisions about a photo.
    """
    import pandas as pd

    from components.contract.params.data import ColumnNames
    from components.preprocess.sources.readers.columns import find_columns
    from components.preprocess.sources.readers.label_rows import normalize_cell
    from components.preprocess.sources.readers.table import read_frame

    frame, _ = read_frame(path)
    names = [str(name) for name in frame.columns]
    places = find_columns(names, ColumnNames(), str(path))
    if "path" not in places or "label" not in places:
        raise DataError(f"{path} must have the columns path and label; it has {', '.join(names)}.")
    decisions: dict[str, str | None] = {}
    for path_cell, label_cell in zip(frame.iloc[:, places["path"]], frame.iloc[:, places["label"]], strict=True):
        label_text = "" if pd.isna(label_cell) else str(label_cell)
        name, label = from_csv_cell(str(path_cell)), normalize_cell(from_csv_cell(label_text))
        if decisions.setdefault(name, label) != label:
            raise DataError(f"Each photo can have only one decision; {path} has two for {name}.")
    return decisions
