"""Receives uploads up to a maximum size: writes them to disk, completely or not at all, or reads them into memory."""

import contextlib
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from anyio import to_thread

from pipelines.studio.settings import SPARE_BYTES, StudioError


async def read_body(chunks: AsyncIterator[bytes], max_bytes: int, refusal: str) -> bytes:
    """Reads the body of a request into memory.

    Args:
        chunks: the parts of the content, in order.
        max_bytes: the maximum size.
        refusal: the error message if the body is larger.

    Raises:
        StudioError: the body is too large.
    """
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > max_bytes:
            raise StudioError(refusal, 413)
    return bytes(content)


async def receive(
    chunks: AsyncIterator[bytes], target: Path, *, max_bytes: int, content_length: int | None, subject: str
) -> Path:
    """Writes an upload to a file; leaves nothing behind after an error or if the browser disconnects.

    Args:
        chunks: the parts of the content, in order.
        target: the path of the file; if the path is taken, a number is added to the name.
        max_bytes: the maximum size.
        content_length: the size that the browser announced; None if it did not.
        subject: what messages call the upload, such as "A photo".

    Raises:
        StudioError: the upload is too large or empty, or the disk is full.
    """
    _require_room(target, min(content_length or 0, max_bytes), subject)
    if content_length is not None and content_length > max_bytes:
        raise _too_large(subject, max_bytes)
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    num_bytes = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as file:
            async for chunk in chunks:
                num_bytes += len(chunk)
                if num_bytes > max_bytes:
                    raise _too_large(subject, max_bytes)
                if len(chunk) < 2**16:
                    file.write(chunk)
                else:
                    await to_thread.run_sync(file.write, chunk)
        if not num_bytes:
            raise StudioError(f"{subject} must not be empty; {target.name} has 0 bytes.")
        place = free_name(target)
        partial.replace(place)
    except OSError as error:
        raise StudioError(
            f"{subject} cannot be written to {target.parent}: {error.strerror or error}. Free some disk space, "
            "and send it again.",
            507,
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    return place


def free_name(target: Path) -> Path:
    """Returns the path; if it is taken, adds a number to the file name."""
    if not target.exists():
        return target
    numbered = (target.with_name(f"{target.stem}-{number}{target.suffix}") for number in range(2, 10**6))
    return next(path for path in numbered if not path.exists())


def _require_room(target: Path, num_bytes: int, subject: str) -> None:
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < num_bytes + SPARE_BYTES:
        raise StudioError(
            f"{subject} needs {(num_bytes + SPARE_BYTES) / 1e6:,.0f} MB of disk space, including a "
            f"reserve; {folder} has {free / 1e6:,.0f} MB free. Remove old runs: darkroom clean",
            507,
        )


def _too_large(subject: str, max_bytes: int) -> StudioError:
    return StudioError(
        f"{subject} may have at most {max_bytes / 1e6:,.0f} MB; this one has more. Copy it to the "
        "studio's machine, and choose it there.",
        413,
    )
