"""Reads the chosen data: the photos of each class, and single photos for display."""

import io
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from components.contract.artifacts.dataset import PixelRange
from components.contract.errors import DataError, ImageError
from components.contract.foreign.confinement import allowed_roots
from components.contract.image.decode import MAX_BYTES, decode, measure_depth
from components.contract.image.sample_depth import settle_range
from components.contract.params.data import ColumnNames
from components.contract.record import BaseRecord
from components.preprocess.manifest import Record
from components.preprocess.sources.photo_set import PhotoFile, describe_reading
from components.preprocess.sources.readers.label_files import is_label_file
from components.preprocess.sources.source import data_folder_at, find_photos, name_of
from pipelines.studio.settings import StudioError
from pipelines.studio.workers import LOOK_SECONDS, Workers, hold_lock

SAMPLES: Final = 12
FRESH_SECONDS: Final = 5.0
"""The minimum time for which a list of files is reused before the folder is read again."""
PATIENCE: Final = 4
"""A list that took long to read is reused for at least this multiple of its reading time."""
NO_CLASSES: Final = "Add at least two classes, and photos to each."
TINY: Final = 96


class ClassView(BaseRecord):
    """A class of the data, with some of its photos."""

    name: str
    num_photos: int
    samples: tuple[str, ...]


class DataView(BaseRecord):
    """The facts about the chosen data that the page shows.

    Attributes:
        editable: whether classes and photos can be added on the page.
        rejected: (path, reason) for the first of the ignored files and folders.
        notices: how the data was read, if that is not obvious.
        has_table: whether the data contains a file that may be a label file.
        columns: the columns that the user assigned for this label file, by role.
        fault: why the data cannot be used for training; None if it can.
    """

    name: str
    uri: str
    editable: bool
    classes: tuple[ClassView, ...] = ()
    num_photos: int = 0
    num_rejected: int = 0
    rejected: tuple[tuple[str, str], ...] = ()
    splits: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    has_table: bool = False
    columns: dict[str, str | int] = Field(default_factory=dict)
    fault: str | None = None


@dataclass
class _Listing:
    key: tuple[str, str]
    until: float
    files: dict[str, PhotoFile]
    view: DataView


class Album:
    """Lists the photos of the data, and reads single photos; keeps the most recent list for a while."""

    def __init__(self, photos_dir: Path, workers: Workers, read_columns: Callable[[], object]):
        """Creates the album.

        Args:
            photos_dir: the folder that contains the studio's own data sets, to which photos can be added.
            workers: the processes that read the data.
            read_columns: returns `data.columns` of the draft.
        """
        self._read_columns = read_columns
        self._photos_dir = photos_dir.resolve()
        self._workers = workers
        self._listing: _Listing | None = None
        self._lock = threading.Lock()

    def view(self, uri: str) -> DataView:
        """Returns the facts about the data that the page shows."""
        return self._list(uri).view

    def forget(self) -> None:
        """Forgets the list of files, so that the data is read again."""
        self._listing = None

    def files(self, uri: str) -> dict[str, PhotoFile]:
        """Returns all photos, by path.

        Raises:
            StudioError: the data cannot be read.
        """
        listing = self._list(uri)
        if listing.view.fault and not listing.files:
            raise StudioError(listing.view.fault)
        return listing.files

    def bytes_of(self, uri: str, path: str) -> bytes:
        """Returns the content of a photo's file.

        Raises:
            StudioError: the data has no such photo, or the photo cannot be read or is too large.
        """
        photo = self._list(uri).files.get(path)
        if photo is None:
            raise StudioError(f"There is no photo {path[:200]!r} in the data.", 404)
        try:
            with photo.open() as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise StudioError(f"{path} cannot be read: {error.strerror or error}.", 404) from None
        if len(content) > MAX_BYTES:
            raise StudioError(f"A photo may have at most {MAX_BYTES:,} bytes; {path} has more.", 413)
        return content

    def _list(self, uri: str) -> _Listing:
        with hold_lock(self._lock, "The data"):
            listing, columns = self._listing, json.dumps(self._read_columns())
            if listing is not None and listing.key == (uri, columns) and time.monotonic() < listing.until:
                return listing
            self._listing = self._read(uri, columns)
            return self._listing

    def _read(self, uri: str, columns: str) -> _Listing:
        start_time = time.monotonic()
        try:
            answer = self._workers.ask(
                "list_data",
                "The data",
                seconds=LOOK_SECONDS,
                uri=uri,
                photos_dir=str(self._photos_dir),
                columns=columns,
            ).value
            view = DataView.model_validate(answer["view"])
            photo_files = (
                PhotoFile(Path(location), Record(**record), allowed_roots()) for location, record in answer["files"]
            )
            files = {file.record.path: file for file in photo_files}
        except StudioError as error:
            view, files = DataView(name=name_of(uri), uri=uri, editable=False, fault=str(error)), {}
        end_time = time.monotonic()
        return _Listing((uri, columns), end_time + max(FRESH_SECONDS, PATIENCE * (end_time - start_time)), files, view)


