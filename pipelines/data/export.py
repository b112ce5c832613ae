"""Writes a data set for other programs: its photos, and a label file in a format that these programs read."""

import contextlib
import csv
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from components.contract.artifacts.dataset import SplitName
from components.contract.errors import ArtifactError, DataError, ImageError
from components.contract.foreign.confinement import UnsafeNameError, within
from components.contract.image.decode import read_size
from components.contract.params.data import ColumnNames
from components.contract.system.atomic_files import new_folder
from components.contract.text import csv_cell, json_text
from pipelines.data.label_studio import make_choice, make_task, write_project

if TYPE_CHECKING:
    from components.preprocess.manifest import Record
    from components.preprocess.sources.photo_set import PhotoFile


@dataclass(frozen=True)
class ExportedPhoto:
    """A photo of the export.

    Attributes:
        name: the path of its file, relative to the export's folder or, if only labels are exported, to the data.
        label: its class.
        split: None if the data has no splits.
        group: None if the data has no groups.
        size: (height, width) in pixels; zeros if the size cannot be read from the file.
    """

    name: str
    label: str
    split: SplitName | None
    group: str | None
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Export:
    """The result of an export.

    Attributes:
        folder: the folder of the export.
        label_files: the names of the label files in the folder.
        num_photos: the number of photos in the label files.
        num_left_out: the number of files and rows left out because they have no label or photo, or cannot be read.
    """

    folder: str
    label_files: tuple[str, ...]
    num_photos: int
    num_left_out: int


def export_data(uri: str, columns: ColumnNames, format_name: str, target: Path, *, labels_only: bool = False) -> Export:
    """Writes the photos of a data set and their labels into a new folder.

    Args:
        uri: the address of the data, as for `darkroom run --data`.
        columns: the names of the label file's columns, if the user has set them.
        format_name: one of FORMATS.
        target: the new folder, which is created completely or not at all.
        labels_only: whether to write only the label files, without copies of the photos; the names of the photos are
            then relative to the data.

    Raises:
        DataError: the data cannot be read.
        ArtifactError: the target exists or cannot be written.
    """
    from components.preprocess.sources.remote.remote_folder import fetch_photos
    from components.preprocess.sources.source import find_photos, open_data

    if target.exists():
        raise ArtifactError(f"The output folder {target} already exists. Choose another one.")
    with tempfile.TemporaryDirectory(prefix="darkroom-") as scratch, open_data(uri, Path(scratch), columns) as source:
        photo_set = find_photos(source)
        if not labels_only:
            fetch_photos(photo_set.files)
        has_splits = format_name == IMAGE_FOLDER and bool(photo_set.given_splits) and not labels_only
        with new_folder(target) as folder:
            photos = []
            for number, photo in enumerate(photo_set.files):
                name = photo.record.path if labels_only else _name(folder, photo.record, number, has_splits)
                with contextlib.suppress(OSError):  # photos that cannot be read are not exported
                    size = _read_size(photo)
                    if not labels_only:
                        _copy(photo, folder / name)
                    record = photo.record
                    photos.append(ExportedPhoto(name, str(record.class_name), record.split, record.group, size))
            if not photos:
                raise DataError(f"There is nothing to export: none of the photos in {uri} can be read.")
            label_files = FORMATS[format_name](folder, photos)
    num_left_out = len(photo_set.rejected) + len(photo_set.files) - len(photos)
    return Export(str(target), tuple(label_files), len(photos), num_left_out)


def _name(folder: Path, record: "Record", number: int, has_splits: bool) -> str:
    """The name of a photo in the export: its path in the data, below the folder of its split if splits have folders."""
    from components.contract.artifacts.dataset import SPLIT_FOLDERS

    name = record.path
    try:
        within(folder, name)
    except UnsafeNameError:  # a table can refer to photos anywhere on this machine
        name = f"{number:06d}-{Path(name).name}"
    split = record.split or "train"
    if has_splits and SPLIT_FOLDERS.get(name.split("/")[0].casefold()) != split:
        return f"{split}/{name}"
    return name


