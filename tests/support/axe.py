"""Runs axe-core in a page to find barriers for users with a screen reader, without a mouse, or with poor eyesight."""

from pathlib import Path

from tests.support.browser import Page

AXE_PATH = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
"""The script of axe-core, which `make lint-pages` installs in the version that package.json specifies."""
RULES = "{resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}"


async def violations(page: Page) -> list[str]:
    """Returns a line for each violation and affected element; an empty list if axe-core is not installed."""
    if not AXE_PATH.is_file():
        return []
    if await page.run("typeof axe") == "undefined":
        await page.run(AXE_PATH.read_text(encoding="utf-8"))
    code = (
        f"axe.run(document, {RULES}).then(({{violations}}) => violations.flatMap(({{id, help, nodes}}) => "
        "nodes.map((node) => `${id}: ${help}: ${node.target.join(' ')}: ${node.html.slice(0, 160)}`)))"
    )
    found: list[str] = await page.run(code)
    return found
