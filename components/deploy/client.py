"""A client for the service; it requires only Python's standard library.

with Client("http://127.0.0.1:3000") as client:
    first, second = client.predict(["a.jpg", "b.jpg"])
"""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from components.contract.errors import DataError, ServiceError

if TYPE_CHECKING:
    import http.client

FIELD: Final = "files"
"""The form field of POST /predict that contains the photos."""
TIMEOUT_SECONDS = 60.0
OVERLOADED = 503
MAX_PHOTOS: Final = 32
"""The maximum number of photos per request; the service accepts more."""
MAX_BYTES: Final = 32 * 2**20
"""The maximum size of a request, unless a single photo is larger."""

Photo = bytes | str | os.PathLike[str]
"""The content of a file, or its path."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one photo.

    Attributes:
        label: the most probable class, even if the model abstains.
        confidence: the probability of this class, calibrated if evaluation calibrated the model.
        abstained: whether the confidence is below the threshold that evaluation chose; the label is then a guess.
        unfamiliar: how much the photo differs from the training photos; above 1, it differs more than nearly all photos
            in the evaluation did. None if evaluation did not measure it.
        probabilities: the probability of each class, the most probable first.
        id: the id of the prediction; `darkroom trace ID` shows the model, the run and the data behind it.
    """

    label: str
    confidence: float
    abstained: bool
    unfamiliar: float | None
    probabilities: Mapping[str, float]
    id: str | None = None


@dataclass(frozen=True)
class Failure:
    """The answer for a file that is not a usable photo.

    Attributes:
        code: a code for the reason, such as `truncated`.
        message: the reason in a sentence.
    """

    code: str
    message: str


class Client:
    """A connection to a service, kept open between requests; must not be shared by threads."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS, api_key: str | None = None):
        """Creates a client; it connects with the first request.

        Args:
            url: the address of the service, such as `http://127.0.0.1:3000`.
            timeout_seconds: the maximum time for one answer.
            api_key: the API key, if the service requires one.

        Raises:
            ServiceError: the URL is not an http or https address.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServiceError(f"The address of a service must look like http://127.0.0.1:3000; found {url!r}.")
        import http.client  # imported late: it takes longer than the rest of `import darkroom`

        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.url = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._api_key = api_key
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_seconds)

    def predict(self, photos: Sequence[Photo]) -> list[Prediction | Failure]:
        """Classifies photos; returns one entry per photo, in order. Many photos are sent in several requests.

        Args:
            photos: the content or the path of each file.

        Raises:
            DataError: a file cannot be read.
            ServiceError: the service cannot be reached, or rejects the whole request.
        """
        return [answer for group in _group([*map(_read, photos)]) for answer in self._predict(group)]

    def _predict(self, photos: Sequence[bytes]) -> list[Prediction | Failure]:
        content_type, body = encode_form(photos)
        status, content = self._post("/predict", content_type, body)
        try:
            answer = json.loads(content)
            predictions = [_parse(entry) for entry in answer["predictions"]]
            reason = None if status == 200 else str(answer["error"]["message"])
        except (ValueError, TypeError, LookupError):
            raise ServiceError(
                f"{self.url}/predict must answer like a Darkroom service; it answered {status}: "
                f"{content[:200].decode(errors='replace')}"
            ) from None
        if reason is not None and not predictions:
            raise ServiceError(f"{self.url}/predict rejected the request ({status}): {reason}")
        return predictions

    def send_feedback(self, prediction_id: str, label: str) -> None:
        """Reports the correct label of a photo that was classified.

        Args:
            prediction_id: `Prediction.id`.
            label: a class of the model.

        Raises:
            ServiceError: the service cannot be reached, has no prediction log, or rejects the feedback.
        """
        body = json.dumps({"id": prediction_id, "label": label}).encode()
        status, content = self._post("/feedback", "application/json", body)
        if status != 200:
            try:
                reason = json.loads(content)["error"]["message"]
            except (ValueError, TypeError, LookupError):
                reason = content[:200].decode(errors="replace")
            raise ServiceError(f"{self.url}/feedback rejected the feedback ({status}): {reason}")

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
        """Sends a request; while the service is overloaded, tries again until the timeout."""
        deadline = time.monotonic() + self._timeout_seconds
        headers = {"Content-Type": content_type} | ({"X-API-Key": self._api_key} if self._api_key else {})
        while True:
            response, content = self._exchange(path, headers, body)
            pause = int(response.headers.get("Retry-After") or 1)
            if response.status != OVERLOADED or time.monotonic() + pause > deadline:
                return response.status, content
            time.sleep(pause)

    def _exchange(self, path: str, headers: Mapping[str, str], body: bytes) -> "tuple[http.client.HTTPResponse, bytes]":
        import http.client

        is_kept = self._connection.sock is not None
        try:
            # A service may reject a body before it has received all of it; its answer contains the reason.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._connection.request("POST", self._path + path, body, dict(headers))
            response = self._connection.getresponse()
            return response, response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if is_kept and isinstance(error, ConnectionError):  # the service closed the idle connection
                return self._exchange(path, headers, body)
            reason = str(error) or type(error).__name__
            raise ServiceError(f"No service answers at {self.url}: {reason}.") from None


def predict(url: str, photos: Sequence[Photo]) -> list[Prediction | Failure]:
    """Classifies photos with a service; see `Client.predict`."""
    with Client(url) as client:
        return client.predict(photos)


def encode_form(photos: Sequence[bytes]) -> tuple[str, bytes]:
    """Encodes a form with photos in the field `files`; returns its Content-Type and its body."""
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


def _parse(entry: Mapping[str, Any]) -> Prediction | Failure:
    """Parses one entry of an answer.

    Raises:
        TypeError, LookupError, ValueError: the entry is invalid.
    """
    if "error" in entry:
        return Failure(str(entry["error"]["code"]), str(entry["error"]["message"]))
    unfamiliar = entry["unfamiliar"]
    return Prediction(
        label=str(entry["label"]),
        confidence=float(entry["confidence"]),
        abstained=bool(entry["abstained"]),
        unfamiliar=None if unfamiliar is None else float(unfamiliar),
        probabilities={str(share["label"]): float(share["probability"]) for share in entry["probabilities"]},
        id=str(entry["id"]),
    )


def _read(photo: Photo) -> bytes:
    if isinstance(photo, bytes):
        return photo
    try:
        return Path(photo).read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read the photo {os.fspath(photo)}: {error.strerror}.") from None


def _group(photos: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Groups photos into requests of limited size; yields a single, empty group if there are no photos."""
    group: list[bytes] = []
    for photo in photos:
        if group and (len(group) == MAX_PHOTOS or sum(map(len, group)) + len(photo) > MAX_BYTES):
            yield group
            group = []
        group.append(photo)
    yield group
