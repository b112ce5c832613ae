"""Operates the studio as a user would; several tests share these steps.

If DARKROOM_PICTURES is set to a folder, a screenshot of each screen is saved there.
"""

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.artifacts import CLASS_NAMES, photo
from tests.support.browser import CHROMIUM, SECONDS, Page
from tests.support.processes import free_port

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
READY = "document.body?.dataset.ready === 'yes' && !document.querySelector('main[aria-busy]')"
SCREENS = (
    "data",
    "data/photos",
    "model",
    "model/layers",
    "model/pretrained",
    "model/upload",
    "model/bundle",
    "training",
    "live",
    "results",
    "try",
)
TOKEN = "a-token-for-this-test-alone"
TRAIN_SECONDS = 600.0
SIDE = 12
SMALL_NETWORK = {
    "train.model": {
        "layers": [{"Conv2D": {"filters": 8, "kernel_size": 3, "activation": "relu"}}, "GlobalAveragePooling2D"]
    },
    "train.batch_size": 8,
    "train.learning_rate": 0.03,
    "evaluate.robustness_photos": 0,
}
"""Params with which a model learns a few photos of SIDE × SIDE pixels in a few epochs."""
LONGEST_PAUSE_MS = 3000
"""The longest time for which the Live screen may stay unchanged during a run."""
WATCH = """
window.changes = [performance.now()];
new MutationObserver(() => changes.push(performance.now()))
    .observe(document.getElementById("main"), {subtree: true, childList: true, characterData: true, attributes: true});
"""
LONGEST_PAUSE = "Math.max(...changes.map((time, place) => (changes[place + 1] ?? performance.now()) - time))"
DIALOG_CLICKS = 3
"""The clicks in the browser's own dialog when a user uploads a folder: the folder, Upload, and a confirmation."""


@contextlib.contextmanager
def studio(folder: Path, port: int | None = None, *, public_url: str | None = None) -> Iterator[str]:
    """Runs `darkroom studio` in a folder until the end of the block; with `public_url`, the studio requires TOKEN."""
    port = port or free_port()
    command = [sys.executable, "-m", "pipelines.cli.main", "studio", "--no-browser", "--port", str(port)]
    command += ["--root", str(folder)]
    url = f"http://127.0.0.1:{port}/"
    environment = os.environ | {"DARKROOM_CACHE": str(folder / "cache")}
    if public_url is not None:
        command += ["--url", public_url]
        environment["DARKROOM_STUDIO_TOKEN"] = TOKEN
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "studio" in process.stdout.readline()
            deadline = time.monotonic() + SECONDS
            while True:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield url
        finally:
            with contextlib.suppress(OSError):  # the test may have killed the studio
                for job in ask(url, "api/jobs"):
                    if job["state"] in ("waiting", "running"):
                        ask(url, f"api/jobs/{job['id']}", {"action": "stop"})
            process.send_signal(signal.SIGTERM)


def ask(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, data), timeout=SECONDS) as answer:
        return json.loads(answer.read())


def finish_runs(url: str, photos: Path, *overrides: dict[str, Any]) -> int:
    """Trains a small network on photos once for each of `overrides`, and returns the revision of the draft."""
    revision: int = ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})["revision"]
    for params in overrides:
        revision = ask(url, "api/draft", {"revision": revision, "set": SMALL_NETWORK | params})["revision"]
        ask(url, "api/jobs", {"kind": "run"})
    deadline = time.monotonic() + TRAIN_SECONDS
    while [job["state"] for job in ask(url, "api/jobs")] != ["done"] * len(overrides):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    return revision


async def go(page: Page, place: str, until: str = "true") -> None:
    await page.run(
        f"location.hash === '#{place}' || new Promise(done => {{"
        f"addEventListener('hashchange', done, {{once: true}}); location.hash = {place!r}; }}).then(() => true)"
    )
    await page.until(f"{READY} && document.querySelector('.screen.{place.split('/')[0]} h1') && ({until})")


async def pick(page: Page, selector: str, value: str) -> None:
    await page.until(f"document.querySelector({selector!r})")
    await page.run(
        f"(box => {{ box.value = {value!r}; box.dispatchEvent(new Event('input', {{bubbles: true}})); "
        f"box.dispatchEvent(new Event('change', {{bubbles: true}})); }})(document.querySelector({selector!r}))"
    )


async def says(page: Page, selector: str, text: str, seconds: float = 30) -> None:
    await page.until(f"document.querySelector({selector!r})?.textContent.includes({text!r})", seconds)


async def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("DARKROOM_PICTURES"):
        await asyncio.sleep(0.6)
        await page.picture(Path(folder) / f"{name}.png")


