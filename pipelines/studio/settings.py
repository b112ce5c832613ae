"""The settings of a studio, and its errors."""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from components.contract.errors import DarkroomError
from components.contract.system.cache import HOME

MAX_UPLOAD_BYTES: Final = 20 * 10**9
MAX_PHOTO_BYTES: Final = 256 * 2**20
MAX_MODEL_BYTES: Final = 4 * 10**9
MAX_JSON_BYTES: Final = 4 * 2**20
SPARE_BYTES: Final = 500 * 10**6
"""The free disk space, in bytes, that uploads must leave, so that running jobs can still write."""


class StudioError(DarkroomError):
    """An error that the user of the page can fix.

    Attributes:
        status: the status of the HTTP response.
    """

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Settings:
    """The settings of a studio.

    Attributes:
        home: the folder of the studio's state, such as the draft, jobs and uploads.
        roots: the folders that users can browse.
        token: the token that a browser must send when it opens the page; None if only this machine can reach the page.
        hosts: the hosts (name and port) that requests may be addressed to; if empty, any host is allowed, and a token
            is required.
        max_upload_bytes: the maximum size of an uploaded archive.
        public_url: the page's public address, ending in a slash; None without a reverse proxy.
    """

    home: Path = HOME / "studio"
    roots: tuple[Path, ...] = field(default_factory=lambda: default_roots())
    token: str | None = None
    hosts: frozenset[str] = frozenset()
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    public_url: str | None = None

    @property
    def allowed(self) -> tuple[Path, ...]:
        """The folders that data can be in: the roots, and the studio's folder."""
        return (*self.roots, self.home.resolve())

    @property
    def photos_dir(self) -> Path:
        """The folder that contains the data sets that were uploaded or created in the studio."""
        return self.home / "photos"


def default_roots() -> tuple[Path, ...]:
    """The home folder of the user who starts the studio, and the current folder if it is outside the home folder."""
    home, here = Path.home().resolve(), Path.cwd().resolve()
    return (home,) if here.is_relative_to(home) else (here, home)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on this host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
