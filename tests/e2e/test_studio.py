"""The studio in a real browser: from an empty folder to a served model, by mouse alone.

Where DARKROOM_PICTURES names a folder, a picture of each screen is left there.
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

from tests.e2e.browser import CHROMIUM, Page, browse
from tests.made import CLASS_NAMES, make_photos, photo

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
READY = "document.body?.dataset.ready === 'yes'"
SCREENS = ("data", "model", "model/layers", "model/pretrained", "model/upload", "model/bundle", "training", "live",
           "results", "try")  # fmt: skip
TRAIN_SECONDS = 240.0
SIDE = 12


@contextlib.contextmanager
def studio(folder: Path) -> Iterator[str]:
    """`darkroom studio` in a folder; stopped at the end, with what it has started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.cli", "studio", "--no-browser", "--port", str(port)]
    command += ["--root", str(folder)]
    url = f"http://127.0.0.1:{port}/"
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "studio" in process.stdout.readline()
            deadline = time.monotonic() + 10
            while True:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(url, timeout=1).close()
                    break
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield url
        finally:
            with contextlib.suppress(OSError):  # it may have been killed
                for job in ask(url, "api/jobs"):
                    if job["state"] in ("waiting", "running"):
                        ask(url, f"api/jobs/{job['id']}", {"action": "stop"})
            process.send_signal(signal.SIGTERM)


def ask(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, data), timeout=20) as answer:
        return json.loads(answer.read())


async def go(page: Page, place: str, until: str = "true") -> None:
    await page.run(f"location.hash = {place!r}")
    await page.until(f"{READY} && document.querySelector('.screen.{place.split('/')[0]} h1') && ({until})")


async def pick(page: Page, selector: str, value: str) -> None:
    await page.until(f"document.querySelector({selector!r})")
    await page.run(
        f"(box => {{ box.value = {value!r}; box.dispatchEvent(new Event('input', {{bubbles: true}})); "
        f"box.dispatchEvent(new Event('change', {{bubbles: true}})); }})(document.querySelector({selector!r}))"
    )


async def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("DARKROOM_PICTURES"):
        await asyncio.sleep(0.6)
        await page.picture(Path(folder) / f"{name}.png")


async def trained(page: Page) -> str:
    """Waits for the training that was started; gives its run."""
    await page.until("document.querySelector('.live h1')")
    await page.until("document.querySelectorAll('.line.train').length >= 1 && "
                     "document.querySelector('.line.train').points.length >= 2", TRAIN_SECONDS)  # fmt: skip
    await keep(page, "live")
    await page.until("document.getElementById('to-results') || document.querySelector('.notice.fault')", TRAIN_SECONDS)
    fault = await page.run("document.querySelector('.notice.fault')?.textContent ?? ''")
    assert not fault, fault
    run_id = await page.run("document.getElementById('to-results').hash.split('/')[1]")
    await page.click("#to-results")
    await page.until("document.querySelector('.verdict h2')")
    return str(run_id)


def png(class_name: str, rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(class_name, rng, (SIDE, SIDE))).save(file, "PNG")
    return file.getvalue()


@needs_browser
@pytest.mark.proof
@pytest.mark.parametrize("width", [1280, 390])
def test_every_screen_opens_in_an_empty_folder(tmp_path: Path, width: int) -> None:
    async def work(page: Page) -> None:
        for place in SCREENS:
            await go(page, place)
            assert await page.run("document.documentElement.scrollWidth <= innerWidth"), place
            assert await page.run("document.getElementById('problem').hidden"), place
        assert await page.run("[...document.querySelectorAll('main input, main select, main textarea')]"
                              ".every(box => box.labels?.length || box.getAttribute('aria-label'))")  # fmt: skip

    with studio(tmp_path) as url:
        started = time.monotonic()
        browse(url, tmp_path, work, width=width, ready=READY)
        assert time.monotonic() - started < 30


@pytest.mark.proof
def test_a_studio_that_is_killed_finds_its_jobs_again_and_they_have_gone_on(tmp_path: Path) -> None:
    make_photos(tmp_path / "colours", per_class=300)
    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(tmp_path / "colours"), "revision": 0})
        ask(url, "api/audit", {})
        deadline = time.monotonic() + 20
        while ask(url, "api/jobs")[0]["state"] == "waiting":
            assert time.monotonic() < deadline
        ask(url, "api/jobs", {"kind": "run"})
        os.kill(server_pid(url), signal.SIGKILL)
        time.sleep(0.2)
        with studio(tmp_path) as again:
            waiting = ask(again, "api/jobs")[0]
            assert waiting["kind"] == "run"
            assert waiting["state"] in ("waiting", "running"), "where the audit was quick, its turn has come"
            ask(again, f"api/jobs/{waiting['id']}", {"action": "stop"})
            while ask(again, "api/audit")["state"] != "done":
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert ask(again, "api/audit")["info"]["num_files"] == 900
            assert ask(again, "api/draft")["params"]["data"]["uri"] == str(tmp_path / "colours")


