"""The studio behind a reverse proxy that exposes it under a path prefix."""

import json
from pathlib import Path

import pytest

from tests.support.artifacts import make_photos
from tests.support.browser import Page, browse
from tests.support.prefix_proxy import prefix_proxy
from tests.support.processes import free_port
from tests.support.studio import READY, SCREENS, TOKEN, TRAIN_SECONDS, go, keep, needs_browser, studio

pytestmark = [needs_browser, pytest.mark.proof]
PREFIX = "/lab/darkroom"


@pytest.mark.parametrize("keeps_prefix", [True, False], ids=["kept", "removed"])
def test_every_screen_works_below_a_path_prefix(tmp_path: Path, keeps_prefix: bool) -> None:
    port, proxy_port = free_port(), free_port()
    url = f"http://127.0.0.1:{proxy_port}{PREFIX}/"
    choice = {"uri": str(make_photos(tmp_path / "colors")), "revision": 0}

    async def work(page: Page) -> None:
        await page.call("Page.navigate", url=f"{url}?token={TOKEN}")
        await page.until(READY)
        assert await page.run("location.href") == url
        await page.until("!document.querySelector('#queue-dot.off')")
        body = json.dumps(json.dumps(choice))
        await page.run(f"fetch('api/data/choose', {{method: 'POST', body: {body}}}).then(() => true)")
        await page.until("document.querySelectorAll('.class').length === 3", 120)
        for place in SCREENS:
            await go(page, place)
            assert await page.run("document.getElementById('problem').hidden"), place
        await go(page, "data/photos", "document.querySelector('.photo-cell img')?.naturalWidth > 0")
        await keep(page, f"prefix-photos-{keeps_prefix}")
        await go(page, "training", "document.getElementById('start')?.disabled === false")
        await page.click("#start")
        await page.until("document.querySelector('.stepper .done')", TRAIN_SECONDS)
        await page.click("#stop")
        await page.until("document.getElementById('again')", 90)

    with (
        studio(tmp_path, port, public_url=url),
        prefix_proxy(proxy_port, PREFIX, f"127.0.0.1:{port}", keeps_prefix=keeps_prefix),
    ):
        browse(url, tmp_path, work, ready="document.body.textContent.includes('requires its token')", expected="401")
