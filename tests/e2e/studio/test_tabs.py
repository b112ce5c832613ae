"""Unusual use of the studio: edits in two tabs at once, a tab closed during an upload, 5,000 photos, a dead server."""

import os
import signal
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.support.artifacts import make_photos
from tests.support.browser import Page, browse
from tests.support.processes import free_port, wait_for
from tests.support.studio import (
    READY,
    ask,
    colors,
    finished,
    go,
    keep,
    needs_browser,
    paused,
    pick,
    png,
    says,
    send_photos,
    server_pid,
    studio,
)

pytestmark = [needs_browser, pytest.mark.proof]
EPOCHS = "[data-key='train.epochs'] input"
PHOTOS = 5_000
UPLOAD_BYTES = 20_000_000
SLOW = 400_000
"""The upload rate in bytes per second, so low that the tab is closed before the upload finishes."""


def test_two_tabs_that_edit_at_the_same_time_converge(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        async with page.tab(url) as other:
            await other.until(READY)
            for tab in (page, other):
                await go(tab, "training", f"document.querySelector({EPOCHS!r})")
            await pick(page, EPOCHS, "7")
            await other.until(f"document.querySelector({EPOCHS!r}).value === '7'")
            await at_once(page, other)
            epochs = ask(url, "api/draft")["params"]["train"]["epochs"]
            assert epochs in (11, 12)
            for tab in (page, other):
                await tab.until(f"document.querySelector({EPOCHS!r}).value === '{epochs}'")
            problems = [await tab.run("document.getElementById('problem-text').textContent") for tab in (page, other)]
            assert ["another tab" in text for text in problems].count(True) == 1, problems

    async def at_once(page: Page, other: Page) -> None:
        with paused(url):  # neither tab learns of the other's change
            await pick(page, EPOCHS, "11")
            await pick(other, EPOCHS, "12")
        for tab in (page, other):
            await tab.until("fetch('/api/draft').then(answer => answer.json()).then(draft => draft.revision === 2)")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY, expected="api/draft")


def test_a_reloaded_page_and_a_second_tab_show_the_running_job(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "colors", per_class=40)

    async def work(page: Page) -> None:
        await go(page, "training", "document.getElementById('start')?.disabled === false")
        await page.click("#start")
        await page.until("document.querySelector('.stepper .done')", 240)
        await page.call("Page.reload")
        async with page.tab(url + "#live") as other:
            for tab in (page, other):
                await tab.until(
                    f"{READY} && document.querySelector('.stepper .done') && document.querySelector('.log')"
                    ".textContent.includes('photos')",
                    90,
                )
            await other.click("#stop")
            await page.until("document.getElementById('again')", 90)

    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})
        browse(url, tmp_path, work, ready=READY)


def test_a_tab_closed_during_an_upload_leaves_no_partial_photos(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "large.zip", "w") as archive:
        archive.writestr("large/red/noise.png", np.random.default_rng(0).bytes(UPLOAD_BYTES))
    home = tmp_path / ".darkroom" / "studio"

    async def work(page: Page) -> None:
        async with page.tab(url) as other:
            await other.until(READY)
            await other.call(
                "Network.emulateNetworkConditions",
                offline=False,
                latency=0,
                downloadThroughput=-1,
                uploadThroughput=SLOW,
            )
            await other.choose([tmp_path / "large.zip"], "#archive")
            await other.until("document.querySelector('.door progress').value > 0")
            assert list((home / "uploads").glob(".*.partial")), "the upload must have started"
        wait_for(lambda: not any((home / "uploads").iterdir()), "the partial upload to be removed", 10)
        assert not (home / "photos").exists()
        await send_photos(page, colors(tmp_path, np.random.default_rng(1)))

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)


def test_five_thousand_photos_can_be_dropped_and_an_empty_class_is_reported(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    files = [tmp_path / f"{number}.png" for number in range(PHOTOS)]
    for file in files:
        file.write_bytes(png("green", rng))

    async def add_class(page: Page, name: str) -> None:
        await pick(page, "#class-name", name)
        await page.click("#add-class")

    async def work(page: Page) -> None:
        await pick(page, "#new-name", "leaves")
        await page.click("#make")
        await add_class(page, "oak")
        await page.until("document.querySelector('.class[aria-label=oak]')")
        await add_class(page, "Oak")
        await page.until("document.getElementById('problem-text').textContent.includes('must be unique')")
        await add_class(page, "elm")
        await page.until("document.querySelector('.class[aria-label=elm]')")
        start_time = time.monotonic()
        await page.drop(files, ".class[aria-label=oak]")
        await page.until("document.querySelector('.class[aria-label=oak]').textContent.includes('5,000 photos')", 120)
        print(f"{time.monotonic() - start_time:.0f} s")
        assert "elm has none" in await page.run("document.querySelector('.card [role=alert]').textContent")
        await go(page, "training", "document.getElementById('reasons')?.textContent.includes('photos; elm has none')")
        assert await page.run("document.getElementById('start').disabled")
        await go(page, "data", "document.querySelector('.class[aria-label=elm]')")
        await page.drop(files[:20], ".class[aria-label=elm]")
        await page.until("document.querySelector('.class[aria-label=elm]').textContent.includes('20 photos')")
        await go(page, "training", "document.getElementById('start')?.disabled === false")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY, expected="api/data/classes")


def test_training_continues_without_the_studio_and_the_page_reconnects(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "colors", per_class=40)
    epochs = "document.querySelector('.line.train')?.points.length"
    port = free_port()

    async def work(page: Page) -> None:
        await go(page, "training", "document.getElementById('start')?.disabled === false")
        await page.click("#start")
        await page.until(f"{epochs} >= 2", 240)
        os.kill(server_pid(url), signal.SIGKILL)
        await says(page, "#queue-text", "Not connected")
        await keep(page, "gone")
        epochs_before = await page.run(epochs)
        start_time = time.monotonic()
        with studio(tmp_path, port) as again:
            assert again == url
            await page.until(f"{epochs} > {epochs_before} && !document.querySelector('#queue-dot.off')", 60)
            print(f"reconnected after {time.monotonic() - start_time:.1f} s")
            assert await page.run("document.getElementById('problem').hidden")
            await page.call("Page.reload")
            await page.until(f"{READY} && {epochs} > {epochs_before}", 60)
            await page.click("#finish")
            await finished(page, 300)
            await keep(page, "found-again")

    with studio(tmp_path, port) as url:
        overrides = {"train.epochs": 3000, "train.early_stopping": None, "evaluate.robustness_photos": 0}
        revision = ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})["revision"]
        ask(url, "api/draft", {"revision": revision, "set": overrides})
        browse(url, tmp_path, work, ready=READY, expected="ERR_CONNECTION")
