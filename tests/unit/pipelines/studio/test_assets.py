"""The files of the page can be cached for a long time and are compressed, and no other files are served."""

import re
from pathlib import Path

import pytest

from pipelines.studio.app import STATIC_DIR
from pipelines.studio.assets import Assets
from tests.unit.pipelines.studio.conftest import Client

MAX_SCREEN_BYTES = 60_000
MIN_COMPRESSED_BYTES = 500
IMPORT = re.compile(r'^(?:import|export)\b[^;]*?from "([^"]+)";', re.MULTILINE)


def imported_scripts(path: Path, seen: set[Path] | None = None) -> set[Path]:
    """Returns a script and all scripts that it imports, even indirectly, except those that `import()` loads later."""
    seen = set() if seen is None else seen
    if path not in seen:
        seen.add(path)
        for name in IMPORT.findall(path.read_text(encoding="utf-8")):
            imported_scripts((path.parent / name).resolve(), seen)
    return seen


def address(client: Client, name: str) -> str:
    page = client.get("/").text
    found = re.search(rf'"(static/\w+/{re.escape(name)})"', page)
    assert found is not None
    return "/" + found[1]


@pytest.mark.parametrize("name", ["app.js", "styles/base.css", "styles/theme.css", "icon.svg"])
def test_each_file_of_the_page_exists_and_can_be_cached_for_a_year(client: Client, name: str) -> None:
    answer = client.get(address(client, name))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-security-policy"]


def test_scripts_are_compressed_for_browsers_that_accept_it(client: Client) -> None:
    path = address(client, "app.js")
    plain = client.get(path, headers={"accept-encoding": "identity"})
    compressed = client.get(path, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.headers["content-type"].startswith("text/javascript")
    assert compressed.content == plain.content, "the decompressed script must be unchanged"
    assert int(compressed.headers["content-length"]) < len(plain.content) / 2


def test_the_schema_is_compressed_and_photos_are_not(client: Client, photos: Path) -> None:
    schema = client.get("/api/schema", headers={"accept-encoding": "gzip"})
    assert schema.headers["content-encoding"] == "gzip"
    assert int(schema.headers["content-length"]) < len(schema.content) / 4
    client.choose(photos)
    photo = client.get("/api/data/photo?path=red/000.png&side=160", headers={"accept-encoding": "gzip"})
    assert photo.status_code == 200, photo.text
    assert len(photo.content) > MIN_COMPRESSED_BYTES
    assert "content-encoding" not in photo.headers


SCREENS = ["data/data", "photos/photos", "model/model", "training/training", "live/live", "results/results"]


@pytest.mark.parametrize("screen", [*SCREENS, "playground/playground"])
def test_a_screen_needs_less_than_60_kb(client: Client, screen: str) -> None:
    static = STATIC_DIR.resolve()
    scripts = imported_scripts(static / "app.js")
    num_shell_scripts = len(scripts)
    scripts = imported_scripts(static / f"{screen}.js", scripts)
    assert len(scripts) > num_shell_scripts, "the script of a screen must not be loaded before the screen is opened"
    folder = address(client, "app.js").removesuffix("app.js")
    names = [path.relative_to(static).as_posix() for path in [*scripts, *static.glob("styles/*.css")]]
    answers = [client.get(folder + name, headers={"accept-encoding": "gzip"}) for name in [*names, "icon.svg"]]
    sizes = [int(answer.headers["content-length"]) for answer in [client.get("/"), *answers]]
    assert sum(sizes) < MAX_SCREEN_BYTES


def test_the_page_itself_is_not_cached_and_uses_relative_addresses(client: Client) -> None:
    answer = client.get("/")
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r'(?:href|src)="/', answer.text), "addresses must be relative, for proxies with a path prefix"


@pytest.mark.parametrize(
    "path",
    [
        "/static/app.js/",
        "/static/0000000000000000/app.js",
        "/static/{digest}/..%2Fapp.py",
        "/static/{digest}/%2e%2e/app.py",
    ],
)
def test_no_other_files_are_served(client: Client, path: str) -> None:
    digest = address(client, "app.js").split("/")[2]
    assert client.get(path.format(digest=digest)).status_code == 404


def test_different_content_has_a_different_address(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<script src='static/a.js'>")
    (tmp_path / "a.js").write_text("1")
    first = Assets(tmp_path, {}).digest
    assert Assets(tmp_path, {}).digest == first
    (tmp_path / "a.js").write_text("2")
    assert Assets(tmp_path, {}).digest != first