def _read_size(photo: "PhotoFile") -> tuple[int, int]:
    with photo.open() as file:
        try:
            return read_size(file)
        except ImageError:
            return 0, 0


def _copy(photo: "PhotoFile", target: Path) -> None:
    """Copies a photo, unless it has already been copied for an earlier row."""
    if target.exists():
        return
    with photo.open() as file:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as copy:
            shutil.copyfileobj(file, copy)


def _write_csv(folder: Path, photos: Sequence[ExportedPhoto]) -> list[str]:
    """Writes a table with the columns path, label, split and, if there are groups, group."""
    has_groups = any(photo.group for photo in photos)
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split", *(("group",) if has_groups else ())))
        for photo in photos:
            cells = (photo.name, photo.label, photo.split or "", *((photo.group or "",) if has_groups else ()))
            writer.writerow(map(csv_cell, cells))
    return ["labels.csv"]


def _write_image_folder(folder: Path, photos: Sequence[ExportedPhoto]) -> list[str]:
    """Writes Hugging Face's `metadata.jsonl`: one file or, if the splits have folders, one file in each of them."""
    has_folders = (folder / photos[0].name).exists() and any(photo.split for photo in photos)
    lines: dict[str, list[str]] = defaultdict(list)
    for photo in photos:
        place, _, name = photo.name.partition("/") if has_folders else ("", "", photo.name)
        facts = {"file_name": name, "label": photo.label, "group": photo.group}
        if not has_folders:
            facts["split"] = photo.split
        lines[place].append(json_text({key: value for key, value in facts.items() if value is not None}))
    for place, records in lines.items():
        (folder / place / "metadata.jsonl").write_text("\n".join(records) + "\n", encoding="utf-8")
    return sorted(f"{place}/metadata.jsonl".lstrip("/") for place in lines)


def _write_label_studio(folder: Path, photos: Sequence[ExportedPhoto]) -> list[str]:
    """Writes tasks to import into a Label Studio project, with the labels as annotations, and a labeling interface."""
    tasks = [
        make_task(photo.name, {"split": photo.split, "group": photo.group})
        | {"annotations": [{"result": [make_choice(photo.label)]}]}
        for photo in photos
    ]
    return write_project(folder, tasks, _class_names(photos))


def _write_coco(folder: Path, photos: Sequence[ExportedPhoto]) -> list[str]:
    """Writes one file for each split; each annotation assigns a category to a whole photo."""
    categories = [{"id": number, "name": name} for number, name in enumerate(_class_names(photos), start=1)]
    ids = {category["name"]: category["id"] for category in categories}
    by_split: dict[str, list[ExportedPhoto]] = defaultdict(list)
    for photo in photos:
        by_split[f"labels_{photo.split}.json" if photo.split else "labels.json"].append(photo)
    for file_name, members in by_split.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, photo in enumerate(members, start=1):
            height, width = photo.size
            images.append({"id": number, "file_name": photo.name, "height": height, "width": width})
            box = {"bbox": [0, 0, width, height], "area": width * height, "iscrowd": 0}
            annotations.append({"id": number, "image_id": number, "category_id": ids[photo.label], **box})
        tree = {"images": images, "annotations": annotations, "categories": categories}
        (folder / file_name).write_text(json_text(tree), encoding="utf-8")
    return sorted(by_split)


def _class_names(photos: Iterable[ExportedPhoto]) -> list[str]:
    return sorted({photo.label for photo in photos})


IMAGE_FOLDER: Final = "imagefolder"
FORMATS: Final[Mapping[str, Callable[[Path, Sequence[ExportedPhoto]], list[str]]]] = {
    "csv": _write_csv,
    IMAGE_FOLDER: _write_image_folder,
    "label-studio": _write_label_studio,
    "coco": _write_coco,
}
"""For each format, the function that writes its label files and returns their names."""
