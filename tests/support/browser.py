"""Controls a page in a real browser over Chrome's DevTools protocol, so that no driver has to be installed."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 60
HEIGHT = 800


class Page:
    """One page of a browser.

    Attributes:
        width: the width of the window, in pixels.
        clicks: the number of clicks so far.
        replies: the text to enter into the page's next prompts, in order.
        events: the events that the browser has reported so far.
    """

    def __init__(self, session: Any, socket: Any, address: str, width: int):
        """Controls a page through its WebSocket.

        Args:
            session: the aiohttp session.
            socket: the WebSocket to the page.
            address: the address of the WebSocket.
            width: the width of the window, in pixels.
        """
        self._session = session
        self._socket = socket
        self._address = address
        self._number = 0
        self.width = width
        self.clicks = 0
        self.replies: list[str] = []
        self.events: list[dict[str, Any]] = []

    async def open(self, url: str) -> None:
        """Opens an address, and makes the browser report the page's events."""
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            await self.call(f"{domain}.enable")
        await self._resize(HEIGHT)
        await self.call("Page.navigate", url=url)

    @contextlib.asynccontextmanager
    async def tab(self, url: str) -> AsyncIterator["Page"]:
        """Opens a new window of the same browser, and closes it at the end of the block, even if it is still busy."""
        target = (await self.call("Target.createTarget", url="about:blank", newWindow=True))["targetId"]
        async with self._attached(target) as page:
            await page.open(url)
            yield page
            await self.call("Target.closeTarget", targetId=target)

    @contextlib.asynccontextmanager
    async def opened(self, part: str) -> AsyncIterator["Page"]:
        """Finds the tab that a click has opened, by a part of its address, and closes it at the end of the block."""
        deadline = time.monotonic() + 3 * SECONDS
        target_ids: list[str] = []
        while not target_ids:
            assert time.monotonic() < deadline, f"a tab whose address contains {part} must open"
            targets = (await self.call("Target.getTargets"))["targetInfos"]
            target_ids = [
                target["targetId"] for target in targets if target["type"] == "page" and part in target["url"]
            ]
        async with self._attached(target_ids[0]) as page:
            await page.call("Page.enable")
            while True:
                with contextlib.suppress(AssertionError):  # the tab is still loading
                    await page.until("document.readyState === 'complete'")
                    break
                assert time.monotonic() < deadline, f"the tab whose address contains {part} must load"
            yield page
            await self.call("Target.closeTarget", targetId=target_ids[0])

    @contextlib.asynccontextmanager
    async def _attached(self, target: str) -> AsyncIterator["Page"]:
        address = f"{self._address.rpartition('/')[0]}/{target}"
        async with self._session.ws_connect(address, max_msg_size=0) as socket:
            yield Page(self._session, socket, address, self.width)

    async def save_to(self, folder: Path) -> None:
        """Sets the folder for later downloads."""
        folder.mkdir(exist_ok=True)
        await self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    async def _resize(self, height: int) -> None:
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=self.width,
            height=height,
            deviceScaleFactor=1,
            mobile=self.width < 600,
        )

    async def _send(self, method: str, **options: Any) -> int:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": options})
        return self._number

    async def call(self, method: str, **options: Any) -> Any:
        number = await self._send(method, **options)
        while True:
            message = json.loads((await self._socket.receive()).data)
            if message.get("id") == number:
                assert "result" in message, (method, message)
                return message["result"]
            if "method" in message:
                self.events.append(message)
            if message.get("method") == "Page.javascriptDialogOpening":  # it blocks the page
                await self._send("Page.handleJavaScriptDialog", accept=True, promptText=self.replies.pop(0))

    async def run(self, code: str) -> Any:
        reply = await self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in reply, reply
        return reply["result"].get("value")

    async def until(self, code: str, seconds: float = SECONDS) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := await self.run(f"(value => value instanceof Node || value)({code})")):
            assert time.monotonic() < deadline, code
            await asyncio.sleep(0.1)
        return value

    async def press(self, key: str) -> None:
        code = {"Tab": 9, "Enter": 13, "ArrowRight": 39}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            await self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                windowsVirtualKeyCode=code,
                **(text if kind == "keyDown" else {}),
            )

    async def click(self, selector: str) -> None:
        """Clicks in the middle of an element, as a mouse does; the element must exist and not be covered."""
        await self._click(f"document.querySelector({json.dumps(selector)})")

    async def click_on(self, name: str, within: str = "body") -> None:
        """Clicks on an element whose label or text is `name`."""
        await self._click(
            f"[...document.querySelectorAll({json.dumps(within)})]"
            ".flatMap(one => [...one.querySelectorAll('button, a, label, summary, summary b')])"
            f".find(one => one.checkVisibility() && [one.ariaLabel, one.textContent, ...[...one.childNodes]"
            f".map(node => node.textContent)].some(text => text?.trim() === {json.dumps(name)}))"
        )

    async def _click(self, element: str) -> None:
        await self.until(f"(element => element && !element.disabled)({element})")
        met = "(element, met) => Boolean(element && met && (element.contains(met) || met.contains(element)))"
        deadline = time.monotonic() + 5
        while True:  # a redrawn element may have moved
            x, y = await self._place(element)
            if await self.run(f"({met})({element}, document.elementFromPoint({x}, {y}))"):
                break
            assert time.monotonic() < deadline, f"no other element may cover {element}"
        self.clicks += 1
        for kind in ("mousePressed", "mouseReleased"):
            await self._mouse(kind, x, y)

    async def _place(self, element: str) -> tuple[float, float]:
        """Returns the middle of an element once the element has stopped moving."""
        place = (
            f"(element => {{ element?.scrollIntoView({{block: 'center', behavior: 'instant'}}); "
            "const box = element?.getBoundingClientRect(); "
            f"return box && [box.x + box.width / 2, box.y + box.height / 2]; }})({element})"
        )
        before = None
        while (now := await self.until(place)) != before:  # a click would miss an element that is still moving
            before = now
            await asyncio.sleep(0.15)
        x, y = now
        return x, y

    async def picture(self, path: Path) -> None:
        """Saves a screenshot of the whole page, in a window as high as the page."""
        await self._resize(max(HEIGHT, int(await self.run("document.documentElement.scrollHeight"))))
        await asyncio.sleep(0.3)
        found = await self.call("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(found["data"]))
        await self._resize(HEIGHT)

    async def drop(self, files: list[Path], selector: str) -> None:
        """Drags files onto an element of the page and drops them there."""
        x, y = await self._place(f"document.querySelector({json.dumps(selector)})")
        dragged = {"items": [], "files": [str(path) for path in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=dragged)

    async def drag(self, selector: str, target: str) -> None:
        """Drags an element of the page onto another."""
        await self.call("Input.setInterceptDrags", enabled=True)
        x, y = await self._place(f"document.querySelector({json.dumps(selector)})")
        await self._mouse("mousePressed", x, y)
        for step in range(1, 4):
            await self._mouse("mouseMoved", x + 4 * step, y + 4 * step)
        await self.until("new Promise(done => setTimeout(done, 300, true))")  # time for the browser to report the drag
        drag_event = [event for event in self.events if event["method"] == "Input.dragIntercepted"].pop()
        x, y = await self._place(f"document.querySelector({json.dumps(target)})")
        for kind in ("dragEnter", "dragOver", "drop"):
            await self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=drag_event["params"]["data"])
        await self._mouse("mouseReleased", x, y)
        await self.call("Input.setInterceptDrags", enabled=False)

    async def _mouse(self, kind: str, x: float, y: float) -> None:
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    async def choose(self, files: list[Path], selector: str = "#files") -> None:
        root = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.call("DOM.querySelector", nodeId=root, selector=selector))["nodeId"]
        await self.call("DOM.setFileInputFiles", files=[str(path) for path in files], nodeId=node)


