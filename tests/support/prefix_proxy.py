"""A reverse proxy that exposes a server under a path prefix.

As nginx does by default, it does not pass on the Host header. It forwards WebSockets.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping

import aiohttp
from aiohttp import web

NOT_PASSED = {"connection", "content-encoding", "content-length", "host", "transfer-encoding", "upgrade"}
"""Headers that are not forwarded; neither are those that begin with sec-websocket."""


def passed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: text
        for name, text in headers.items()
        if name.lower() not in NOT_PASSED and not name.lower().startswith("sec-websocket")
    }


async def bridge(request: web.Request, session: aiohttp.ClientSession, address: str) -> web.StreamResponse:
    """Forwards the messages of a WebSocket in both directions."""
    browser = web.WebSocketResponse()
    await browser.prepare(request)

    async def copy(source: "web.WebSocketResponse | aiohttp.ClientWebSocketResponse", target: object) -> None:
        async for message in source:
            await target.send_str(message.data)  # type: ignore[attr-defined]

    async with session.ws_connect(address, headers=passed_headers(request.headers)) as server:
        tasks = [asyncio.ensure_future(copy(*pair)) for pair in ((browser, server), (server, browser))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
    return browser


async def serve(port: int, prefix: str, target: str, keeps_prefix: bool, stop: asyncio.Event) -> None:
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def pass_on(request: web.Request) -> web.StreamResponse:
            if not request.path.startswith(f"{prefix}/"):
                return web.Response(status=404, text="the path must begin with the prefix")
            path = request.raw_path if keeps_prefix else request.raw_path.removeprefix(prefix)
            if request.headers.get("upgrade", "").lower() == "websocket":
                return await bridge(request, session, f"ws://{target}{path}")
            options = {"headers": passed_headers(request.headers), "allow_redirects": False}
            body = await request.read()
            async with session.request(request.method, f"http://{target}{path}", data=body, **options) as answer:
                headers = passed_headers(answer.headers)
                if "content-encoding" in answer.headers:
                    headers["content-encoding"] = answer.headers["content-encoding"]
                return web.Response(status=answer.status, body=await answer.read(), headers=headers)

        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", pass_on)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await stop.wait()
        await runner.cleanup()


@contextlib.contextmanager
def prefix_proxy(port: int, prefix: str, target: str, *, keeps_prefix: bool) -> Iterator[None]:
    """Runs the proxy until the end of the block.

    Args:
        port: the port to listen on.
        prefix: the beginning of all served paths, such as `/lab`; other paths get a 404.
        target: the host and port of the server.
        keeps_prefix: whether the path that the proxy sends to the server includes the prefix.
    """
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(serve(port, prefix, target, keeps_prefix, stop),), daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
