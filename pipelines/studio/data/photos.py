"""The photos of the chosen data: what there is in each class, and single photos to look at."""

import io
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel

from components.contract.errors import DataError, ImageError
from components.contract.foreign.confinement import allowed_roots
from components.contract.image.decode import MAX_BYTES, decode
from components.preprocess.manifest import Record
from components.preprocess.sources.data_folder import DataFolder
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.sources.readers.table import is_table
from components.preprocess.sources.source import find_photos, name_of
from pipelines.studio.settings import StudioError
from pipelines.studio.workers import LOOK_SECONDS, Workers, held

SAMPLES: Final = 12
FRESH_SECONDS: Final = 5.0
"""For so long a list of files is believed without looking again."""
PATIENCE: Final = 4
"""What took long to list is believed for so many times as long."""
TINY: Final = 96


class ClassView(BaseModel):
    """A class of the data: how many photos, and some of them."""

    name: str
    num_photos: int
    samples: tuple[str, ...]


class DataView(BaseModel):
    """What the page shows of the chosen data.

    Attributes:
        editable: whether classes and photos can be added on the page.
        rejected: files and folders that count for nothing, as (path, why), the first ones.
        fault: why the data cannot be used as they are; None where they can.
    """

    name: str
    uri: str
    editable: bool
    classes: tuple[ClassView, ...] = ()
    num_photos: int = 0
    num_rejected: int = 0
    rejected: tuple[tuple[str, str], ...] = ()
    splits: tuple[str, ...] = ()
    fault: str | None = None


@dataclass
class _Listed:
    uri: str
    until: float
    files: dict[str, PhotoFile]
    view: DataView


class Album:
    """Lists the data that were asked for last, and decodes single photos."""

    def __init__(self, photos_dir: Path, workers: Workers):
        """Makes it.

        Args:
            photos_dir: data sets within it are the studio's own, and may be added to.
            workers: look at the data.
        """
        self._photos_dir = photos_dir.resolve()
        self._workers = workers
        self._listed: _Listed | None = None
        self._lock = threading.Lock()

    def view(self, uri: str) -> DataView:
        """What there is."""
        return self._list(uri).view

    def forget(self) -> None:
        """Looks again the next time."""
        self._listed = None

    def files(self, uri: str) -> dict[str, PhotoFile]:
        """All photos by their paths.

        Raises:
            StudioError: the data cannot be read.
        """
        listed = self._list(uri)
        if listed.view.fault and not listed.files:
            raise StudioError(listed.view.fault)
        return listed.files

    def bytes_of(self, uri: str, path: str) -> bytes:
        """A photo's file.

        Raises:
            StudioError: it is none of the data's photos, or cannot be read.
        """
        found = self._list(uri).files.get(path)
        if found is None:
            raise StudioError(f"There is no photo {path[:200]!r} in the data.", 404)
        try:
            with found.open() as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise StudioError(f"{path} must be readable; it is not: {error.strerror or error}.", 404) from None
        if len(content) > MAX_BYTES:
            raise StudioError(f"A photo may have at most {MAX_BYTES:,} bytes; {path} has more.", 413)
        return content

    def _list(self, uri: str) -> _Listed:
        with held(self._lock, "The data"):
            known = self._listed
            if known is not None and known.uri == uri and time.monotonic() < known.until:
                return known
            self._listed = self._read(uri)
            return self._listed

    def _read(self, uri: str) -> _Listed:
        started = time.monotonic()
        try:
            answer = self._workers.ask(
                "list_data", "The data", seconds=LOOK_SECONDS, uri=uri, photos_dir=str(self._photos_dir)
            ).value
            view = DataView.model_validate(answer["view"])
            found = (
                PhotoFile(Path(location), Record(**record), allowed_roots()) for location, record in answer["files"]
            )
            files = {file.record.path: file for file in found}
        except StudioError as error:
            view, files = DataView(name=name_of(uri), uri=uri, editable=False, fault=str(error)), {}
        now = time.monotonic()
        return _Listed(uri, now + max(FRESH_SECONDS, PATIENCE * (now - started)), files, view)