def colours(folder: Path, rng: np.random.Generator) -> Path:
    """An archive of photos, as a person has one."""
    with zipfile.ZipFile(folder / "colours.zip", "w") as archive:
        for class_name in CLASS_NAMES:
            for number in range(40):
                archive.writestr(f"colours/{class_name}/{number}.png", png(class_name, rng))
    return folder / "colours.zip"


async def send_photos(page: Page, archive: Path) -> None:
    await page.choose([archive], "#archive")
    await page.until("document.querySelectorAll('.class').length >= 3")
    await page.until("document.querySelector('.bars')", 60)


async def start(page: Page, epochs: int) -> str:
    await go(page, "training", "document.getElementById('start')?.disabled === false")
    await pick(page, "[data-key='train.epochs'] input", str(epochs))
    await page.until("document.querySelector('.preview')?.naturalWidth > 0")
    await keep(page, "training")
    await page.click("#start")
    return await trained(page)


@needs_browser
@pytest.mark.proof
def test_from_an_empty_start_to_the_photos_behind_the_figures_of_a_network_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    async def build(page: Page) -> None:
        await go(page, "model/layers")
        await pick(page, "#template", "Small")
        await page.until("document.querySelectorAll('.layer').length === 14 && document.querySelector('.drawing img')")
        await page.click(".layer:nth-child(14) .remove")
        await page.click(".layer:nth-child(13) .remove")
        await page.until("document.querySelector('.layer.faulty .why')?.textContent.includes('flat vector')")
        await keep(page, "model-faulty")
        await go(page, "training", "document.getElementById('start')?.disabled")
        await page.until("document.getElementById('reasons').textContent.includes('flat vector')")
        assert "flat vector" in await page.run("document.getElementById('spoken').textContent")
        await go(page, "model/layers")
        await pick(page, "#add-layer", "GlobalAveragePooling2D")
        await page.click("#add")
        await page.until("document.querySelector('.drawing img') && !document.querySelector('.layer.faulty')")
        await keep(page, "model")

    async def look_at_results(page: Page) -> None:
        await page.click(".cell.right")
        await page.until("document.querySelector('#cell img')?.naturalWidth > 0")
        await page.click("#cell .thumb")
        await page.until("document.querySelector('#cell .thumb').getAttribute('aria-pressed') === 'true'")
        await keep(page, "results")

    async def work(page: Page) -> None:
        await send_photos(page, colours(tmp_path, rng))
        await keep(page, "data")
        await build(page)
        await start(page, 6)
        await look_at_results(page)

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)
        assert "tensorflow" not in Path(f"/proc/{server_pid(url)}/maps").read_text(), "it stays with the work"


@needs_browser
@pytest.mark.proof
def test_a_pretrained_network_is_chosen_and_trained(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await send_photos(page, colours(tmp_path, np.random.default_rng(1)))
        await go(page, "model/pretrained")
        await page.click("[aria-label='Choose MobileNetV2']")
        await page.until("document.querySelector('.model-card.chosen')")
        await keep(page, "gallery")
        await pick(page, "#panel .card .field:nth-of-type(2) select", "none")
        await go(page, "training")
        await pick(page, "[data-key='preprocess.image_size'] input", "32")
        await start(page, 2)

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)


@needs_browser
@pytest.mark.proof
def test_an_uploaded_network_goes_through_the_safe_import_and_is_trained(tmp_path: Path) -> None:
    program = (
        "import sys, keras; "
        f"photo = keras.Input(({SIDE}, {SIDE}, 3)); x = keras.layers.Rescaling(1 / 255)(photo); "
        "x = keras.layers.Conv2D(8, 3, activation='relu')(x); x = keras.layers.GlobalAveragePooling2D()(x); "
        "keras.Model(photo, keras.layers.Dense(3)(x)).save(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "mine.keras")], check=True, timeout=120)
    (tmp_path / "code.h5").write_bytes(b"\x89HDF\r\n\x1a\n and then nothing")

    async def work(page: Page) -> None:
        await send_photos(page, colours(tmp_path, np.random.default_rng(2)))
        await go(page, "model/upload")
        await page.choose([tmp_path / "code.h5"], "#model-file")
        await page.until("document.querySelector('.card .tag.failed')?.textContent === 'refused'", 60)
        await page.choose([tmp_path / "mine.keras"], "#model-file")
        use = "[...document.querySelectorAll('button')].find(one => one.textContent === 'Use it')"
        await page.until(use, 120)
        await keep(page, "upload")
        await page.run(f"{use}.click()")
        await page.until("document.querySelector('.card .tag.done')?.textContent === 'chosen'")
        await start(page, 3)
        await go(page, "results", "document.querySelectorAll('tbody input').length === 1")
        await keep(page, "leaderboard")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)


def server_pid(url: str) -> int:
    import psutil

    port = int(url.rsplit(":", 1)[1].strip("/"))
    return next(connection.pid for connection in psutil.net_connections("tcp")
                if connection.laddr and connection.laddr.port == port and connection.status == "LISTEN")  # fmt: skip
