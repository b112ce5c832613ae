"""Submitting a run to a cluster from the studio in a real browser."""

import json
from pathlib import Path

import pytest

from pipelines.images.build import DIGESTS_PATH, STEPS
from tests.support.browser import Page, browse
from tests.support.kfp_server import StandIn, serving
from tests.support.studio import READY, go, keep, needs_browser, open_advanced, pick, studio

pytestmark = [needs_browser, pytest.mark.proof]


def test_a_run_is_submitted_to_a_cluster_and_shown(tmp_path: Path) -> None:
    digests = {step: f"registry.example.org/darkroom-{step}@sha256:{'0' * 64}" for step in STEPS}
    (tmp_path / DIGESTS_PATH).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / DIGESTS_PATH).write_text(json.dumps(digests))

    async def work(page: Page) -> None:
        await go(page, "data")
        await pick(page, "[aria-label='Path or address']", "s3://bucket/photos")
        await page.click(".browser .button")
        await page.until("document.querySelector('.card .path')?.textContent === 's3://bucket/photos'")
        await go(page, "training")
        for key, value in (("preprocess.image_size", "32"), ("deploy.model_name", "colors")):
            await pick(page, f"[data-key='{key}'] input", value)
        await pick(page, "#host", stand_in.url)
        await pick(page, "#rollout", "darkroom/darkroom-serve")
        await open_advanced(page)
        await page.click("#submit")
        await page.until("document.getElementById('elsewhere')", 60)
        await page.until("document.querySelector('.lead').textContent.startsWith('Done')", 60)
        await keep(page, "submitted")
        assert (await page.run("document.getElementById('elsewhere').href")).startswith(stand_in.url)

    with serving(StandIn()) as stand_in, studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)
        assert len(stand_in.runs) == 1
        (pipeline,) = stand_in.versions.values()
        assert b"darkroom/darkroom-serve" in pipeline