def read_data(uri: str, photos_dir: Path, columns: ColumnNames) -> tuple[DataView, dict[str, PhotoFile]]:
    """Reads a data set: returns the facts for the page, and all photos by path."""
    path = Path(uri)
    editable = path.is_relative_to(photos_dir) and path.is_dir()
    view = DataView(name=name_of(uri), uri=uri, editable=editable, columns=columns.model_dump(exclude_none=True))
    files: dict[str, PhotoFile] = {}
    if not path.is_dir() and not is_label_file(path):
        return view, files
    try:
        source = data_folder_at(path, uri, columns)
        has_table = path.is_file() or any(is_label_file(Path(file.parts[-1])) for file in source.listing.files)
        view = view.model_copy(update={"has_table": has_table})
        listing = find_photos(source)
    except DataError as error:
        classes = _list_class_folders(path) if editable else ()
        count = sum(class_view.num_photos for class_view in classes)
        fault = NO_CLASSES if editable and not classes else _find_fault(classes, str(error))
        files = _list_files(path) if editable else {}
        view = view.model_copy(update={"classes": classes, "num_photos": count, "fault": fault})
        return view, files
    files = {file.record.path: file for file in listing.files}
    by_class: dict[str, list[str]] = defaultdict(list)
    for name, file in files.items():
        by_class[str(file.record.class_name)].append(name)
    classes = tuple(
        ClassView(name=name, num_photos=len(by_class[name]), samples=_pick_samples(by_class[name]))
        for name in listing.class_names
    )
    view = view.model_copy(
        update={
            "classes": classes,
            "num_photos": len(files),
            "num_rejected": len(listing.rejected),
            "rejected": tuple((record.path, record.message or str(record.reason)) for record in listing.rejected[:20]),
            "splits": tuple(sorted(listing.given_splits)),
            "notices": tuple(describe_reading(listing)),
            "fault": _find_fault(classes, None),
        }
    )
    return view, files


def _pick_samples(paths: list[str]) -> tuple[str, ...]:
    return tuple(paths[:: max(1, len(paths) // SAMPLES)][:SAMPLES])


def _find_fault(classes: tuple[ClassView, ...], error: str | None) -> str | None:
    """Returns the first reason why the data cannot be used for training."""
    if classes and len(classes) < 2:
        return "At least two classes are needed; there is only one so far."
    empty = [class_view.name for class_view in classes if not class_view.num_photos]
    if empty:
        return (
            f"Each class needs photos; {', '.join(empty)} {'has' if len(empty) == 1 else 'have'} none. Add "
            "some, or remove empty classes."
        )
    return error


def _list_class_folders(folder: Path) -> tuple[ClassView, ...]:
    """Lists the classes of an unfinished data set."""
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return tuple(
        ClassView(
            name=path.name, num_photos=len(names), samples=_pick_samples([f"{path.name}/{name}" for name in names])
        )
        for path in inner
        for names in [sorted(file.name for file in path.iterdir() if not file.name.startswith("."))]
    )


def _list_files(folder: Path) -> dict[str, PhotoFile]:
    return {
        f"{path.parent.name}/{path.name}": PhotoFile(
            path, Record(f"{path.parent.name}/{path.name}", path.parent.name), (folder,)
        )
        for path in folder.glob("*/*")
        if path.is_file() and not path.name.startswith(".")
    }


def render_thumbnail(data: bytes, side: int) -> tuple[bytes, str]:
    """Returns a scaled-down photo and its media type; smaller photos keep their size.

    Raises:
        StudioError: the file is not a usable photo; the message contains the reason.
    """
    try:
        pixels = decode(data, (side, side), "pad", range_for(data)).full_pixels
    except ImageError as error:
        raise StudioError(str(error), 422) from None
    return encode(pixels, side)


def range_for(data: bytes) -> PixelRange:
    """The pixel range for displaying a single photo before the pixel range of its data set is known.

    Raises:
        ImageError: the file is not a usable photo.
    """
    depth = measure_depth(data)
    return settle_range([depth] if depth is not None else [])


def encode(pixels: np.ndarray, side: int) -> tuple[bytes, str]:
    """Encodes pixels as a picture for the page; returns the content and the media type.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        side: the maximum length of a side; smaller photos keep their size.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    file = io.BytesIO()
    kind = "png" if max(image.size) <= TINY else "jpeg"
    image.save(file, kind, **({} if kind == "png" else {"quality": 82}))
    return file.getvalue(), f"image/{kind}"