async def saved(path: Path, begins: bytes) -> bytes:
    """Waits until the browser has saved a file completely, and returns its content."""
    deadline = time.monotonic() + 60
    while not (path.is_file() and path.stat().st_size and not list(path.parent.glob("*.crdownload"))):
        assert time.monotonic() < deadline, f"{path.name} must be saved"
        await asyncio.sleep(0.1)
    content = path.read_bytes()
    assert content.startswith(begins)
    return content


async def finished(page: Page, seconds: float = TRAIN_SECONDS) -> None:
    """Waits until the run on the screen has ended, and checks that it has not failed."""
    await page.until("document.getElementById('to-results') || document.querySelector('.notice.fault')", seconds)
    fault = await page.run("document.querySelector('.notice.fault')?.textContent ?? ''")
    assert not fault, fault


async def trained(page: Page) -> str:
    """Waits until the run that was just started has finished, opens its results, and returns its id."""
    await page.until("document.querySelector('.live h1')")
    await page.until("document.querySelector('.now')?.textContent")
    await page.until(
        "document.querySelectorAll('.line.train').length >= 1 && "
        "document.querySelector('.line.train').points.length >= 2",
        TRAIN_SECONDS,
    )
    await keep(page, "live")
    await finished(page)
    run_id = await page.run("document.getElementById('to-results').hash.split('/')[1]")
    await page.click("#to-results")
    await page.until("document.querySelector('.verdict h2')")
    return str(run_id)


def png(class_name: str, rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(class_name, rng, (SIDE, SIDE))).save(file, "PNG")
    return file.getvalue()


def colors(folder: Path, rng: np.random.Generator) -> Path:
    """Writes a zip of class folders with photos, and returns its path."""
    with zipfile.ZipFile(folder / "colors.zip", "w") as archive:
        for class_name in CLASS_NAMES:
            for number in range(40):
                archive.writestr(f"colors/{class_name}/{number}.png", png(class_name, rng))
    return folder / "colors.zip"


async def send_photos(page: Page, archive: Path) -> None:
    await page.choose([archive], "#archive")
    await page.until("document.querySelectorAll('.class').length >= 3")
    await page.until("document.querySelector('.bars')", 60)


async def send_folder(page: Page, folder: Path) -> None:
    """Uploads a folder as a user would; the clicks in the browser's own dialog are counted, too."""
    await page.call("Page.setInterceptFileChooserDialog", enabled=True)
    await page.click_on("Choose a folder")
    deadline = time.monotonic() + SECONDS
    while not (chooser := [event for event in page.events if event["method"] == "Page.fileChooserOpened"]):
        assert time.monotonic() < deadline, "a dialog must open"
        await page.run("1")
    await page.call("DOM.setFileInputFiles", files=[str(folder)], backendNodeId=chooser[-1]["params"]["backendNodeId"])
    page.clicks += DIALOG_CLICKS


async def open_advanced(page: Page) -> None:
    """Opens the Advanced section of the Training screen."""
    await page.run("document.getElementById('advanced').open = true")


async def start(page: Page, epochs: int) -> str:
    await go(page, "training", "document.getElementById('start')?.disabled === false")
    await pick(page, "[data-key='train.epochs'] input", str(epochs))
    await page.until("document.querySelector('.preview')?.naturalWidth > 0")
    await keep(page, "training")
    await page.click("#start")
    return await trained(page)


def server_pid(url: str) -> int:
    import psutil

    port = int(url.rsplit(":", 1)[1].strip("/"))
    process_id: int = next(
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN"
    )
    return process_id


@contextlib.contextmanager
def paused(url: str) -> Iterator[None]:
    """Pauses the studio's server process, so that it answers no requests during the block."""
    process_id = server_pid(url)
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


async def try_photos(page: Page, folder: Path, rng: np.random.Generator) -> list[str]:
    """Drops a photo of each class and a text file; returns the predicted classes in the order of CLASS_NAMES."""
    files = [folder / f"one {class_name}.png" for class_name in CLASS_NAMES]
    for file, class_name in zip(files, CLASS_NAMES, strict=True):
        file.write_bytes(png(class_name, rng))
    (folder / "notes.txt").write_text("milk, eggs")
    await page.click("#to-try")
    await page.until("document.querySelector('.drop')")
    await page.drop([*files, folder / "notes.txt"], ".drop")
    await page.until("document.querySelectorAll('.answer').length === 4")
    assert "must be one of" in await page.run("document.querySelector('.answer.failed .fault').textContent")
    await page.click(".answer:not(.failed) .link")
    await page.until("document.querySelector('.answer .explain')?.textContent === 'Hide explanation'")
    await keep(page, "try")
    labels: list[str] = await page.run(
        "[...document.querySelectorAll('.answer:not(.failed)')].reverse()"
        ".map(answer => answer.querySelector('.shares span').textContent)"
    )
    assert set(labels) <= set(CLASS_NAMES)
    return labels
