"""The service's page in a real browser: on a wide and a narrow screen, with the keyboard, and with the camera."""

from pathlib import Path

import pytest

from components.deploy.parity import golden_photos
from tests.e2e.service.conftest import Deployed
from tests.support.artifacts import CLASS_NAMES
from tests.support.axe import violations
from tests.support.browser import CHROMIUM, Page, browse
from tests.support.studio import keep

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def golden(deployed: Deployed) -> list[Path]:
    return golden_photos(deployed.dataset_dir)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_shows_answers_and_the_reason_for_a_broken_file(
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


def test_a_sample_is_classified_with_the_keyboard_alone(url: str, tmp_path: Path) -> None:
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
        assert await page.run("document.getElementById('video').srcObject === null"), "the camera must be released"

    browse(url, tmp_path, work)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_pages_are_accessible(url: str, tmp_path: Path, path: str, width: int) -> None:
    async def work(page: Page) -> None:
        if path != "/":
            await page.call("Page.navigate", url=url + path)
        await page.until(f"location.pathname === {path!r} && document.readyState === 'complete'")
        for scheme in ("light", "dark"):
            await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            await page.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            await keep(page, f"service{path.replace('/', '-')}-{scheme}-{width}")
            assert await violations(page) == [], scheme
            assert await page.run("document.documentElement.scrollWidth <= innerWidth"), (
                "the page must not scroll sideways"
            )

    browse(url, tmp_path, work, width=width)