def browse(
    url: str,
    folder: Path,
    work: Callable[[Page], Awaitable[None]],
    *,
    width: int = 1280,
    ready: str = "document.querySelectorAll('#samples button').length > 0",
    expected: str | None = None,
) -> None:
    """Opens a page, runs `work` on it, and checks that nothing failed or was loaded from other servers.

    Args:
        url: the address of the page.
        folder: a folder for the browser's own files.
        work: called with the page once the page is ready.
        width: the width of the window, in pixels.
        ready: a JavaScript expression that is true once the page is ready.
        expected: errors in the browser's log are allowed if they contain this string, such as an address.
    """
    import aiohttp

    async def drive(port: int) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                target = next(one for one in await answer.json() if one["type"] == "page")
            address = target["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                page = Page(session, socket, address, width)
                await page.open(url)
                await page.until(ready)
                await work(page)
                assert await page.run("document.documentElement.scrollWidth <= innerWidth"), (
                    "the page must not scroll sideways"
                )
                check(page.events)

    def check(events: list[dict[str, Any]]) -> None:
        # If a page (such as a plain-text error) names no icon, the browser itself requests this one.
        icon_url = urllib.parse.urljoin(url, "/favicon.ico")
        for event in events:
            if event["method"] == "Network.requestWillBeSent":
                requested = event["params"]["request"]["url"]
                is_allowed = requested == icon_url or requested.startswith((url, "data:", "blob:"))
                assert is_allowed, f"the page must request nothing else: {requested}"
            assert event["method"] != "Runtime.exceptionThrown", event
            if event["method"] == "Log.entryAdded":
                entry = event["params"]["entry"]
                is_expected = entry.get("url") == icon_url or (expected and expected in str(entry))
                assert entry["level"] != "error" or is_expected, event

    command = [
        str(CHROMIUM),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--user-data-dir={folder / 'profile'}",
        "--remote-debugging-port=0",
        "about:blank",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            port_path = folder / "profile" / "DevToolsActivePort"
            deadline = time.monotonic() + SECONDS
            while not (port_path.exists() and port_path.read_text().count("\n")):
                assert time.monotonic() < deadline, "the browser must start"
                time.sleep(0.1)
            asyncio.run(drive(int(port_path.read_text().split()[0])))
        finally:
            browser.terminate()
