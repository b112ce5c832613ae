"""The map of a finished run's photos, photos that a phone sends, and the live camera, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.studio.test_accessibility import EYES, violations
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.support.browser import Page, browse
from tests.support.studio import READY, SIDE, ask, finish_runs, go, keep, needs_browser, pick, png, says, studio

pytestmark = [needs_browser, pytest.mark.proof]
PER_CLASS = 40


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio whose folder contains a finished run."""
    folder = tmp_path_factory.mktemp("studio")
    photos = make_photos(folder / "colors", per_class=PER_CLASS, size=(SIDE, SIDE))
    with studio(folder) as url:
        finish_runs(url, photos, {"train.epochs": 12})
        yield url


def test_the_map_of_a_run_shows_its_photos(url: str, tmp_path: Path) -> None:
    run_id = ask(url, "api/runs")["runs"][0]["run_id"]

    async def work(page: Page) -> None:
        await go(page, f"results/{run_id}", "document.querySelector('.map')")
        assert await page.run("document.querySelectorAll('.map .dot').length") == PER_CLASS * len(CLASS_NAMES)
        await page.run("document.querySelector('.map').focus()")
        await page.press("ArrowRight")
        await says(page, ".map-photo b", CLASS_NAMES[0])
        await page.until("document.querySelector('.map-photo img').naturalWidth > 0")
        await pick(page, ".filters .field:first-child select", "1")
        await page.until(f"document.querySelectorAll('.map .dimmed').length === {2 * PER_CLASS}")
        await page.press("ArrowRight")
        await says(page, ".map-photo b", CLASS_NAMES[1])

    browse(url, tmp_path, work, ready=READY)


def test_photos_sent_from_a_phone_are_classified_on_the_computer(url: str, tmp_path: Path) -> None:
    run_id = ask(url, "api/runs")["runs"][0]["run_id"]
    photo = tmp_path / "green.png"
    photo.write_bytes(png("green", np.random.default_rng(3)))

    async def work(page: Page) -> None:
        await page.run(EYES)
        await go(page, f"try/{run_id}")
        await page.click("#phone")
        address = await page.until("document.querySelector('dialog.phone a')?.href")
        await keep(page, "phone-code")
        assert await violations(page) == []
        async with page.tab(address) as phone:
            await phone.until("document.readyState === 'complete' && document.getElementById('photo')")
            await phone.choose([photo], "#photo")
            await says(phone, "#status", "Photos sent: 1.")
            await keep(phone, "phone-page")
        await says(page, "dialog.phone [role=status]", "Photos received: 1.")
        await page.click_on("Close", "dialog.phone")
        await says(page, ".answers .label", "green")

    browse(url, tmp_path, work, ready=READY)


def test_camera_pictures_are_classified_until_the_camera_window_is_closed(url: str, tmp_path: Path) -> None:
    run_id = ask(url, "api/runs")["runs"][0]["run_id"]

    async def work(page: Page) -> None:
        await go(page, f"try/{run_id}")
        await page.click("#watch")
        await page.until("document.querySelectorAll('dialog.camera .shares li').length")
        await page.click_on("Close", "dialog.camera")
        await page.until("!document.querySelector('dialog')")

    browse(url, tmp_path, work, ready=READY)
