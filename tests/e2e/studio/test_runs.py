"""The studio's screens for runs, in a real browser and with two finished runs."""

import asyncio
import json
import re
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from tests.e2e.studio.test_accessibility import EYES, in_every_light
from tests.support.artifacts import CLASS_NAMES, make_photos
from tests.support.browser import Page, browse
from tests.support.studio import (
    READY,
    SIDE,
    ask,
    finish_runs,
    finished,
    go,
    keep,
    needs_browser,
    open_advanced,
    pick,
    png,
    saved,
    says,
    studio,
    trained,
)

pytestmark = [needs_browser, pytest.mark.proof]
RUN_SECONDS = 600.0
PATIENCE = 300.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A studio whose folder contains two finished runs on the same photos; the first one exceeded its latency limit."""
    photos = make_photos(folder / "colors", per_class=40, size=(SIDE, SIDE))
    settings = (
        {"train.epochs": 2, "evaluate.gate.max_latency_ms": 0.0001},
        {"train.epochs": 4, "evaluate.gate.max_latency_ms": None},
    )
    with studio(folder) as url:
        revision = finish_runs(url, photos, *settings)
        ask(url, "api/draft", {"revision": revision, "unset": ["train.batch_size", "train.learning_rate"]})
        yield url


def test_runs_are_compared_side_by_side_with_a_recommendation(url: str, tmp_path: Path) -> None:
    async def tick(page: Page) -> None:
        await go(page, "results", "document.querySelectorAll('tbody input').length === 2")
        for row in (1, 2):
            await page.click(f"tbody tr:nth-child({row}) input")

    async def work(page: Page) -> None:
        await tick(page)
        assert "2 runs" in await page.run("document.querySelector('.card p').textContent")
        await page.click("#compare")
        await page.until("document.querySelector('.settings')")
        rows = await page.run(
            "[...document.querySelectorAll('.settings tbody tr')].map(row => row.innerText.split('\\t'))"
        )
        assert [sorted(row[1:]) for row in rows if row[0] == "train.epochs"] == [["2", "4"]]
        await keep(page, "compare")
        await tick(page)
        await page.click("#take")
        await page.until(
            "[...document.querySelectorAll('h2')].some(one => one.textContent.startsWith('Recommended:'))", 60
        )
        await keep(page, "take")
        address = await page.run("document.querySelector('.card a[target=_blank]').href")
        assert "<html" in urllib.request.urlopen(address, timeout=20).read().decode()

    browse(url, tmp_path, work, ready=READY)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_screens_of_finished_runs_are_readable_and_accessible(url: str, tmp_path: Path, width: int) -> None:
    run_id, other_run_id = (run["run_id"] for run in ask(url, "api/runs")["runs"])

    async def work(page: Page) -> None:
        await page.run(EYES)
        places = [
            "data",
            "live",
            "results",
            f"results/{run_id}",
            f"results/compare/{run_id}/{other_run_id}",
            f"try/{run_id}",
        ]
        await in_every_light(page, places)

    browse(url, tmp_path, work, width=width, ready=READY)


def test_a_suggested_learning_rate_is_applied(url: str, tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await go(page, "training", "document.getElementById('start')?.disabled === false")
        await open_advanced(page)
        await page.click("#range-test")
        await page.until(
            "document.getElementById('take-rate') || document.querySelector('.columns .fault:not([hidden])')", 90
        )
        await keep(page, "rate")
        await page.click("#take-rate")
        rate_field = "document.querySelector(\"[data-key='train.learning_rate'] input\").value"
        await page.until(f"{rate_field} !== 'auto'")
        assert float(await page.run(rate_field)) == ask(url, "api/draft")["params"]["train"]["learning_rate"]

    browse(url, tmp_path, work, ready=READY)


def test_a_search_shows_its_trials_and_can_be_stopped_and_resumed(url: str, tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await go(page, "training", "document.getElementById('start')?.disabled === false")
        await pick(page, "[data-key='tune.trials'] input", "3")
        await page.click("#start")
        await page.until("document.querySelectorAll('.trials-part tbody tr').length >= 1", 90)
        await page.click("#stop")
        await page.click("#again")
        await page.until("document.querySelector('.live h1') && !document.getElementById('again')")
        await finished(page, RUN_SECONDS)
        states = await page.run(
            "[...document.querySelectorAll('.trials-part tbody tr')].map(row => row.cells[1].textContent)"
        )
        await keep(page, "trials")
        assert len([state for state in states if not state.startswith("interrupted")]) == 3, (
            "the stopped trial must be repeated"
        )
        await go(page, "training")
        await pick(page, "[data-key='tune.trials'] input", "0")
        await page.until(f"{READY}")

    browse(url, tmp_path, work, ready=READY)


def test_a_service_answers_the_shown_command_and_can_be_stopped(url: str, tmp_path: Path) -> None:
    (tmp_path / "PHOTO.jpg").write_bytes(png("green", np.random.default_rng(3)))

    async def answer_to(line: str) -> str:
        deadline = time.monotonic() + 90
        while True:
            result = subprocess.run(shlex.split(line), cwd=tmp_path, capture_output=True, text=True, check=False)
            if result.returncode == 0:
                return result.stdout
            assert time.monotonic() < deadline, result
            await asyncio.sleep(0.5)

    async def work(page: Page) -> None:
        await go(page, "try")
        await page.click("#serve")
        await page.until("document.getElementById('unserve')")
        await says(page, "#served", "The service is ready", PATIENCE)
        line = await page.run("document.querySelector('.code pre').textContent")
        await keep(page, "served")
        (answer,) = json.loads(await answer_to(line))["predictions"]
        assert answer["label"] in CLASS_NAMES
        await page.click("#unserve")
        await page.until("document.getElementById('serve')")
        service_url = re.search(r"http://\S+?(?=/predict)", line)
        assert service_url is not None
        while True:
            try:
                urllib.request.urlopen(service_url[0] + "/livez", timeout=1).close()
            except OSError:
                break
            await asyncio.sleep(0.2)

    browse(url, tmp_path, work, ready=READY)


def test_one_run_can_be_promoted_and_another_is_refused_with_a_reason(url: str, folder: Path, tmp_path: Path) -> None:
    *_, good_run, slow = (run["run_id"] for run in ask(url, "api/runs")["runs"])
    registry = MlflowClient(f"sqlite:///{folder / '.darkroom' / 'mlflow' / 'mlflow.db'}")

    async def promote(page: Page, run_id: str, answer: str) -> None:
        await go(page, f"try/{run_id}", "document.getElementById('promote')")
        await page.click("#promote")
        stands = f"[...document.querySelectorAll('[role=status]')].some(one => one.textContent.includes({answer!r}))"
        await page.until(stands, PATIENCE)

    async def work(page: Page) -> None:
        await go(page, f"results/{slow}", "document.querySelector('.verdict.worse')")
        await says(page, ".verdict", "Below the required minimum")
        await says(page, ".verdict", "more than evaluate.gate.max_latency_ms, 0.0001")
        await keep(page, "verdict-refused")
        await promote(page, slow, "is not champion: the verdict is 'worse'")
        await says(page, "main", "more than evaluate.gate.max_latency_ms, 0.0001")
        await keep(page, "promotion-refused")
        await promote(page, good_run, "is already champion")
        registry.delete_registered_model_alias("colors", "champion")
        await promote(page, good_run, "is champion: the verdict is 'first'")
        await keep(page, "promotion-allowed")

    browse(url, tmp_path, work, ready=READY)
    assert str(registry.get_model_version_by_alias("colors", "champion").version) == "2"


def test_the_report_its_pdf_mlflow_and_the_photos_of_a_matrix_cell_can_be_opened(url: str, tmp_path: Path) -> None:
    run_id = ask(url, "api/runs")["runs"][0]["run_id"]

    async def work(page: Page) -> None:
        await go(page, f"results/{run_id}", "document.querySelector('.cell.right')")
        await photos(page)
        await page.click_on("Report")
        async with page.opened("report.html") as report:
            await report.until("document.body?.innerText.includes('Confusion')")
            await keep(report, "report")
        await page.save_to(tmp_path / "saved")
        await page.click_on("PDF")
        await saved(tmp_path / "saved" / "report.pdf", b"%PDF")
        await go(page, "results")
        await page.click_on("Open MLflow")
        await page.until("document.getElementById('to-mlflow')", PATIENCE)
        await page.click("#to-mlflow")
        async with page.opened("experiments") as mlflow:
            await mlflow.until("document.body?.innerText.includes('colors')", PATIENCE)
            await keep(mlflow, "mlflow")

    async def photos(page: Page) -> None:
        number = int(await page.run("document.querySelector('.cell.right').textContent"))
        await page.click(".cell.right")
        await page.until(f"document.querySelectorAll('#cell .thumb img').length === {number}")
        await page.until("[...document.querySelectorAll('#cell img')].every(one => one.naturalWidth > 0)")
        await page.click("#cell .thumb")
        shown_photo = "document.querySelector('#cell img')"
        await page.until(
            f"{shown_photo}.src.includes('class_name') && {shown_photo}.complete && {shown_photo}.naturalWidth > 0",
            PATIENCE,
        )
        await keep(page, "cell")

    browse(url, tmp_path, work, ready=READY)


def test_a_run_that_continues_an_earlier_run_can_be_finished_early_with_the_best_epoch(
    url: str, folder: Path, tmp_path: Path
) -> None:
    earlier = ask(url, "api/runs")["runs"][0]["run_id"]
    ran: list[str] = []

    async def work(page: Page) -> None:
        await go(page, "model/bundle")
        await page.click_on("Continue from this run")
        await page.until("document.querySelector('#panel .tag')")
        await keep(page, "go-on")
        await go(page, "training", "document.getElementById('start')?.disabled === false")
        await pick(page, "[data-key='train.epochs'] input", "3000")
        await pick(page, "#patience", "0")
        await page.click("#start")
        await page.until("document.querySelector('.line.train')?.points.length >= 3", RUN_SECONDS)
        await page.click("#finish")
        await page.until("!document.getElementById('finish')")
        await keep(page, "finishing")
        ran.append(await trained(page))
        await says(page, ".figures.big", "epoch ")
        print(await page.run("document.querySelector('.figures.big').innerText"))
        ticks = "[...one.querySelectorAll('[text-anchor=end]')].map(text => text.textContent)"
        axes = await page.run(f"[...document.querySelectorAll('.chart')].map(one => {ticks})")
        assert all(len(axis) == len(set(axis)) >= 3 for axis in axes), "each grid line must have a different number"
        assert axes[0][0].strip("0.") == ""
        assert axes[1][-1] == "100\u00a0%"
        await keep(page, "finished")

    browse(url, tmp_path, work, ready=READY)
    draft = ask(url, "api/draft")["params"]["train"]
    assert draft["model"] == {"from": earlier}
    assert draft["early_stopping"] is None
    bundle = json.loads((folder / "runs" / ran[0] / "model" / "bundle.json").read_text())
    losses = json.loads((folder / "runs" / ran[0] / "model" / "history.json").read_text())["val_loss"]
    assert 3 <= bundle["epochs_run"] < 3000
    assert bundle["best_epoch"] == 1 + losses.index(min(losses))
    assert bundle["model"]["kind"] == "bundle"
