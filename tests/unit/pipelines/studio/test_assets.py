"""The files of the page: kept for long by browsers, compressed, and nothing else of this machine."""

import re
from pathlib import Path

import pytest

from pipelines.studio.assets import Assets
from tests.unit.pipelines.studio.conftest import Client


def address(client: Client, name: str) -> str:
    page = client.get("/").text
    found = re.search(rf'"(static/\w+/{re.escape(name)})"', page)
    assert found is not None
    return "/" + found[1]


@pytest.mark.parametrize("name", ["app.js", "styles/base.css", "styles/theme.css", "icon.svg"])
def test_each_file_of_the_page_is_there_and_kept_for_long(client: Client, name: str) -> None:
    answer = client.get(address(client, name))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-security-policy"]


def test_scripts_are_compressed_for_browsers_that_take_it(client: Client) -> None:
    path = address(client, "app.js")
    plain = client.get(path, headers={"accept-encoding": "identity"})
    compressed = client.get(path, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.headers["content-type"].startswith("text/javascript")
    assert compressed.content == plain.content, "the client has unpacked it"
    assert int(compressed.headers["content-length"]) < len(plain.content) / 2


def test_the_page_itself_is_asked_for_each_time_and_has_relative_addresses(client: Client) -> None:
    answer = client.get("/")
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r'(?:href|src)="/', answer.text), "it works below a prefix"


@pytest.mark.parametrize(
    "path",
    [
        "/static/app.js/",
        "/static/0000000000000000/app.js",
        "/static/{digest}/..%2Fapp.py",
        "/static/{digest}/%2e%2e/app.py",
    ],
)
def test_nothing_else_is_served(client: Client, path: str) -> None:
    digest = address(client, "app.js").split("/")[2]
    assert client.get(path.format(digest=digest)).status_code == 404


def test_another_content_has_another_address(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<script src='static/a.js'>")
    (tmp_path / "a.js").write_text("1")
    first = Assets(tmp_path, {}).digest
    assert Assets(tmp_path, {}).digest == first
    (tmp_path / "a.js").write_text("2")
    assert Assets(tmp_path, {}).digest != first
