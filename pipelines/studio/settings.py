"""Where a studio works, and what it allows."""

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
"""Left free on the disk by uploads, so that what runs can still write."""


class StudioError(DarkroomError):
    """Something that a person at the page can fix.

    Attributes:
        status: of the HTTP answer.
    """

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Settings:
    """A studio's own.

    Attributes:
        home: the folder of its state: the draft, jobs, uploads.
        roots: the folders that may be looked into.
        token: what a browser must show once; None if only this machine reaches the page.
        hosts: what the page may be called as, with the port; empty if a token guards it.
        max_upload_bytes: of one archive.
        public_url: the address of the page behind a reverse proxy, with a slash at its end; None if there is none.
    """

    home: Path = HOME / "studio"
    roots: tuple[Path, ...] = field(default_factory=lambda: default_roots())
    token: str | None = None
    hosts: frozenset[str] = frozenset()
    max_upload_bytes: int = MAX_UPLOAD_BYTES
    public_url: str | None = None

    @property
    def allowed(self) -> tuple[Path, ...]:
        """Where data may be: the roots, and the studio's own folder."""
        return (*self.roots, self.home.resolve())

    @property
    def photos_dir(self) -> Path:
        """What was uploaded, a folder for each data set."""
        return self.home / "photos"


def default_roots() -> tuple[Path, ...]:
    """The home folder of whoever starts the studio, and the folder that it is started in."""
    home, here = Path.home().resolve(), Path.cwd().resolve()
    return (home,) if here.is_relative_to(home) else (here, home)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
