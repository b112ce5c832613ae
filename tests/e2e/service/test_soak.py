"""An hour of steady load with occasional bad requests: the service returns no errors, and its memory does not grow."""

import contextlib
import http.client
import os
import statistics
import time
from pathlib import Path

import pytest

from benchmarks import served_model
from benchmarks.load import Load
from benchmarks.serving import own_memory_mb
from components.deploy.bento.server import serving
from components.deploy.client import Client, encode_form

MINUTES = float(os.environ.get("DARKROOM_SOAK_MINUTES", "60"))
SLICE_SECONDS = 20.0
SHARE = 0.5
"""The load as a share of the service's capacity; the rest is left for other work on the machine during the hour."""
MAX_GROWTH_MB = 20.0


@pytest.mark.proof
def test_memory_does_not_grow_in_an_hour_of_requests(tmp_path: Path) -> None:
    served_model.build(tmp_path)
    with serving(tmp_path) as url:
        load = Load(url)
        rate = SHARE * load.capacity()
        memory = []
        end = time.monotonic() + 60 * MINUTES
        while time.monotonic() < end:
            assert set(load.open_loop(rate, SLICE_SECONDS)["statuses"]) == {200}
            mishaps(url)
            memory.append(own_memory_mb(tmp_path))
            print(f"{memory[-1]:.0f} MB", end=" ", flush=True)
    # The first slices fill caches and memory pools, so they are not compared.
    steady_memory = memory[len(memory) // 5 :]
    third = max(1, len(steady_memory) // 3)
    assert statistics.median(steady_memory[-third:]) - statistics.median(steady_memory[:third]) < MAX_GROWTH_MB, memory


def mishaps(url: str) -> None:
    """Sends other requests between the good ones: broken photos, explanations, unknown paths, incomplete bodies."""
    photo = served_model.photo()
    with Client(url) as client:
        client.predict([photo[:-2000], b"no photo", b"", photo])
    content_type, body = encode_form([photo])
    address = url.removeprefix("http://")
    for method, path, announced in (
        ("POST", "/explain", len(body)),
        ("GET", f"/{time.monotonic()}", 0),
        ("GET", "/metrics", 0),
        ("POST", "/predict", 2 * len(body)),
    ):
        with contextlib.closing(http.client.HTTPConnection(address, timeout=30)) as connection:
            headers = {"Content-Type": content_type, "Content-Length": str(announced)}
            connection.request(method, path, body if announced else None, headers)
            if announced <= len(body):
                connection.getresponse().read()
