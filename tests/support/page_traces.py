"""Measures how smoothly a page runs: the processor time of its main thread's tasks, from a Chromium trace."""

import time
from pathlib import Path

from PIL import Image

from tests.support.browser import SECONDS, Page

SCROLL_GRID = """
(async () => {
    const grid = document.querySelector(".photo-grid");
    for (let step = 0; step < 60; step += 1) {
        grid.scrollTop += step % 3 ? 400 : 9000;
        await new Promise((done) => requestAnimationFrame(done));
    }
    grid.scrollTop = grid.scrollHeight;
    await new Promise((done) => setTimeout(done, 500));
})()
"""
"""Scrolls through the studio's photo grid to its end, in small steps and in jumps."""


async def trace_tasks(page: Page, code: str) -> list[float]:
    """Runs JavaScript, and returns the processor time of each task of the page's main thread, in milliseconds.

    Wall-clock time would include other work on this machine.
    """
    await page.call(
        "Tracing.start", transferMode="ReportEvents", categories="toplevel,disabled-by-default-devtools.timeline"
    )
    await page.run(code)
    await page.call("Tracing.end")
    deadline = time.monotonic() + SECONDS
    while not any(event["method"] == "Tracing.tracingComplete" for event in page.events):
        assert time.monotonic() < deadline, "the trace must arrive"
        await page.run("1")
    events = [
        traced
        for event in page.events
        if event["method"] == "Tracing.dataCollected"
        for traced in event["params"]["value"]
    ]
    threads = {
        (traced["pid"], traced["tid"])
        for traced in events
        if traced["name"] == "thread_name" and traced["args"]["name"] == "CrRendererMain"
    }
    return [
        traced["tdur"] / 1000
        for traced in events
        if traced["name"].endswith("RunTask") and "tdur" in traced and (traced["pid"], traced["tid"]) in threads
    ]


def write_many(folder: Path, per_class: int) -> Path:
    """Writes `per_class` tiny photos for each of two classes: one file, and hard links to it; returns `folder`."""
    for name, color in (("ant", "black"), ("bee", "yellow")):
        (folder / name).mkdir(parents=True)
        first = folder / name / "00000.png"
        Image.new("RGB", (16, 16), color).save(first)
        for number in range(1, per_class):
            (folder / name / f"{number:05}.png").hardlink_to(first)
    return folder
