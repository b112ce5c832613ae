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
from components.contract.image import decode
from components.preprocess.source import FoundFile, Opened, find_photos, name_of
from components.preprocess.table import is_table
from pipelines.studio.settings import MAX_PHOTO_BYTES, StudioError

SAMPLES: Final = 12
FRESH_SECONDS: Final = 5.0
"""For so long a list of files is believed without looking again."""
DECODERS: Final = threading.Semaphore(3)
"""Large photos take memory while they are decoded."""
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
    at: float
    files: dict[str, FoundFile]
    view: DataView


class Album:
    """Lists the data that were asked for last, and decodes single photos."""

    def __init__(self, photos_dir: Path):
        """Makes it.

        Args:
            photos_dir: data sets within it are the studio's own, and may be added to.
        """
        self._photos_dir = photos_dir.resolve()
        self._listed: _Listed | None = None
        self._lock = threading.Lock()

    def view(self, uri: str) -> DataView:
        """What there is."""
        return self._list(uri).view

    def forget(self) -> None:
        """Looks again the next time."""
        self._listed = None

    def files(self, uri: str) -> dict[str, FoundFile]:
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
                return file.read(MAX_PHOTO_BYTES)
        except OSError as error:
            raise StudioError(f"{path} must be readable; it is not: {error.strerror or error}.", 404) from None

    def _list(self, uri: str) -> _Listed:
        with self._lock:
            known = self._listed
            if known is not None and known.uri == uri and time.monotonic() - known.at < FRESH_SECONDS:
                return known
            self._listed = self._read(uri)
            return self._listed

    def _read(self, uri: str) -> _Listed:
        path = Path(uri)
        editable = path.is_relative_to(self._photos_dir) and path.is_dir()
        view = DataView(name=name_of(uri), uri=uri, editable=editable)
        files: dict[str, FoundFile] = {}
        if not path.is_dir() and not is_table(path):
            return _Listed(uri, time.monotonic(), files, view)
        try:
            opened = Opened(path.parent, table=path) if is_table(path) else Opened(path)
            found = find_photos(opened)
        except DataError as error:
            classes = _folders(path) if editable else ()
            count = sum(each.num_photos for each in classes)
            files = _plain_files(path) if editable else {}
            view = view.model_copy(update={"classes": classes, "num_photos": count, "fault": _why(classes, str(error))})
            return _Listed(uri, time.monotonic(), files, view)
        files = {file.record.path: file for file in found.files}
        by_class: dict[str, list[str]] = defaultdict(list)
        for name, file in files.items():
            by_class[str(file.record.class_name)].append(name)
        classes = tuple(
            ClassView(name=name, num_photos=len(by_class[name]), samples=_spread(by_class[name]))
            for name in found.class_names
        )
        view = view.model_copy(update={
            "classes": classes, "num_photos": len(files), "num_rejected": len(found.rejected),
            "rejected": tuple((record.path, record.message or str(record.reason)) for record in found.rejected[:20]),
            "splits": tuple(sorted(found.given_splits)), "fault": _why(classes, None),
        })  # fmt: skip
        return _Listed(uri, time.monotonic(), files, view)


def _spread(paths: list[str]) -> tuple[str, ...]:
    return tuple(paths[:: max(1, len(paths) // SAMPLES)][:SAMPLES])


def _why(classes: tuple[ClassView, ...], error: str | None) -> str | None:
    """The first thing that keeps the data from being trained on."""
    if classes and len(classes) < 2:
        return "There must be at least two classes to tell apart; there is one so far."
    empty = [each.name for each in classes if not each.num_photos]
    if empty:
        return (f"Each class needs photos; {', '.join(empty)} {'has' if len(empty) == 1 else 'have'} none. Drop some "
                "there, or remove it.")  # fmt: skip
    return error


def _folders(folder: Path) -> tuple[ClassView, ...]:
    """The classes of a data set that is being made."""
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return tuple(
        ClassView(name=path.name, num_photos=len(names), samples=_spread([f"{path.name}/{name}" for name in names]))
        for path in inner
        for names in [sorted(file.name for file in path.iterdir() if not file.name.startswith("."))]
    )


def _plain_files(folder: Path) -> dict[str, FoundFile]:
    from components.preprocess.manifest import Record

    return {
        f"{path.parent.name}/{path.name}": FoundFile(
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
        with DECODERS:
            whole = decode(data, (side, side), "pad").whole
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
