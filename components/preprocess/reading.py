"""Reads one file: computes its hash, decodes and measures it, and stores its pixels in the cache."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from components.contract.errors import DataError, ImageError
from components.contract.image.decode import MAX_BYTES, decode, measure_depth
from components.contract.image.decoding_cost import DecodeCost, accept_any
from components.contract.image.resize import Resize
from components.contract.image.sample_depth import Depth
from components.preprocess.image_statistics import measure
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.store.cache_index import Verdict, identity
from components.preprocess.store.pixel_cache import PixelStore


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading one file.

    Attributes:
        identity: the identity of the file when it was read; None if it is unreliable.
        sha256: the hash of the content; None if the file could not be read.
        verdict: the facts about the content; None if the file could not be read, or if it is a photo with more than
            8 bits per value and the pixel range of the data set is not yet known.
        fault: why the file could not be read, as (reason, message); None if it was read.
        depth: the depth of a photo with more than 8 bits per value; None for other files.
        is_new: whether this result is not in the cache yet.
    """

    identity: str | None
    sha256: str | None = None
    verdict: Verdict | None = None
    fault: tuple[str, str] | None = None
    depth: Depth | None = None
    is_new: bool = True


class _DeepPhotoError(Exception):
    """The photo has more than 8 bits per value."""


def _refuse_deep(cost: DecodeCost) -> None:
    if cost.is_deep:
        raise _DeepPhotoError


def read_photo(file: PhotoFile, image_size: tuple[int, int], resize: Resize, store: PixelStore) -> Reading:
    """Reads one file and, if it is a photo that is not in the cache, stores its pixels.

    For a photo with more than 8 bits per value, only the depth is measured.
    """
    try:
        data, file_identity = _read(file)
    except OSError as error:
        return Reading(None, fault=("unreadable", f"The file cannot be read: {error.strerror or error}."))
    except ImageError as error:
        return Reading(None, fault=(error.code, str(error)))
    sha256 = hashlib.sha256(data).hexdigest()
    cached_verdict = store.find_content(sha256)
    if cached_verdict is not None:
        return Reading(file_identity, sha256, cached_verdict, is_new=False)
    try:
        verdict = _judge(data, sha256, image_size, resize, store, admit=_refuse_deep)
    except _DeepPhotoError:
        with contextlib.suppress(ImageError):  # if the photo is damaged, `_judge` below returns the reason
            return Reading(file_identity, sha256, depth=store.find_depth(sha256) or measure_depth(data))
        verdict = _judge(data, sha256, image_size, resize, store)
    return Reading(file_identity, sha256, verdict)


def scale_photo(
    file: PhotoFile, reading: Reading, image_size: tuple[int, int], resize: Resize, store: PixelStore
) -> Reading:
    """Reads a photo with more than 8 bits per value again, and stores its pixels, scaled to the store's range."""
    sha256 = str(reading.sha256)
    cached_verdict = store.find_content(sha256, is_deep=True)
    if cached_verdict is not None:
        return replace(reading, verdict=cached_verdict, is_new=False)
    try:
        data, _ = _read(file)
    except (OSError, ImageError):
        data = b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DataError(f"The data must not change while it is read; {file.location} has changed. Run again.")
    return replace(reading, verdict=_judge(data, sha256, image_size, resize, store, is_deep=True), is_new=True)


def _judge(
    data: bytes,
    sha256: str,
    image_size: tuple[int, int],
    resize: Resize,
    store: PixelStore,
    *,
    is_deep: bool = False,
    admit: Callable[[DecodeCost], None] = accept_any,
) -> Verdict:
    """Decodes and measures the content of a file and, if it is a photo, stores its pixels."""
    no_measures = (None,) * 9
    try:
        photo = decode(data, image_size, resize, store.pixel_range, admit=admit)
    except ImageError as error:
        return Verdict(sha256, (error.code, str(error), len(data), *no_measures), None, is_deep)
    measures = measure(photo, resize)
    values = (
        None,
        None,
        len(data),
        *photo.native_size,
        photo.mode,
        photo.format,
        measures.brightness,
        measures.sharpness,
        measures.chroma,
        measures.pixel_hash,
        measures.sketch.tobytes(),
    )
    return Verdict(sha256, values, store.add(photo.pixels), is_deep)


def _read(file: PhotoFile) -> tuple[bytes, str | None]:
    """The content and identity of a regular file; other files are rejected, since a table may refer to a device."""
    with file.open() as stream:
        status = os.fstat(stream.fileno())
        if status.st_size > MAX_BYTES:
            raise ImageError("too_large", f"A photo may have at most {MAX_BYTES:,} bytes; this file has more.")
        identity_before = identity(status)
        data = stream.read(status.st_size)
        is_unchanged = identity(os.fstat(stream.fileno())) == identity_before
    if file.remote is not None:
        return data, file.remote.fetched_identity
    return data, identity_before if is_unchanged else None
