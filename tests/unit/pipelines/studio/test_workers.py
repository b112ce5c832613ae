"""Untrusted files are read in separate processes, so the server keeps answering even if a file is costly to read."""

import io
import os
import signal
import threading
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from pipelines.studio import workers
from pipelines.studio.settings import StudioError
from tests.unit.pipelines.studio.conftest import Client

ALIASES = "\n".join(
    ["a0: &a0 [x,x,x,x,x,x,x,x,x]", *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))]
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ALIASES, "expands to more than 100,000 values"),
        ("[" * 5000, "nested deeper than 32 levels"),
        ("{a: " * 5000, "nested deeper than 32 levels"),
        ("a: &a [*a]", "nested deeper than 32 levels"),
        ("a: &a {b: *a}", "nested deeper than 32 levels"),
        ("x" * 300_000, "more than the limit of 262,144"),
        ("train: {epochs: " + "9" * 5000 + "}", "cannot be converted"),
        ("train: {epochs: 0x" + "f" * 5000 + "}", "more than 64 bits"),
        ("? [a, b]\n: c", "must be text|is not valid YAML"),
        ("a: &a " + "x" * 200_000 + "\nb: [" + "*a, " * 100 + "]", "more than 8,388,608 characters"),
        ("train: {epochs: 5}\ntrain: {epochs: 6}", "train"),
        ("a: 2001-99-99", "cannot be converted"),
        ("a: !!binary '?'", "YAML"),
    ],
)
def test_pasted_params_that_are_too_large_or_invalid_are_rejected(client: Client, text: str, message: str) -> None:
    answer = client.post("/api/draft/import", {"text": text, "revision": client.revision})
    assert answer.status_code in (400, 422)
    assert any(part in answer.json()["error"] for part in message.split("|")), answer.json()
    assert client.get("/api/draft").status_code == 200


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b'{"a": 1e999}', b'{"a": NaN}', b"9" * 5000])
def test_a_body_that_is_nested_too_deeply_or_not_json_is_rejected(client: Client, body: bytes) -> None:
    answer = client.ask("POST", "/api/draft", content=body)
    assert answer.status_code == 400
    assert "must contain a JSON object" in answer.json()["error"]


def test_values_that_are_nested_too_deeply_are_rejected(client: Client) -> None:
    deep: object = "x"
    for _ in range(29):
        deep = {"a": deep}
    for change in ({"train.model.layers": deep}, {"train." + ".".join("a" * 3000): 1}):
        assert client.post("/api/draft", {"revision": client.revision, "set": change}).status_code == 400
        assert client.get("/api/draft").json()["params"] == {}


@pytest.mark.parametrize("augmentation", ["[" * 5000, "{" * 3000])
def test_augmentation_that_is_nested_too_deeply_is_rejected(client: Client, photos: Path, augmentation: str) -> None:
    client.choose(photos)
    answer = client.get(f"/api/data/augmentation?augmentation={quote(augmentation)}")
    assert (answer.status_code, "Augmentation must be one of" in answer.text) == (400, True)


def test_devices_pipes_and_kernel_files_listed_in_a_table_are_not_shown(client: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    rows = f"/dev/zero,a\n{tmp_path / 'pipe.png'},b\n/proc/kmsg,b\n/proc/self/mem,a\n"
    (tmp_path / "table.csv").write_text("path,label\n" + rows)
    client.choose(tmp_path / "table.csv")
    for path in ("/dev/zero", str(tmp_path / "pipe.png"), "/proc/kmsg", "/proc/self/mem"):
        answer = client.get(f"/api/data/photo?path={quote(path, safe='')}")
        assert answer.status_code in (403, 404), path


def test_a_crashed_worker_is_reported_and_replaced(client: Client, photos: Path) -> None:
    client.choose(photos)
    assert client.get("/api/data").json()["data"]["num_photos"] == 12
    client.studio.workers.ask("probe_data", "The data", uri=str(photos))
    (worker,) = client.studio.workers._idle
    os.kill(worker._process.pid, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (worker._process.pid, signal.SIGKILL)).start()
    with pytest.raises(StudioError, match="the process crashed"):
        client.studio.workers.ask("probe_data", "The data", uri=str(photos))
    assert client.studio.workers.ask("probe_data", "The data", uri=str(photos)).value["name"] == "colors"


def test_a_task_that_takes_too_long_is_killed_while_the_server_keeps_answering(client: Client, photos: Path) -> None:
    client.studio.workers.ask("probe_data", "The data", uri=str(photos))
    (worker,) = client.studio.workers._idle
    os.kill(worker._process.pid, signal.SIGSTOP)
    failures: list[StudioError] = []

    def look() -> None:
        try:
            client.studio.workers.ask("probe_data", "The data", uri=str(photos), seconds=2.0)
        except StudioError as error:
            failures.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    assert client.get("/api/draft").status_code == 200
    assert thread.is_alive(), "the draft must be served while the worker hangs"
    thread.join(20)
    assert "could not be read within 2 s" in str(failures[0])
    assert worker._process.returncode == -signal.SIGKILL


def test_a_photo_that_needs_too_much_memory_is_reported(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "MEMORY_BYTES", 450 * 2**20)
    file = io.BytesIO()
    Image.new("L", (9000, 9000)).save(file, "PNG", compress_level=1)
    with pytest.raises(StudioError, match=r"needs more|the process crashed"):
        client.studio.workers.ask("make_thumbnail", "The photo", file.getvalue(), side=64)


def test_a_16_bit_photo_is_scaled_by_its_own_pixel_range_unless_a_range_is_given(client: Client) -> None:
    file = io.BytesIO()
    Image.fromarray(np.repeat(np.array([[0], [2000], [4000], [4095]], np.uint16), 4, axis=1)).save(file, "PNG")
    decode = client.studio.workers.decode
    own, _ = decode(file.getvalue(), (4, 4), "stretch", None)
    assert own[:, 0, 0].tolist() == [0, 125, 249, 255]
    given, _ = decode(file.getvalue(), (4, 4), "stretch", (0, 65_535))
    assert given[:, 0, 0].tolist() == [0, 8, 16, 16]
    thumbnail = client.studio.workers.ask("make_thumbnail", "The photo", file.getvalue(), side=64).content
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(thumbnail))), own)


def test_workers_end_when_the_studio_closes_them(client: Client, photos: Path) -> None:
    client.studio.workers.ask("probe_data", "The data", uri=str(photos))
    (worker,) = client.studio.workers._idle
    client.studio.workers.close()
    assert worker._process.returncode is not None


def test_a_worker_ends_when_its_server_ends(client: Client, photos: Path) -> None:
    client.studio.workers.ask("probe_data", "The data", uri=str(photos))
    (worker,) = client.studio.workers._idle
    worker._process.stdin.close()
    assert worker._process.wait(20) == 0
