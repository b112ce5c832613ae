"""Decisions about labels, carried out as a new version of a data set: in its folders, or in its table."""

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.contract.errors import DataError
from components.contract.text import from_csv_cell
from components.contract.validation_messages import nearest
from pipelines.data import recovery
from pipelines.data.repository import matches_commit, require_ready, take_into_dvc
from pipelines.data.snapshot import LabelTable, find_label_table, resolve_row_path
from pipelines.data.versions import (
    Version,
    commit_version,
    last_version,
    new_journal,
    recover,
)

Decisions = Mapping[str, str | None]
"""Photo, relative to the data, to its class; None takes it out."""


def relabel(root: Path, path: str, decisions: Decisions) -> Version:
    """Gives photos other labels, or takes them out, and commits that as a new version.

    Where folders say what is what, photos move into other folders, or away; where a table does, its rows change or go,
    and the photos stay where they are. The version before must be whole in DVC, so that nothing can be lost; all
    decisions are checked before any is carried out, and none is if one cannot be.

    Args:
        root: of the repository.
        path: of the data, relative to it.
        decisions: what is to change.

    Raises:
        DataError: the data are not as DVC knows them, or a decision cannot be carried out.
    """
    folder = root / path
    if not folder.is_dir():
        raise DataError(f"Photos can be relabelled in a folder; {path} is none. Unpack it and add the folder.")
    request = json.dumps(["relabel", path, dict(decisions)])
    with recovery.lock_changes(root):
        finished = recover(root)
        if finished is not None and finished.request == request:
            return last_version(root, finished.pointer)
        require_ready(root, path)
        if not matches_commit(root, path):
            raise DataError(
                f"{path} must be as its version says, so that the way back stays open; it differs. Keep "
                f"what it is first: darkroom data add {path}"
            )
        with recovery.scratch_folder(root, path) as scratch:
            moves, num_changed = _prepare_moves(folder, decisions, scratch)
            in_root = [(str(source.relative_to(root)), str(target.relative_to(root))) for source, target in moves]
            with recovery.apply_moves(root, new_journal(root, path, request, in_root)):
                take_into_dvc(root, path)
                return commit_version(root, folder, f"Relabel {num_changed} photos of {folder.name}")


def _prepare_moves(folder: Path, decisions: Decisions, scratch: Path) -> tuple[list[tuple[Path, Path]], int]:
    """(from, to) of each file that is to be moved, and how many photos that changes; a new table waits in `scratch`."""
    from components.preprocess.sources.listing import list_folder

    decisions = {name.removeprefix("./"): label for name, label in decisions.items()}
    names = ["/".join(file.parts) for file in list_folder(folder).files]
    table = find_label_table(names, lambda name: (folder / name).read_bytes())
    if table is None:
        plan = _plan_moves(folder, decisions)
        return [(source, target or scratch / str(number)) for number, (source, target) in enumerate(plan)], len(plan)
    write, num_changed = change_table(folder / table.name, table, decisions)
    new_table, old_table = (scratch / f"{age}-{Path(table.name).name}" for age in ("new", "old"))
    write(new_table)
    return [(folder / table.name, old_table), (new_table, folder / table.name)], num_changed


def _plan_moves(folder: Path, decisions: Decisions) -> list[tuple[Path, Path | None]]:
    """(photo, where it goes) for each decision that changes something."""
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
            raise DataError(f"A decision must name a photo of {folder.name} by its path in it; {name!r} is none.")
        if label == place[0]:
            continue
        if label is None:
            moves.append((file.path, None))
            continue
        if label not in layout.class_names:
            raise DataError(
                f"A label must be one of the {len(layout.class_names)} classes of {folder.name}; for {name!r} it is "
                f"{label!r}{nearest(label, layout.class_names)}. For a new class make its folder first."
            )
        class_folder = layout.class_folder(file.parts, label)
        if class_folder is None:
            raise DataError(
                f"Photos can be relabelled in class folders and tables; the name of {name!r} says its class. Rename it."
            )
        class_dir = folder.joinpath(*class_folder)
        if class_dir not in taken_names:
            taken_names[class_dir] = {path.name.casefold() for path in class_dir.glob("*")}
        moves.append((file.path, class_dir / _pick_name(file.path, taken_names[class_dir])))
    if not moves:
        raise DataError("Decisions must change something; every photo stands under the label that is given.")
    return moves


def _pick_name(photo: Path, taken_names: set[str]) -> str:
    """The photo's own name, or one with a number if another file has it; names that leave the folder stay taken.

    So every target is free before the first move, in any order of moves, and an interrupted change can be undone.
    """
    names = itertools.chain([photo.name], (f"{photo.stem}-{number}{photo.suffix}" for number in itertools.count(2)))
    name = next(name for name in names if name.casefold() not in taken_names)
    taken_names.add(name.casefold())
    return name


def change_table(path: Path, table: LabelTable, decisions: Decisions) -> tuple[Callable[[Path], None], int]:
    """What writes the table with the decisions carried out, and how many photos it changes."""
    from components.preprocess.sources.readers.table import (
        find_columns,
        find_separator,
        read_frame,
        read_rows,
        write_frame,
    )

    frame, rows, separator = read_frame(path), read_rows(path), find_separator(path)
    column = find_columns([str(name) for name in frame.columns])["label"]
    values = {row.label: value for row, value in zip(rows, frame[column], strict=True) if row.label is not None}
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row.path is not None:
            places.setdefault(resolve_row_path(table.name, row.path), []).append(place)
    dropped_rows: list[int] = []
    new_values: dict[int, Any] = {}
    for name, label in decisions.items():
        if name not in places:
            raise DataError(
                f"A decision must name a photo by its path in the data; the table {path.name} has no row of {name!r}."
            )
        if label is None:
            dropped_rows += places[name]
        elif label not in values:
            raise DataError(
                f"A label must be one of the {len(values)} classes of {path.name}; for {name!r} it is "
                f"{label!r}{nearest(label, sorted(values))}."
            )
        else:
            new_values |= {place: values[label] for place in places[name] if rows[place].label != label}
    if not dropped_rows and not new_values:
        raise DataError("Decisions must change something; every photo stands under the label that is given.")
    labels = [new_values.get(place, value) for place, value in enumerate(frame[column])]
    frame[column] = type(frame[column])(labels, index=frame.index, dtype=frame[column].dtype)
    changed_frame = frame.drop(frame.index[dropped_rows])
    return lambda target: write_frame(changed_frame, target, separator), len(dropped_rows) + len(new_values)


def read_decisions(path: Path) -> dict[str, str | None]:
    """Photo to class from a CSV with the columns path and label; an empty label takes the photo out.

    Raises:
        DataError: it is no such table, or decides twice about one photo.
    """
    from components.preprocess.sources.readers.table import find_columns, read_frame

    frame = read_frame(path)
    column_names = find_columns([str(name) for name in frame.columns])
    if "path" not in column_names or "label" not in column_names:
        raise DataError(f"{path} must have the columns path and label; it has {', '.join(map(str, frame.columns))}.")
    decisions: dict[str, str | None] = {}
    for path_cell, label_cell in zip(frame[column_names["path"]], frame[column_names["label"]], strict=True):
        name, label = from_csv_cell(str(path_cell)), from_csv_cell(str(label_cell))
        if decisions.setdefault(name, label.strip() or None) != (label.strip() or None):
            raise DataError(f"Each photo must be decided once; {path} says two things of {name}.")
    return decisions
