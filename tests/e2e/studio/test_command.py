"""Every screen of the studio shows the params and the command to copy, and the studio can import both."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.artifacts import make_photos
from tests.support.browser import Page, browse
from tests.support.studio import READY, SCREENS, ask, go, keep, needs_browser, pick, saved, says, studio

pytestmark = [needs_browser, pytest.mark.proof]
EPOCHS = "[data-key='train.epochs'] input"
TAKE_OVER = "#magic form input"


async def command_and_params(page: Page) -> tuple[list[str], str]:
    """Returns the commands and the params.yaml that the current screen shows."""
    commands, text = await page.run(
        "[[...document.querySelectorAll('#magic .two > div:first-child pre')].map(one => one.textContent), "
        "document.querySelector('#magic .two > div:last-child pre').textContent]"
    )
    return commands, text


def test_every_screen_shows_its_command_and_params_and_both_can_be_exported_and_imported(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "colors")
    others = make_photos(tmp_path / "others")

    async def work(page: Page) -> None:
        await page.click_on("No magic: how to do the same without this page")
        await every_screen(page)
        text = await take_away(page)
        await bring(page, text)
        await command(page)

    async def every_screen(page: Page) -> None:
        yaml = ask(url, "api/draft")["yaml"]
        for place in SCREENS:
            await go(page, place)
            commands, text = await command_and_params(page)
            assert commands, place
            assert all(line.startswith("darkroom ") for line in commands), (place, commands)
            assert text == yaml, place
        await keep(page, "magic")

    async def take_away(page: Page) -> str:
        await go(page, "training")
        await pick(page, EPOCHS, "7")
        await says(page, "#magic .two > div:last-child pre", "epochs: 7")
        await page.save_to(tmp_path / "saved")
        await page.click_on("Export")
        text = (await saved(tmp_path / "saved" / "studio.yaml", b"data:")).decode()
        assert text == (await command_and_params(page))[1]
        return text

    async def bring(page: Page, text: str) -> None:
        (tmp_path / "mine.yaml").write_text(text.replace("epochs: 7", "epochs: 9\n  label_smoothing: 0.1"))
        await page.choose([tmp_path / "mine.yaml"], "#import-file")
        await page.until(f"{READY} && document.querySelector({EPOCHS!r}).value === '9'")
        assert await page.run("document.querySelector(\"[data-key='train.label_smoothing'] input\").value") == "0.1"
        await keep(page, "imported")
        for content, why in (
            ("train: {epoch: 3}", "train.epoch"),
            ("train: [", "YAML"),
            ("train: {epochs: many}", "train.epochs"),
            ("data: {uri: /etc}", "--root"),
            ("", "the text is empty"),
            ("\x89PNG\0", "YAML"),
        ):
            (tmp_path / "bad.yaml").write_text(content)
            await page.choose([tmp_path / "bad.yaml"], "#import-file")
            await says(page, "#problem:not([hidden])", why)
            print(await page.run("document.getElementById('problem-text').textContent"))
            await keep(page, "import-refused")
            await page.click("#problem-close")
            assert train(url)["epochs"] == 9, content

    async def command(page: Page) -> None:
        await pick(page, TAKE_OVER, f"darkroom run --data {others} --set train.epochs=5 --set train.optimizer=sgd")
        await page.click_on("Import")
        await page.until(f"{READY} && document.querySelector({EPOCHS!r}).value === '5'")
        assert await page.run("document.querySelector(\"[data-key='train.optimizer'] select\").value") == "sgd"
        for line, why in (
            ("darkroom run --dta x", "There is no option"),
            ("rm -rf /", "darkroom run"),
            ("darkroom run --set train.epochs=0", "train.epochs"),
        ):
            await pick(page, TAKE_OVER, line)
            await page.click_on("Import")
            await says(page, "#problem:not([hidden])", why)
            print(await page.run("document.getElementById('problem-text').textContent"))
            await page.click("#problem-close")
        assert train(url) == {"epochs": 5, "optimizer": "sgd"}
        await go(page, "data", "document.querySelector('.card .path')")
        await says(page, "main", str(others))

    def train(url: str) -> Any:
        return ask(url, "api/draft")["params"]["train"]

    with studio(tmp_path) as url:
        ask(url, "api/data/choose", {"uri": str(photos), "revision": 0})
        browse(url, tmp_path, work, ready=READY, expected="api/draft/import")
