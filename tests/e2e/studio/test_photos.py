"""The studio's photo grid in a real browser: ten thousand photos, decisions, undo, splits, and an uploaded folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.artifacts import make_photos
from tests.support.browser import Page, browse
from tests.support.page_traces import SCROLL_GRID, trace_tasks, write_many
from tests.support.studio import READY, ask, go, keep, needs_browser, pick, says, studio

pytestmark = [needs_browser, pytest.mark.proof]
NUM_PHOTOS = 10_000
LONGEST_TASK_MS = 50


def test_ten_thousand_photos_scroll_without_a_long_task(tmp_path: Path) -> None:
    photos = write_many(tmp_path / "insects", NUM_PHOTOS // 2)

    async def work(page: Page) -> None:
        await go(page, "data/photos", "document.querySelector('.photo-cell img')")
        await says(page, "#num-photos", "10,000 photos")
        assert await page.run("document.querySelectorAll('.photo-cell').length") < 300
        tasks = await trace_tasks(page, SCROLL_GRID)
        print(f"{len(tasks)} tasks, the longest of which took {max(tasks):.1f} ms")
        assert max(tasks) <= LONGEST_TASK_MS
        await page.until(
            "[...document.querySelectorAll('.photo-cell .name')].at(-1)?.textContent === '04999.png' && "
            "document.querySelector('.photo-cell:last-child img').naturalWidth > 0"
        )
        await keep(page, "photos-many")

    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})
        browse(url, tmp_path, work, ready=READY)


def cell(name: str, part: str) -> str:
    return f".photo-cell {part}[aria-label$='{name}']"


def test_photos_are_relabeled_and_the_removal_of_a_photo_is_undone(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "colors", per_class=8)
    names = sorted(path.name for path in (photos / "red").iterdir())

    async def work(page: Page) -> None:
        await go(page, "data", "document.querySelector('.bars')")
        await says(page, ".class .balance", "8 of 20 recommended photos")
        await page.click_on("red")
        await says(page, "#num-photos", "8 photos")
        for name in names[:2]:
            await page.click(cell(f"red/{name}", "input"))
        await says(page, "#num-selected", "2 selected")
        await pick(page, "#move", "blue")
        await page.click(cell(f"red/{names[2]}", "input"))
        await page.click("#remove")
        await says(page, ".decide", "3 photos changed")
        await keep(page, "photos-decisions")
        await page.click("#undo")
        await says(page, ".decide", "2 photos changed")
        await page.click(cell(f"red/{names[4]}", "button"))
        await page.until("document.querySelector('.viewer img')?.naturalWidth > 0")
        await keep(page, "photos-viewer")
        await pick(page, ".viewer select", "green")
        await page.click_on("Close")
        await page.click("#make-version")
        await says(page, ".versions", "3 relabeled", 60)

    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})
        ask(url, "api/audit", {})
        browse(url, tmp_path, work, ready=READY)
        (version,) = ask(url, "api/data")["versions"]
        assert (version["what"], version["num_photos"]) == ("3 relabeled", 24)


def test_a_slider_shows_how_many_photos_would_change_splits(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "colors", per_class=40)

    async def work(page: Page) -> None:
        await go(page, "data", "document.querySelector('#splits summary')")
        await page.click("#splits summary")
        await says(page, "#splits", "These are the current splits.")
        await page.run(
            "(slider => { slider.value = 0.3; slider.dispatchEvent(new Event('input')); })"
            "(document.getElementById('share-validation'))"
        )
        await says(page, "#splits", "18 photos would change splits.")
        await keep(page, "data-splits")
        await page.click("#use-splits")
        await page.until("document.querySelector('.bars .track')?.ariaLabel.includes('12 validation')", 60)

    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})
        ask(url, "api/audit", {})
        browse(url, tmp_path, work, ready=READY)
        assert ask(url, "api/draft")["params"]["preprocess"]["validation_fraction"] == 0.3


def test_a_folder_is_uploaded_with_its_classes_and_kept_as_a_version(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "elsewhere" / "pets", per_class=5)
    (photos / "notes.txt").write_text("not a photo")

    async def work(page: Page) -> None:
        root = (await page.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await page.call("DOM.querySelector", nodeId=root, selector="#folder"))["nodeId"]
        await page.call("DOM.setFileInputFiles", files=[str(photos)], nodeId=node)
        await says(page, "main", "15 photos in 3 classes", 60)
        await page.click("#snapshot")
        await says(page, ".versions", "snapshot")
        await keep(page, "data-snapshot")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)
        answer: dict[str, Any] = ask(url, "api/data")
        assert answer["own"] == ["pets"]
        assert json.dumps(answer["data"]["classes"]).count('"num_photos": 5') == 3
