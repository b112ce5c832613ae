"""The service when it gets more requests than it can handle, from clients that do not wait for each other's answers."""

import contextlib
import http.client
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import served_model
from benchmarks.table import Row
from components.deploy.bento.server import serving
from components.deploy.client import encode_form

NUM_CLIENTS = 8
CAPACITY_SECONDS, STEADY_SECONDS, OVERLOAD_SECONDS = 8.0, 180.0, 30.0
STEADY_SHARE, OVERLOAD_SHARE = 0.8, 1.2
RECOVERY_SECONDS = 10.0
PHOTOS_PER_REQUEST = 4
"""More than one, so that the clients' work on the same cores is small compared with the service's."""


def measure() -> list[Row]:
    """Measures the errors at 80 % and 120 % of the capacity, and how long the service takes to recover afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        served_model.build(Path(folder))
        with serving(Path(folder)) as url:
            load = Load(url)
            capacity = load.capacity()
            steady = load.open_loop(STEADY_SHARE * capacity, STEADY_SECONDS)
            overload = load.open_loop(OVERLOAD_SHARE * capacity, OVERLOAD_SECONDS)
            recovery_seconds = load.recovery(statistics.median(steady["seconds"]))
    num_failed = sum(status != 200 for status in steady["statuses"])
    num_other_errors = sum(status not in (200, 429, 503) for status in overload["statuses"])
    shed_share = sum(status in (429, 503) for status in overload["statuses"]) / len(overload["statuses"])
    rate = f"{capacity * PHOTOS_PER_REQUEST:.0f} photos per second"
    return [
        Row(
            claim=f"errors at 80 % of the capacity, {rate}",
            ours=f"{num_failed} of {len(steady['statuses'])}",
            baseline="none allowed",
            ratio=float(num_failed),
            target="<= 0",
        ),
        Row(
            claim=f"errors other than 429 and 503 at 120 %, {shed_share:.0%} of requests shed",
            ours=f"{num_other_errors} of {len(overload['statuses'])}",
            baseline="none allowed",
            ratio=float(num_other_errors),
            target="<= 0",
        ),
        Row(
            claim="recovery after the overload, to at most twice the steady latency",
            ours=f"{recovery_seconds:.1f} s",
            baseline=f"{RECOVERY_SECONDS:.0f} s allowed",
            ratio=recovery_seconds / RECOVERY_SECONDS,
            target="<= 1",
        ),
    ]


class Load:
    """Sends requests to one service, from one or more clients."""

    def __init__(self, url: str, photos_per_request: int = PHOTOS_PER_REQUEST, photo: bytes | None = None):
        self._address = url.removeprefix("http://")
        request_photo = served_model.photo() if photo is None else photo
        self._content_type, self._body = encode_form([request_photo] * photos_per_request)
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    @contextlib.contextmanager
    def _clients(self, number: int) -> Iterator[ThreadPoolExecutor]:
        """Yields threads for the clients, and closes their connections at the end."""
        try:
            with ThreadPoolExecutor(number) as clients:
                yield clients
        finally:
            self.close()

    def close(self) -> None:
        """Closes all connections; later requests connect again."""
        while self._connections:
            self._connections.pop().close()
        self._local = threading.local()

    def ask(self) -> tuple[int, float]:
        """Sends one request; returns its status and its duration in seconds. Status 0 means no answer."""
        start_time = time.perf_counter()
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection(self._address, timeout=60)
            self._connections.append(connection)
        for is_kept in (connection.sock is not None, False):
            try:
                connection.request("POST", "/predict", self._body, {"Content-Type": self._content_type})
                response = connection.getresponse()
                response.read()
                return response.status, time.perf_counter() - start_time
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if not (is_kept and isinstance(error, ConnectionError)):  # else retry: the idle connection was closed
                    break
        return 0, time.perf_counter() - start_time

    def capacity(self, seconds: float = CAPACITY_SECONDS) -> float:
        """Measures the requests per second when each client sends its next request right after an answer."""
        start_time = time.monotonic()
        end = start_time + seconds

        def client(_: int) -> int:
            number = 0
            while time.monotonic() < end:
                number += self.ask()[0] == 200
            return number

        with self._clients(NUM_CLIENTS) as clients:
            num_answered = sum(clients.map(client, range(NUM_CLIENTS)))
        return num_answered / (time.monotonic() - start_time)

    def open_loop(self, rate: float, seconds: float) -> dict[str, list[float]]:
        """Sends requests at a steady rate, whether or not earlier requests were answered."""
        with self._clients(128) as clients:
            futures = []
            start_time = time.monotonic()
            for number in range(int(rate * seconds)):
                time.sleep(max(0.0, start_time + number / rate - time.monotonic()))
                futures.append(clients.submit(self.ask))
            answers = [future.result() for future in futures]
        return {"statuses": [float(status) for status, _ in answers], "seconds": [spent for _, spent in answers]}

    def recovery(self, steady_seconds: float) -> float:
        """Measures the seconds until a request takes at most twice as long as under steady load."""
        start_time = time.monotonic()
        while time.monotonic() - start_time < 6 * RECOVERY_SECONDS:
            status, seconds = self.ask()
            if status == 200 and seconds <= 2 * steady_seconds:
                break
        return time.monotonic() - start_time
