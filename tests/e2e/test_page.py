"""The page in a real browser: photos in, answers seen, by keyboard, on a phone, from the camera."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from components.deploy.parity import golden_photos
from tests.e2e.conftest import Deployed
from tests.made import CLASS_NAMES

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
SECONDS = 20


@pytest.fixture(scope="module")
def golden(deployed: Deployed) -> list[Path]:
    return golden_photos(deployed.dataset_dir)


class Page:
    """One page of a browser."""

    def __init__(self, socket: Any):
        self._socket = socket
        self._number = 0
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **options: Any) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": options})
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get("id") == self._number:
                return message["result"]
            self.events.append(message)

    async def run(self, code: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, code: str) -> Any:
        deadline = time.monotonic() + SECONDS
        while not (found := await self.run(code)):
            assert time.monotonic() < deadline, code
            await asyncio.sleep(0.1)
        return found

    async def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code,
                            **(text if kind == "keyDown" else {}))  # fmt: skip

    async def choose(self, files: list[Path]) -> None:
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.call("DOM.querySelector", nodeId=root, selector="#files"))["nodeId"]
        await self.call("DOM.setFileInputFiles", files=[str(path) for path in files], nodeId=node)


def browse(url: str, folder: Path, work: Callable[[Page], Awaitable[None]], *, width: int = 1280) -> None:
    """Opens the page, does the work, and sees that nothing failed and nothing was loaded from elsewhere."""
    import aiohttp

    async def drive(port: int) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                target = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
                    await page.call(f"{domain}.enable")
                await page.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1,
                                mobile=width < 600)  # fmt: skip
                await page.call("Page.navigate", url=url)
                await page.until("document.querySelectorAll('#samples button').length > 0")
                await work(page)
                assert await page.run("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling"
                check(page.events)

    def check(events: list[dict[str, Any]]) -> None:
        for event in events:
            if event["method"] == "Network.requestWillBeSent":
                assert event["params"]["request"]["url"].startswith((url, "data:", "blob:"))
            assert event["method"] != "Runtime.exceptionThrown", event
            if event["method"] == "Log.entryAdded":
                assert event["params"]["entry"]["level"] != "error", event

    command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream",
               "--use-fake-ui-for-media-stream", f"--user-data-dir={folder / 'profile'}", "--remote-debugging-port=0",
               "about:blank"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            told = folder / "profile" / "DevToolsActivePort"
            deadline = time.monotonic() + SECONDS
            while not (told.exists() and told.read_text().count("\n")):
                assert time.monotonic() < deadline, "the browser did not start"
                time.sleep(0.1)
            asyncio.run(drive(int(told.read_text().split()[0])))
        finally:
            browser.terminate()


@pytest.mark.parametrize("width", [1280, 390])
def test_photos_get_their_answers_and_a_broken_file_its_reason(
    url: str, golden: list[Path], tmp_path: Path, width: int
) -> None:
    (tmp_path / "notes.txt").write_text("milk, eggs")

    async def work(page: Page) -> None:
        await page.choose([*golden[:3], tmp_path / "notes.txt"])
        await page.until("document.querySelectorAll('.card:not(.waiting)').length === 4")
        labels = await page.run("[...document.querySelectorAll('.card:not(.failed) .verdict')].map(x => x.textContent)")
        assert {label.split()[-1] for label in labels} <= set(CLASS_NAMES)
        assert "must be one of" in await page.run("document.querySelector('.card.failed .doubt').textContent")
        assert (
            await page.run("document.querySelectorAll('.card:not(.failed)')[0].querySelectorAll('meter').length") == 3
        )
        await page.run("document.querySelector('.card:not(.failed) .where').click()")
        await page.until("document.querySelector('.card:not(.failed) .map').naturalWidth > 0")
        await page.until(
            "document.querySelector('.card:not(.failed) .how').textContent.includes('class activation map')"
        )

    browse(url, tmp_path, work, width=width)


def test_a_sample_is_tried_by_keyboard_alone(url: str, tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        for _ in range(12):
            await page.press("Tab")
            if await page.run("document.activeElement.closest('#samples') !== null"):
                break
        await page.press("Enter")
        assert await page.until("document.querySelector('.card:not(.waiting) .verdict')?.textContent")

    browse(url, tmp_path, work)


def test_the_camera_takes_a_photo(url: str, tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.run("document.getElementById('camera').click()")
        await page.until("document.getElementById('video').videoWidth > 0")
        await page.run("document.getElementById('shoot').click()")
        await page.until("document.querySelectorAll('.card:not(.waiting):not(.failed)').length === 1")
        assert await page.run("document.getElementById('video').srcObject === null"), "the camera is let go"

    browse(url, tmp_path, work)
