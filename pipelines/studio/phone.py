"""Uses a phone as the camera of this computer, through a page on the local network that sends photos to the studio.

A separate server serves this page, so that the phone can only send photos; the address contains a secret code. The
server runs as long as the studio's page asks for photos.
"""

import secrets
import socket
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from components.contract.pages.theme import THEME_PATH
from pipelines.studio.access import Guard, matches
from pipelines.studio.data.uploads import read_body
from pipelines.studio.settings import StudioError

if TYPE_CHECKING:
    import uvicorn

PAGE_DIR: Final = Path(__file__).parent / "phone_page"
FILES: Final = {path.name: path for path in (*PAGE_DIR.glob("*"), THEME_PATH)}
START_PAGE: Final = "index.html"
MAX_PHOTO_BYTES: Final = 32 * 2**20
MAX_WAITING: Final = 8
"""The maximum number of photos that wait for the studio's page to fetch them; further photos are refused."""
POLL_SECONDS: Final = 1.5
"""How long a request waits for the next photo; shorter than the grace period for requests when the studio stops."""
IDLE_SECONDS: Final = 60.0
"""The phone's page closes if the studio's page has not asked for a photo for this many seconds."""
NOTIFY_SECONDS: Final = 5


class PhoneCamera:
    """The phone's page, and the photos that it has sent."""

    def __init__(self) -> None:
        """Creates a camera whose page is closed."""
        self._changed = threading.Condition()
        self._photos: deque[bytes] = deque()
        self._server: uvicorn.Server | None = None
        self._code = ""
        self._url = ""
        self._last_poll = 0.0

    def open(self) -> str:
        """Opens the page, unless it is already open, and returns its address.

        Raises:
            StudioError: this computer is not connected to a network.
        """
        with self._changed:
            self._last_poll = time.monotonic()
            if self._server is None:
                self._photos.clear()
                self._code = secrets.token_urlsafe(16)
                self._serve()
            return self._url

    def next_photo(self) -> bytes | None:
        """Waits for the next photo and returns it; None if none arrives within POLL_SECONDS.

        Raises:
            StudioError: the page is not open.
        """
        with self._changed:
            self._last_poll = time.monotonic()
            if self._server is None:
                raise StudioError("The phone's page is closed. Open it again.", 409)
            self._changed.wait_for(lambda: bool(self._photos) or self._server is None, POLL_SECONDS)
            self._last_poll = time.monotonic()
            return self._photos.popleft() if self._photos else None

    def close(self) -> None:
        """Closes the page."""
        with self._changed:
            if self._server is not None:
                self._server.should_exit = True
                self._server = None
            self._photos.clear()
            self._changed.notify_all()

    def _serve(self) -> None:
        import uvicorn

        address = _local_address()
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((address, 0))
        host = f"{address}:{listener.getsockname()[1]}"
        app = Starlette(
            routes=[
                Route("/{code}/", self._show),
                Route("/{code}/{name}", self._show),
                Route("/{code}/photos", self._receive, methods=["PUT"]),
            ],
            middleware=[Middleware(Guard, hosts=frozenset({host}), token=None)],
        )
        config = uvicorn.Config(
            app,
            log_level="warning",
            callback_notify=self._close_if_idle,
            timeout_notify=NOTIFY_SECONDS,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._url = f"http://{host}/{self._code}/"
        threading.Thread(target=self._server.run, args=([listener],), name="phone", daemon=True).start()

    async def _close_if_idle(self) -> None:
        if time.monotonic() - self._last_poll > IDLE_SECONDS:
            self.close()

    async def _show(self, request: Request) -> Response:
        path = FILES.get(request.path_params.get("name", START_PAGE))
        if path is None or not self._is_allowed(request):
            return _refuse("There is no such page. Scan the code on the computer again.", 404)
        return FileResponse(path)

    async def _receive(self, request: Request) -> Response:
        if not self._is_allowed(request):
            return _refuse("This address is no longer valid. Scan the code on the computer again.", 404)
        refusal = f"A photo may have at most {MAX_PHOTO_BYTES // 2**20} MiB; this one has more."
        try:
            photo = await read_body(request.stream(), MAX_PHOTO_BYTES, refusal)
        except StudioError as error:
            return _refuse(str(error), error.status)
        with self._changed:
            if len(self._photos) >= MAX_WAITING:
                return _refuse("The computer still has photos to read. Try again in a moment.", 503)
            self._photos.append(photo)
            self._changed.notify_all()
        return JSONResponse({})

    def _is_allowed(self, request: Request) -> bool:
        return self._server is not None and matches(self._code, request.path_params["code"])


def qr_modules(text: str) -> list[str]:
    """Returns a QR code that contains the text: one string per row, of 1 (dark) and 0 (light)."""
    from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

    code = QRCode(None, QRErrorCorrectLevel.M)
    code.addData(text)
    code.make()
    return ["".join("1" if is_dark else "0" for is_dark in row) for row in code.modules]


def _local_address() -> str:
    """The address of this computer on its network.

    Raises:
        StudioError: this computer is not connected to a network.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # documentation address (RFC 5737); connecting a UDP socket sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            raise StudioError(
                "This computer is not on any network. Connect it to the same network as the phone, for example "
                "the same Wi-Fi.",
                409,
            ) from None


def _refuse(reason: str, status: int) -> Response:
    return JSONResponse({"error": reason}, status)