def read_data(uri: str, photos_dir: Path) -> tuple[DataView, dict[str, PhotoFile]]:
    """What the data hold: what the page shows, and all photos by their paths."""
    path = Path(uri)
    editable = path.is_relative_to(photos_dir) and path.is_dir()
    view = DataView(name=name_of(uri), uri=uri, editable=editable)
    files: dict[str, PhotoFile] = {}
    if not path.is_dir() and not is_table(path):
        return view, files
    try:
        opened = DataFolder(path.parent, label_file=path) if is_table(path) else DataFolder(path)
        found = find_photos(opened)
    except DataError as error:
        classes = _folders(path) if editable else ()
        count = sum(each.num_photos for each in classes)
        files = _plain_files(path) if editable else {}
        view = view.model_copy(update={"classes": classes, "num_photos": count, "fault": _why(classes, str(error))})
        return view, files
    files = {file.record.path: file for file in found.files}
    by_class: dict[str, list[str]] = defaultdict(list)
    for name, file in files.items():
        by_class[str(file.record.class_name)].append(name)
    classes = tuple(
        ClassView(name=name, num_photos=len(by_class[name]), samples=_spread(by_class[name]))
        for name in found.class_names
    )
    view = view.model_copy(
        update={
            "classes": classes,
            "num_photos": len(files),
            "num_rejected": len(found.rejected),
            "rejected": tuple((record.path, record.message or str(record.reason)) for record in found.rejected[:20]),
            "splits": tuple(sorted(found.given_splits)),
            "fault": _why(classes, None),
        }
    )
    return view, files


def _spread(paths: list[str]) -> tuple[str, ...]:
    return tuple(paths[:: max(1, len(paths) // SAMPLES)][:SAMPLES])


def _why(classes: tuple[ClassView, ...], error: str | None) -> str | None:
    """The first thing that keeps the data from being trained on."""
    if classes and len(classes) < 2:
        return "There must be at least two classes to tell apart; there is one so far."
    empty = [each.name for each in classes if not each.num_photos]
    if empty:
        return (
            f"Each class needs photos; {', '.join(empty)} {'has' if len(empty) == 1 else 'have'} none. Drop some "
            "there, or remove it."
        )
    return error


def _folders(folder: Path) -> tuple[ClassView, ...]:
    """The classes of a data set that is being made."""
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return tuple(
        ClassView(name=path.name, num_photos=len(names), samples=_spread([f"{path.name}/{name}" for name in names]))
        for path in inner
        for names in [sorted(file.name for file in path.iterdir() if not file.name.startswith("."))]
    )


def _plain_files(folder: Path) -> dict[str, PhotoFile]:
    return {
        f"{path.parent.name}/{path.name}": PhotoFile(
            path, Record(f"{path.parent.name}/{path.name}", path.parent.name), (folder,)
        )
        for path in folder.glob("*/*")
        if path.is_file() and not path.name.startswith(".")
    }


def thumbnail(data: bytes, side: int) -> tuple[bytes, str]:
    """A photo made small, and its media type; tiny pictures keep their pixels.

    Raises:
        StudioError: it is no usable photo; says why.
    """
    try:
        whole = decode(data, (side, side), "pad").full_pixels
    except ImageError as error:
        raise StudioError(str(error), 422) from None
    return encode(whole, side)


def encode(pixels: np.ndarray, side: int) -> tuple[bytes, str]:
    """Pixels as a file for the page.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        side: the longest that it may be; smaller ones stay as they are.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((side, side))
    file = io.BytesIO()
    kind = "png" if max(image.size) <= TINY else "jpeg"
    image.save(file, kind, **({} if kind == "png" else {"quality": 82}))
    return file.getvalue(), f"image/{kind}"
