"""The Live screen in a real browser, with a run that reports training progress without training."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Page, browse
from tests.support.studio import (
    LONGEST_PAUSE,
    LONGEST_PAUSE_MS,
    READY,
    WATCH,
    ask,
    go,
    keep,
    needs_browser,
    says,
    studio,
)

pytestmark = [needs_browser, pytest.mark.proof]

RUN = """
import json, os, sys, time
from pathlib import Path
from components.contract.system.program import EVENTS_VARIABLE, note_progress, running_step
from pipelines.runners import runs

def say(text):
    print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)

ending = sys.argv[1]
with runs.start_run("photos") as run:
    os.environ[EVENTS_VARIABLE] = str(run.path.resolve() / "events.jsonl")
    time.sleep(2)
    with running_step("preprocess"):
        say("preprocess 120 of 300 photos read, 60 a second.")
        time.sleep(8)  # the step reports nothing, but the page must still show progress
    time.sleep(1)
    with running_step("train"):
        for epoch in range(1, 7):
            note_progress("part", epoch=epoch, planned=6, done=0.5, seconds_left=1.0, loss=1.0, accuracy=0.5)
            time.sleep(0.5)
            say(f"train Epoch {epoch} of 6")
            figures = dict(loss=1 / epoch, accuracy=1 - 0.5 / epoch, val_loss=1.2 / epoch, val_accuracy=1 - 0.6 / epoch)
            note_progress("epoch", epoch=epoch, planned=6, seconds_left=1.0, phase=1, images_per_second=90.0, **figures)
            time.sleep(0.5)
    while ending == "wait":
        time.sleep(0.2)
    if ending == "fail":
        say("train It ends.")
        print("darkroom: The loss became nan in epoch 6. Set a smaller train.learning_rate.", file=sys.stderr)
        run.update(status="failed", error="diverged")
        sys.exit(2)
"""


@contextlib.contextmanager
def studio_with_run(folder: Path, ending: str) -> Iterator[str]:
    """Starts a studio that runs RUN as its only job, and yields the studio's address."""
    job = {"id": "20260101-000000-000000-0000", "kind": "run", "title": "Train on photos", "created": "2026-01-01"}
    home = folder / ".darkroom" / "studio" / "jobs" / job["id"]
    home.mkdir(parents=True)
    command = [sys.executable, "-c", RUN, ending]
    (home / "job.json").write_text(json.dumps(job | {"command": command}))
    with studio(folder) as url:
        yield url


def test_live_always_shows_progress_and_its_charts_are_readable(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await go(page, "live", "document.querySelector('.stepper')")
        await page.run(WATCH)
        await keep(page, "live-start")
        assert await page.run("document.querySelectorAll('.plot.skeleton').length") == 2
        await says(page, ".stepper .running .now", "120 of 300 photos read")
        await page.until("document.querySelector('.line.train')?.points.length >= 3", 60)
        assert "Train" in await page.run("document.title")
        assert "%" in await page.run("document.title")
        await keep(page, "live-running")
        await page.until("document.querySelector('.line.train')?.points.length === 6", 60)
        assert await page.run(LONGEST_PAUSE) <= LONGEST_PAUSE_MS
        await zoom(page)

    async def zoom(page: Page) -> None:
        marks = "[...document.querySelector('.chart').querySelectorAll('[text-anchor=middle]')].map(m => m.textContent)"
        shown = await page.run(marks)
        x, y, width = await page.run(
            "(({x, y, height, width}) => [x, y + height / 2, width])"
            "(document.querySelector('.chart').getBoundingClientRect())"
        )
        for kind, share in (("mouseMoved", 0.2), ("mousePressed", 0.2), ("mouseMoved", 0.4), ("mouseReleased", 0.4)):
            await page.call(
                "Input.dispatchMouseEvent", type=kind, x=x + share * width, y=y, button="left", buttons=1, clickCount=1
            )
        assert len(await page.run(marks)) < len(shown)
        await says(page, ".plot .hover", "Epoch ")
        await page.run(
            "(slider => { slider.value = 0.6; slider.dispatchEvent(new Event('input')); })"
            "(document.querySelector('.smoothing input'))"
        )
        assert await page.run("document.querySelectorAll('.line.faint').length") == 2
        await keep(page, "live-zoomed")
        await page.click_on("Show all epochs")
        assert await page.run(marks) == shown

    with studio_with_run(tmp_path, "wait") as url:
        browse(url, tmp_path, work, ready=READY)


def test_a_failed_run_links_to_the_setting_that_caused_it(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await go(page, "live")
        await says(page, ".notice.fault", "The loss became", 60)
        assert "Failed." in await page.run("document.querySelector('.clock').textContent")
        await keep(page, "live-failed")
        await page.click_on("Change train.learning_rate")
        await page.until("document.activeElement?.closest('[data-key]')?.dataset.key === 'train.learning_rate'")

    with studio_with_run(tmp_path, "fail") as url:
        browse(url, tmp_path, work, ready=READY)
        assert ask(url, "api/jobs")[0]["state"] == "failed"
