"""A client of the service that needs Python alone.

with ServiceClient("http://127.0.0.1:3000") as client:
    first, second = client.predict([Path("a.jpg").read_bytes(), Path("b.jpg").read_bytes()])
"""

import contextlib
import http.client
import secrets
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from pydantic import ValidationError

from components.contract.errors import ServiceError
from components.deploy.service.protocol import FIELD, Answer, Failure, Prediction, Refusal

TIMEOUT_SECONDS = 60.0
OVERLOADED = 503


class ServiceClient:
    """One connection to a service, kept open between requests; not to be shared by threads."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS, api_key: str | None = None):
        """Makes a client; it connects with the first request.

        Args:
            url: where the service answers, such as `http://127.0.0.1:3000`.
            timeout_seconds: how long one answer may take.
            api_key: of a service that asks for one.

        Raises:
            ServiceError: it is no http or https address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServiceError(f"A service's address must be such as http://127.0.0.1:3000; found {url!r}.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.url = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._api_key = api_key
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_seconds)

    def predict(self, photos: Sequence[bytes]) -> list[Prediction | Failure]:
        """Classifies photos: one entry per photo, in their order.

        Args:
            photos: the files as they are, at least one.

        Raises:
            ServiceError: the service cannot be reached, or refuses the whole request.
        """
        content_type, body = encode_form(photos)
        status, content = self._post("/predict", content_type, body)
        try:
            if status == 200:
                return list(Answer.model_validate_json(content).predictions)
            refusal = Refusal.model_validate_json(content)
        except ValidationError:
            raise ServiceError(
                f"{self.url}/predict must answer as a Darkroom service does; it answered {status}: "
                f"{content[:200].decode(errors='replace')}"
            ) from None
        if refusal.predictions:
            return list(refusal.predictions)
        raise ServiceError(f"{self.url}/predict refused the request ({status}): {refusal.error.message}")

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, path: str, content_type: str, body: bytes) -> tuple[int, bytes]:
        """Asks, and asks again where the service has too much to do, as long as one answer may take."""
        deadline = time.monotonic() + self._timeout_seconds
        headers = {"Content-Type": content_type} | ({"X-API-Key": self._api_key} if self._api_key else {})
        while True:
            response, content = self._exchange(path, headers, body)
            pause = int(response.headers.get("Retry-After") or 1)
            if response.status != OVERLOADED or time.monotonic() + pause > deadline:
                return response.status, content
            time.sleep(pause)

    def _exchange(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        is_kept = self._connection.sock is not None
        try:
            # A service that refuses a body does so before it has all of it, and its answer says why.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._connection.request("POST", self._path + path, body, dict(headers))
            response = self._connection.getresponse()
            return response, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if is_kept and isinstance(error, ConnectionError):  # it was idle for so long that the service closed it
                return self._exchange(path, headers, body)
            reason = str(error) or type(error).__name__
            raise ServiceError(f"A service must answer at {self.url}; it does not: {reason}.") from None


def predict(url: str, photos: Sequence[bytes]) -> list[Prediction | Failure]:
    """Classifies photos by a service; see `ServiceClient.predict`."""
    with ServiceClient(url) as client:
        return client.predict(photos)


def encode_form(photos: Sequence[bytes]) -> tuple[str, bytes]:
    """The Content-Type and the body of a form that holds photos in the field `files`."""
    boundary = secrets.token_hex(16)
    parts = []
    for number, photo in enumerate(photos):
        parts += [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{FIELD}"; filename="{number}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode(),
            photo,
            b"\r\n",
        ]
    return f"multipart/form-data; boundary={boundary}", b"".join([*parts, f"--{boundary}--\r\n".encode()])
