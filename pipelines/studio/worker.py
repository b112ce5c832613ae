"""A worker process of the studio: executes tasks from standard input until standard input is closed.

Workers read untrusted files. If a worker crashes, the server continues. The argument is the memory limit in bytes.
"""

import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from components.contract.errors import DarkroomError
from components.contract.foreign.bounded import limit_memory
from components.contract.system.address import remember, remembered_addresses
from pipelines.studio.settings import StudioError
from pipelines.studio.workers import read_frame, write_frame

Result = tuple[Any, bytes]


def list_data(_: bytes, uri: str, photos_dir: str, columns: str) -> Result:
    """Lists a data set: returns the facts for the page, and the location and the record of each photo."""
    from components.contract.params.data import ColumnNames
    from components.contract.params.pipeline import parse_section
    from pipelines.studio.data.photos import read_data

    view, files = read_data(uri, Path(photos_dir), parse_section(ColumnNames, columns))
    return {
        "view": view.model_dump(mode="json"),
        "files": [[str(file.location), asdict(file.record)] for file in files.values()],
    }, b""


def make_thumbnail(content: bytes, side: int) -> Result:
    """Returns a scaled-down photo and its media type."""
    from pipelines.studio.data.photos import render_thumbnail

    picture, kind = render_thumbnail(content, side)
    return kind, picture


def decode_photo(content: bytes, size: tuple[int, int], resize: Any, pixel_range: list[int] | None) -> Result:
    """Returns the pixels of a photo and its native size."""
    from components.contract.errors import ImageError
    from components.contract.image.decode import decode
    from pipelines.studio.data.photos import range_for

    try:
        given_range = (pixel_range[0], pixel_range[1]) if pixel_range else None
        photo = decode(content, (size[0], size[1]), resize, given_range or range_for(content))
    except ImageError as error:
        raise StudioError(str(error), 422) from None
    return photo.native_size, photo.pixels.tobytes()


def probe_data(_: bytes, uri: str, columns: str = "{}") -> Result:
    """Inspects the data briefly, to resolve `auto` values."""
    from components.contract.params.data import ColumnNames
    from components.contract.params.pipeline import parse_section
    from components.preprocess.sources.probe import probe

    return asdict(probe(uri, parse_section(ColumnNames, columns))), b""


def unpack(_: bytes, archive: str, folder: str) -> Result:
    """Unpacks an archive; returns notices, and the names of skipped files, which belong to git and other tools."""
    from components.contract.foreign.archive import extract

    skipped: set[str] = set()
    notices: list[str] = []
    extract(Path(archive), Path(folder), skipped, notices=notices)
    return {"skipped": sorted(skipped), "notices": notices}, b""


def parse_params(content: bytes, is_command: bool, roots: list[str]) -> Result:
    """Parses a params.yaml or a command; returns the values that differ from the defaults."""
    from pipelines.studio.data.file_browser import within
    from pipelines.studio.draft.params_text import parse_command, parse_text

    text = content.decode()
    places = tuple(map(Path, roots))
    return parse_command(text, lambda path: within(places, path)) if is_command else parse_text(text), b""


WORKS: Final[dict[str, Callable[..., Result]]] = {
    work.__name__: work for work in (list_data, make_thumbnail, decode_photo, probe_data, unpack, parse_params)
}


def main(memory_bytes: int) -> None:
    """Executes tasks until standard input is closed."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the output of libraries must not be mixed with answers
    limit_memory(memory_bytes)
    waiting: queue.Queue[tuple[dict[str, Any], bytes]] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, waiting), daemon=True).start()
    while True:
        head, content = waiting.get()
        write_frame(answers, *_work(head, content))


def _listen(requests: IO[bytes], waiting: "queue.Queue[tuple[dict[str, Any], bytes]]") -> None:
    """Queues the requests; ends the process when the server has ended, even in the middle of a task."""
    try:
        while True:
            waiting.put(read_frame(requests))
    finally:
        os._exit(0)


def _work(head: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    remember(head["addresses"])
    try:
        value, content = WORKS[head["work"]](content, **head["arguments"])
    except DarkroomError as error:
        return {"error": str(error), "status": error.status if isinstance(error, StudioError) else 400}, b""
    except MemoryError:
        return {"limit": "memory"}, b""
    except Exception:  # an internal error, which the server logs
        return {"bug": traceback.format_exc()}, b""
    return {"value": value, "addresses": remembered_addresses()}, content


if __name__ == "__main__":
    main(int(sys.argv[1]))
