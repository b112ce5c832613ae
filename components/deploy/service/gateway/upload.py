"""Reads the photos of a request, within limits; if the request is invalid, the error describes the problem."""

import asyncio
import io
from collections.abc import AsyncGenerator, Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from components.contract.validation_messages import faults
from components.deploy.service.protocol import FIELD, MAX_BODY_BYTES, MAX_FILES, Options

if TYPE_CHECKING:
    import numpy as np

Result = TypeVar("Result")

MAX_TEXT_BYTES = 64 * 2**10
"""The maximum size of a form field that is not a file."""
MAX_SHOWN = 40
"""The maximum number of characters that a message quotes from a name."""
BODY_SECONDS = 30.0
"""The maximum time to receive a body; a slower client would occupy a slot for too long."""
RAW_TYPE: Final = "application/octet-stream"
EXPECTED: Final = (
    f"multipart/form-data with one or more files in the field {FIELD!r}, or one photo with Content-Type "
    f"image/… or {RAW_TYPE}"
)


class RefusedUpload(Exception):  # noqa: N818 an answer to the client, not an internal error
    """A request that is rejected.

    Attributes:
        status: the HTTP status of the response.
        code: a code for the reason, such as `too_large`.
    """

    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class UploadRequest:
    """The content of a request.

    Attributes:
        photos: at least one photo, each as the content of a file, or as pixels at the size of the model's input: uint8
            (height, width, 3), RGB.
        options: the options in the query.
    """

    photos: "list[bytes | np.ndarray]"
    options: Options


async def read_request(request: Request) -> UploadRequest:
    """Reads the photos and the options of a request.

    Raises:
        RefusedUpload: an option is unknown or invalid, or `read_photos` rejects the body.
    """
    options = read_options(request.query_params)
    return UploadRequest([*await read_photos(request)], options)


def read_options(query: Mapping[str, str]) -> Options:
    """Parses the options in the query.

    Raises:
        RefusedUpload: an option is unknown or invalid.
    """
    if not query:
        return Options()
    try:
        return Options.model_validate(dict(query))
    except ValidationError as error:
        what = "; ".join(f"{where}: {text}" for where, text in faults(error, Options))
        raise RefusedUpload(
            400, "bad_option", f"The options of a request must look like ?top_k=3&threshold=0.8; found {what[:500]}."
        ) from None


async def read_photos(request: Request) -> list[bytes]:
    """Reads the files of the form field `files`, in order, or a single photo that is sent as the body.

    Raises:
        RefusedUpload: the body is neither such a form nor a photo, is too large, arrives too slowly, or contains no
            files.
    """
    # A body without a type may be anything (RFC 9110, 8.3); it is treated as a photo.
    kind = request.headers.get("content-type", RAW_TYPE).partition(";")[0].strip().lower() or RAW_TYPE
    _refuse_compressed(request)
    if "transfer-encoding" not in request.headers and request.headers.get("content-length", "0") == "0":
        raise RefusedUpload(400, "no_files", f"The body must be {EXPECTED}; it is missing.")
    if kind == "multipart/form-data":
        return await _receive_in_time(_read_form(request))
    if kind == RAW_TYPE or kind.startswith("image/"):
        return [await read_body(request)]
    raise RefusedUpload(415, "not_a_photo", f"The body must be {EXPECTED}; found {kind[:MAX_SHOWN]}.")


async def read_body(request: Request, max_bytes: int | None = None) -> bytes:
    """Reads the whole body of a request, at most `max_bytes`; the default is the limit for uploads, MAX_BODY_BYTES.

    Raises:
        RefusedUpload: the body is too large or incomplete, or arrives too slowly.
    """
    _refuse_compressed(request)
    return await _receive_in_time(_read_raw(request, max_bytes))


def _refuse_compressed(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise RefusedUpload(
            415,
            "encoded",
            f"The body must not be compressed; this one has the Content-Encoding {encoding[:MAX_SHOWN]}. "
            "Send it uncompressed.",
        )


async def _receive_in_time(reading: Awaitable[Result]) -> Result:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await reading
    except TimeoutError:
        raise RefusedUpload(
            408,
            "too_slow",
            f"The body must arrive within {BODY_SECONDS:.0f} s; it took longer. Send fewer photos in one request.",
        ) from None
    except ClientDisconnect:
        raise RefusedUpload(400, "disconnected", "The body must be complete; the client disconnected.") from None


class _Parser(MultiPartParser):
    spool_max_size = MAX_BODY_BYTES + 1
    """Keeps photos in memory: a container's disk may be read-only, and the number and size of photos are limited."""


async def _read_form(request: Request) -> list[bytes]:
    parser = _Parser(
        request.headers,
        _stream_limited(request),
        max_files=MAX_FILES,
        max_fields=MAX_FILES,
        max_part_size=MAX_TEXT_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RefusedUpload(
            400,
            "bad_form",
            f"The form must contain at most {MAX_FILES} files and be well formed; found: {error.message}",
        ) from None
    try:
        return await _read_files(form.multi_items())
    finally:
        await form.close()


async def _read_raw(request: Request, max_bytes: int | None) -> bytes:
    body = io.BytesIO()
    async for chunk in _stream_limited(request, max_bytes):
        body.write(chunk)
    return body.getvalue()  # shares the memory of `body`; joining a list of chunks would copy them


async def _stream_limited(request: Request, max_bytes: int | None = None) -> AsyncGenerator[bytes, None]:
    is_upload = max_bytes is None
    max_bytes = MAX_BODY_BYTES if max_bytes is None else max_bytes
    length_header = request.headers.get("content-length", "0")
    num_bytes = int(length_header) if length_header.isdecimal() else 0
    if num_bytes <= max_bytes:
        num_bytes = 0
        async for chunk in request.stream():
            num_bytes += len(chunk)
            if num_bytes > max_bytes:
                break
            yield chunk
    if num_bytes > max_bytes:
        limit_text = f"{max_bytes // 2**20} MiB" if is_upload else f"{max_bytes:,} bytes"
        advice = " Send the photos in several requests." if is_upload else ""
        raise RefusedUpload(413, "too_large", f"The body must have at most {limit_text}; it is larger.{advice}")


async def _read_files(items: list[tuple[str, UploadFile | str]]) -> list[bytes]:
    values = [value for name, value in items if name == FIELD]
    if not values:
        names_text = ", ".join(sorted({repr(name[:MAX_SHOWN]) for name, _ in items})[:MAX_SHOWN]) or "an empty form"
        raise RefusedUpload(
            400, "no_files", f"The form must contain one or more files in the field {FIELD!r}; found {names_text}."
        )
    photos = []
    for value in values:
        if isinstance(value, str):
            raise RefusedUpload(
                400,
                "not_a_file",
                f"The field {FIELD!r} must contain files; found text. Addresses and paths are not "
                "fetched: send the photo itself.",
            )
        photos.append(await value.read())
        await value.close()  # otherwise all photos would be in memory twice
    return photos
