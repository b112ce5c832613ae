"""The scripts and styles of the page, at an address that changes with their content.

Browsers cache them for a year: a new version of Darkroom has another address. Modules import each other by relative
paths, so one digest in the address of all files is enough, and no file has to be rewritten.
"""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

PREFIX: Final = "static"
START_PAGE: Final = "index.html"
FOREVER: Final = "private, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """A file."""

    content: bytes
    media_type: str


class Assets:
    """The files of a folder and single other files, in memory.

    Attributes:
        digest: of all files.
    """

    def __init__(self, folder: Path, others: Mapping[str, Path]):
        """Reads the files.

        Args:
            folder: contains the start page and all files that it loads.
            others: the paths of other files, by their names within the folder.
        """
        paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        self._assets = {name: _read_asset(path) for name, path in sorted({**paths, **others}.items())}
        digest = hashlib.sha256()
        for name, asset in self._assets.items():
            digest.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
        self.digest = digest.hexdigest()[:16]

    async def show_start_page(self, _request: Request) -> Response:
        """`GET /`; its addresses are relative, so that it works below a prefix."""
        page = self._assets[START_PAGE].content.replace(f'"{PREFIX}/'.encode(), f'"{PREFIX}/{self.digest}/'.encode())
        return Response(page, media_type="text/html")

    async def show_asset(self, request: Request) -> Response:
        """`GET /static/{digest}/{name}`."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None or request.path_params["digest"] != self.digest:
            return Response("There is no such file; load the page again.", 404, media_type="text/plain")
        return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": FOREVER})


def _read_asset(path: Path) -> Asset:
    media_type = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
    return Asset(path.read_bytes(), media_type or "application/octet-stream")
