"""Reads the photos out of a request, within limits, and says what was wrong with one that has none."""

from collections.abc import AsyncGenerator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from components.deploy.protocol import FIELD, MAX_BODY_BYTES, MAX_FILES

MAX_TEXT_BYTES = 64 * 2**10
"""Of a form field that is no file."""
MAX_SHOWN = 40
"""Names of fields, and characters of one, that a message repeats."""


class RefusedUpload(Exception):  # noqa: N818 it is an answer, not a fault of ours
    """A request that holds no photos to look at.

    Attributes:
        status: the HTTP status to answer with.
        code: the reason in one word.
    """

    def __init__(self, status: int, code: str, message: str):
        super().__init__(message)
        self.status = status
        self.code = code


async def read_photos(request: Request) -> list[bytes]:
    """The files of the form field `files`, in their order.

    Raises:
        RefusedUpload: the request is no multipart form, is too large, or has no such files.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise RefusedUpload(415, "not_multipart", f"The body must be multipart/form-data with one file or more in the "
                            f"field {FIELD!r}; found {kind or 'no Content-Type'}.")  # fmt: skip
    parser = MultiPartParser(request.headers, _limited(request), max_files=MAX_FILES, max_fields=MAX_FILES,
                             max_part_size=MAX_TEXT_BYTES)  # fmt: skip
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise RefusedUpload(400, "bad_form", f"The form must hold at most {MAX_FILES} files and be well formed; "
                            f"found: {error.message}") from None  # fmt: skip
    try:
        return await _files(form.multi_items())
    finally:
        await form.close()


async def _limited(request: Request) -> AsyncGenerator[bytes, None]:
    announced = request.headers.get("content-length", "0")
    received = int(announced) if announced.isdecimal() else 0
    if received <= MAX_BODY_BYTES:
        received = 0
        async for chunk in request.stream():
            received += len(chunk)
            if received > MAX_BODY_BYTES:
                break
            yield chunk
    if received > MAX_BODY_BYTES:
        raise RefusedUpload(413, "too_large", f"The body must measure at most {MAX_BODY_BYTES // 2**20} MiB; this one "
                            "is larger. Send the photos in several requests.")  # fmt: skip


async def _files(items: list[tuple[str, UploadFile | str]]) -> list[bytes]:
    wanted = [value for name, value in items if name == FIELD]
    if not wanted:
        found = ", ".join(sorted({repr(name[:MAX_SHOWN]) for name, _ in items})[:MAX_SHOWN]) or "an empty form"
        raise RefusedUpload(400, "no_files", f"The form must hold one file or more in the field {FIELD!r}; "
                            f"found {found}.")  # fmt: skip
    photos = []
    for value in wanted:
        if isinstance(value, str):
            raise RefusedUpload(400, "not_a_file", f"The field {FIELD!r} must hold files; found text. Addresses and "
                                "paths are not fetched: send the photo itself.")  # fmt: skip
        photos.append(await value.read())
    return photos
