"""Serves the page's scripts and styles at addresses that change with their content.

Browsers can cache the files for a year, because a new version of Darkroom serves them at different addresses. All
addresses contain the same digest. Scripts import each other by relative paths, so they do not contain the digest.
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
    """The content of a file, and its media type."""

    content: bytes
    media_type: str


class Assets:
    """Serves the files of a folder, and individual files from elsewhere, from memory.

    Attributes:
        digest: a hash of all files, which is part of each address.
    """

    def __init__(self, folder: Path, others: Mapping[str, Path]):
        """Reads the files.

        Args:
            folder: the folder that contains the start page and all files that it loads.
            others: the paths of files from elsewhere, by the names under which they are served.
        """
        paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        self._assets = {name: _read_asset(path) for name, path in sorted({**paths, **others}.items())}
        digest = hashlib.sha256()
        for name, asset in self._assets.items():
            digest.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
        self.digest = digest.hexdigest()[:16]

    async def show_start_page(self, _request: Request) -> Response:
        """`GET /`: the start page; its links are relative, so that it works under a path prefix."""
        page = self._assets[START_PAGE].content.replace(f'"{PREFIX}/'.encode(), f'"{PREFIX}/{self.digest}/'.encode())
        return Response(page, media_type="text/html")

    async def show_asset(self, request: Request) -> Response:
        """`GET /static/{digest}/{name}`: a script, a style sheet or the icon."""
        asset = self._assets.get(request.path_params["name"])
        if asset is None or request.path_params["digest"] != self.digest:
            return Response("There is no such file; reload the page.", 404, media_type="text/plain")
        return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": FOREVER})


def _read_asset(path: Path) -> Asset:
    media_type = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
    return Asset(path.read_bytes(), media_type or "application/octet-stream")
