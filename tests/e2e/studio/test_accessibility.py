"""The accessibility of every screen of the studio: narrow and wide, light and dark, keyboard and screen reader."""

import json
from pathlib import Path

import pytest

from tests.support.axe import violations
from tests.support.browser import Page, browse
from tests.support.studio import READY, SCREENS, ask, go, keep, needs_browser, studio

pytestmark = [needs_browser, pytest.mark.proof]
CONTROLS = {
    "button",
    "link",
    "textbox",
    "searchbox",
    "combobox",
    "listbox",
    "checkbox",
    "radio",
    "slider",
    "spinbutton",
    "tab",
    "progressbar",
    "meter",
    "image",
    "DisclosureTriangle",
    "dialog",
}
"""Roles of controls, each of which needs a name for screen readers."""
EYES = Path(__file__).with_name("eyes.js").read_text(encoding="utf-8")


async def nameless(page: Page) -> list[str]:
    """Returns the controls without a name that a screen reader could read."""
    nodes = (await page.call("Accessibility.getFullAXTree"))["nodes"]
    return [
        json.dumps(node.get("properties", []))[:200] + node["role"]["value"]
        for node in nodes
        if not node["ignored"]
        and node["role"]["value"] in CONTROLS
        and not node.get("name", {}).get("value", "").strip()
    ]


async def look(page: Page, name: str) -> None:
    assert await page.run("overflowingElements()") == [], name
    assert await page.run("document.getElementById('problem').hidden"), name
    assert await page.run("lowContrastTexts()") == [], name
    assert await nameless(page) == [], name
    assert await violations(page) == [], name
    assert await page.run("document.querySelectorAll('main h1').length") == 1, name
    assert await page.run("duplicateIds()") == [], name


async def tab(page: Page, name: str) -> bool:
    """Presses Tab, and checks that the focus is visible and in page order; returns False after the last element."""
    await page.press("Tab")
    stop = await page.run("describeFocus()")
    if stop is None:
        return False
    for fact in ("outlined", "uncovered", "inOrder"):
        assert stop[fact], (name, fact, stop["what"])
    return True


async def tab_to(page: Page, selector: str) -> None:
    while await tab(page, selector):
        if await page.run(f"document.activeElement.matches({selector!r})"):
            return
    raise AssertionError(f"the focus never reached {selector}")


async def in_every_light(page: Page, places: list[str]) -> None:
    for scheme in ("light", "dark"):
        await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for place in places:
            await go(page, place)
            await look(page, f"{place}, {scheme}, {page.width} px")
            await keep(page, f"{place.replace('/', '-')}-{scheme}-{page.width}")


@pytest.mark.parametrize("width", [1280, 390])
def test_every_screen_is_readable_and_accessible(tmp_path: Path, width: int) -> None:
    async def work(page: Page) -> None:
        await page.run(EYES)
        await in_every_light(page, list(SCREENS))
        await page.click("#queue-button")
        await page.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        await look(page, "the job list, with all details open")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, width=width, ready=READY)


def test_the_accessibility_check_detects_unreadable_and_unnamed_elements(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.run(EYES)
        await page.run("""
            const [text, box, bar] = ["p", "input", "div"].map((tag) => document.createElement(tag));
            Object.assign(text, { textContent: "pale" }).style.color = "#999";
            bar.style.cssText = "height: 1px; width: 3000px";
            document.getElementById("main").append(text, box, bar);
        """)
        assert [finding[1] for finding in await page.run("lowContrastTexts()")] == ["pale"]
        assert len(await nameless(page)) == 1
        assert len(await page.run("overflowingElements()")) == 1
        await page.run("bar.remove()")

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)


def test_everything_from_photos_to_a_stopped_run_works_with_the_keyboard(tmp_path: Path) -> None:
    async def work(page: Page) -> None:
        await page.run(EYES)
        for selector, then in (
            ("#demo", ".bars"),
            (".data #next", ".model #next"),
            (".model #next", "#start:not(:disabled)"),
            ("#start", ".live #stop"),
            ("#stop", "#again"),
        ):
            await tab_to(page, selector)
            await page.press("Enter")
            await page.until(f"document.querySelector({then!r})", 60)
        for place in SCREENS:
            await go(page, place)
            steps = 0
            while await tab(page, place):
                steps += 1
                assert steps < 400, f"the focus must not be trapped in {place}"
            assert steps >= 2, place

    with studio(tmp_path) as url:
        browse(url, tmp_path, work, ready=READY)
        assert ask(url, "api/jobs")[0]["state"] == "stopped"
