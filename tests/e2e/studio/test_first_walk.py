"""The studio in a real browser: from an empty folder to a model that predicts, with only the mouse."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.support.browser import Page, browse
from tests.support.studio import (
    LONGEST_PAUSE,
    LONGEST_PAUSE_MS,
    READY,
    SIDE,
    TRAIN_SECONDS,
    WATCH,
    ask,
    colors,
    go,
    keep,
    needs_browser,
    pick,
    says,
    send_folder,
    send_photos,
    server_pid,
    start,
    studio,
    trained,
    try_photos,
)

LIGHT_LIBRARIES = {"PIL", "numpy", "numpy.libs", "pillow.libs", "pydantic_core", "simplejpeg", "watchfiles"}
"""Libraries that may be loaded before the studio answers. Each of TensorFlow, MLflow and Arrow would delay it."""
MAX_CLICKS = 8


@pytest.mark.proof
def test_the_page_answers_before_any_heavy_library_is_loaded(tmp_path: Path) -> None:
    with studio(tmp_path) as url:
        assert ask(url, "api/jobs") == []
        maps = Path(f"/proc/{server_pid(url)}/maps").read_text()
    libraries = {path.split("/")[0] for path in re.findall(r"/site-packages/(\S+\.so)", maps)}
    assert libraries - LIGHT_LIBRARIES == set()
    assert "pydantic_core" in libraries, "the memory map must list the loaded libraries"


@pytest.mark.proof
def test_a_restarted_studio_finds_the_jobs_that_continued_without_it(tmp_path: Path) -> None:
    make_photos(tmp_path / "colors", per_class=300)
    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(tmp_path / "colors"), "revision": 0})
        ask(url, "api/audit", {})
        deadline = time.monotonic() + 60
        while ask(url, "api/jobs")[0]["state"] == "waiting":
            assert time.monotonic() < deadline
        ask(url, "api/jobs", {"kind": "run"})
        os.kill(server_pid(url), signal.SIGKILL)
        time.sleep(0.2)
        with studio(tmp_path) as again:
            waiting = ask(again, "api/jobs")[0]
            assert waiting["kind"] == "run"
            assert waiting["state"] in ("waiting", "running"), "the run must wait until the audit has finished"
            ask(again, f"api/jobs/{waiting['id']}", {"action": "stop"})
            while ask(again, "api/audit")["state"] != "done":
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert ask(again, "api/audit")["info"]["num_files"] == 900
            assert ask(again, "api/draft")["params"]["data"]["uri"] == str(tmp_path / "colors")


@needs_browser
@pytest.mark.proof
def test_a_custom_network_can_be_built_trained_and_used(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    async def build(page: Page) -> None:
        await go(page, "model/layers")
        await pick(page, "#template", "Small")
        await page.until("document.querySelectorAll('.layer').length === 14 && document.querySelector('.drawing img')")
        await page.click(".layer:nth-child(14) .remove")
        await page.click(".layer:nth-child(13) .remove")
        await page.until("document.querySelector('.layer.faulty .why')?.textContent.includes('flat vector')")
        await keep(page, "model-faulty")
        await go(page, "training", "document.getElementById('start')?.disabled")
        await page.until("document.getElementById('reasons').textContent.includes('flat vector')")
        assert "flat vector" in await page.run("document.getElementById('spoken').textContent")
        await go(page, "model/layers")
        await pick(page, "#add-layer", "GlobalAveragePooling2D")
        await page.click("#add")
        await page.until("document.querySelector('.drawing img') && !document.querySelector('.layer.faulty')")
        await keep(page, "model")

    async def look_at_results(page: Page) -> None:
        await page.click(".cell.right")
        await page.until("document.querySelector('#cell img')?.naturalWidth > 0")
        await page.click("#cell .thumb")
        await page.until("document.querySelector('#cell .thumb').getAttribute('aria-pressed') === 'true'")
        await keep(page, "results")

    async def work(page: Page) -> None:
        await send_photos(page, colors(tmp_path, rng))
        await keep(page, "data")
        await build(page)
        await start(page, 6)
        await look_at_results(page)
        labels = await try_photos(page, tmp_path, rng)
        assert sum(map(str.__eq__, labels, CLASS_NAMES)) >= 2, labels

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY, expected="predict")
        assert "site-packages/tensorflow/" not in Path(f"/proc/{server_pid(url)}/maps").read_text(), (
            "only jobs and workers may load TensorFlow"
        )


@needs_browser
@pytest.mark.proof
def test_the_first_run_on_the_demo_data_takes_at_most_eight_clicks(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.click("#demo")
        await walk(page)
        await keep(page, "walk")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)


@needs_browser
@pytest.mark.proof
def test_the_first_run_on_custom_photos_takes_at_most_eight_clicks(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "elsewhere" / "colors", per_class=30)

    async def work(page: Page) -> None:
        await send_folder(page, photos)
        await page.until("document.querySelectorAll('.class:not(.new)').length === 3", TRAIN_SECONDS)
        run_id = await walk(page)
        assert await page.run("location.hash") == f"#results/{run_id}"
        await says(page, ".figures.big", "Test accuracy")
        await keep(page, "walk-custom-photos")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)
        assert ask(url, "api/runs")["runs"][0]["data"] == "colors"


async def walk(page: Page) -> str:
    """Trains on the chosen photos with the defaults, opens the results of the run, and returns its id."""
    start_time = time.monotonic()
    await page.click(".data #next")
    await page.click(".model #next")
    await page.run(WATCH)
    await page.click(".training #start")
    run_id = await trained(page)
    pause = await page.run(LONGEST_PAUSE)
    print(f"{page.clicks} clicks, {time.monotonic() - start_time:.0f} s, longest pause {pause:.0f} ms")
    assert page.clicks <= MAX_CLICKS
    assert pause <= LONGEST_PAUSE_MS
    return run_id


@needs_browser
@pytest.mark.proof
def test_a_pretrained_network_can_be_selected_trained_and_used(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    async def work(page: Page) -> None:
        await send_photos(page, colors(tmp_path, rng))
        await go(page, "model/pretrained")
        await page.click("[aria-label='Choose MobileNetV2']")
        await page.until("document.querySelector('.model-card.chosen')")
        await keep(page, "gallery")
        await pick(page, "#panel .card .field:nth-of-type(2) select", "none")
        await go(page, "training")
        await pick(page, "[data-key='preprocess.image_size'] input", "32")
        await start(page, 2)
        await try_photos(page, tmp_path, rng)

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY, expected="predict")


@needs_browser
@pytest.mark.proof
def test_an_uploaded_network_can_be_imported_trained_and_used(tmp_path: Path) -> None:
    program = (
        "import sys, keras; "
        f"photo = keras.Input(({SIDE}, {SIDE}, 3)); x = keras.layers.Rescaling(1 / 255)(photo); "
        "x = keras.layers.Conv2D(8, 3, activation='relu')(x); x = keras.layers.GlobalAveragePooling2D()(x); "
        "keras.Model(photo, keras.layers.Dense(3)(x)).save(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "mine.keras")], check=True, timeout=120)
    (tmp_path / "code.h5").write_bytes(b"\x89HDF\r\n\x1a\n and then nothing")
    rng = np.random.default_rng(2)

    async def work(page: Page) -> None:
        await send_photos(page, colors(tmp_path, rng))
        await go(page, "model/upload")
        await page.choose([tmp_path / "code.h5"], "#model-file")
        await page.until("document.querySelector('.card .tag.failed')?.textContent === 'rejected'", 60)
        await page.choose([tmp_path / "mine.keras"], "#model-file")
        use = "[...document.querySelectorAll('button')].find(one => one.textContent === 'Use this model')"
        await page.until(use, 120)
        await keep(page, "upload")
        await page.run(f"{use}.click()")
        await page.until("document.querySelector('.card .tag.done')?.textContent === 'chosen'")
        await start(page, 3)
        await try_photos(page, tmp_path, rng)
        await go(page, "results", "document.querySelectorAll('tbody input').length === 1")
        await keep(page, "leaderboard")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY, expected="predict")
