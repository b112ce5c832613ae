"""Each page loads each of its style sheets once and in the right order, and uses only CSS variables that exist."""

import re
from pathlib import Path

import pytest

from components.contract.pages.theme import THEME_PATH

ROOT = Path(__file__).parents[3]
PAGES = {
    "service": (ROOT / "components/deploy/service/page/index.html", "page/"),
    "studio": (ROOT / "pipelines/studio/static/index.html", "static/styles/"),
}


@pytest.mark.parametrize(("page", "prefix"), PAGES.values(), ids=PAGES.keys())
def test_a_page_loads_each_of_its_style_sheets_once(page: Path, prefix: str) -> None:
    addresses = re.findall(r'<link rel="stylesheet" href="([^"]+)">', page.read_text())
    names = [address.removeprefix(prefix) for address in addresses]
    assert sorted(names[1:]) == sorted(path.name for path in page.parent.rglob("*.css") if path.name != "docs.css")
    assert names[:2] == ["theme.css", "base.css"]
    assert names[-1].startswith("narrow"), "the rules for narrow screens must come last, to override the others"


@pytest.mark.parametrize("page", [page for page, _ in PAGES.values()], ids=PAGES.keys())
def test_a_page_uses_only_css_variables_that_exist(page: Path) -> None:
    files = [THEME_PATH, *(path for path in page.parent.rglob("*") if path.suffix in (".css", ".js", ".html"))]
    text = "\n".join(path.read_text() for path in files)
    assert set(re.findall(r"var\((--[\w-]+)\)", text)) <= set(re.findall(r"(--[\w-]+)\"?[:,]", text))
