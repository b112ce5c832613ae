"""Attacks on a real studio: requests for files outside its roots, and an archive that contains programs."""

import http.client
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from components.deploy.bento.server import free_address
from tests.support.artifacts import make_photos
from tests.unit.contract.foreign.test_repository import git


class Browser:
    """Sends HTTP requests to a studio."""

    def __init__(self, port: int, folder: Path):
        self.port = port
        self.folder = folder
        """The folder that contains `root/` and `outside/`."""

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def post(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        revision = json.loads(self.ask("GET", "/api/draft")[1])["revision"]
        status, content = self.ask("POST", path, json.dumps({"revision": revision, **body}).encode())
        return status, json.loads(content)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("studio")
    make_photos(folder / "outside", per_class=3)
    (folder / "root").mkdir()
    (folder / "work").mkdir()
    for name in ("random.py", "keras.py", "uvicorn.py"):
        (folder / "work" / name).write_text("raise SystemExit('imported from the working folder')")
    port = free_address("127.0.0.1", None)[1]
    command = [str(Path(sys.executable).with_name("darkroom")), "studio", "--port", str(port), "--no-browser"]
    with (folder / "studio.log").open("w") as log:
        studio = subprocess.Popen(
            [*command, "--root", str(folder / "root")],
            cwd=folder / "work",
            env=os.environ | {"DARKROOM_CACHE": str(folder / "cache")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    new_browser = Browser(port, folder)
    deadline = time.monotonic() + 60
    while True:
        try:
            new_browser.ask("GET", "/api/draft")
            break
        except OSError:
            assert studio.poll() is None, (folder / "studio.log").read_text()
            assert time.monotonic() < deadline, (folder / "studio.log").read_text()
            time.sleep(0.1)
    yield new_browser
    studio.send_signal(signal.SIGINT)
    studio.wait(30)


@pytest.mark.parametrize(
    "uri",
    [
        "{outside}",
        "{root}/../outside",
        "file://{outside}",
        "local://{outside}",
        "dvc+{outside}@main:x",
        "{root}/link",
        "simplecache::file://{outside}/x.zip",
        "reference://::file://{outside}/x.json",
    ],
)
def test_data_outside_the_roots_cannot_be_chosen(uri: str, browser: Browser) -> None:
    root, outside = browser.folder / "root", browser.folder / "outside"
    if not (root / "link").is_symlink():
        (root / "link").symlink_to(outside)
    address = uri.format(root=root, outside=outside)
    assert browser.post("/api/data/choose", uri=address)[0] in (400, 403)
    assert browser.post("/api/draft/import", text=f"data: {{uri: '{address}'}}")[0] in (400, 403)


def test_a_model_file_outside_the_roots_is_not_opened(browser: Browser) -> None:
    secret = browser.folder / "outside" / "secret.keras"
    for key in ("path", "weights", "from"):
        assert browser.post("/api/draft", set={f"train.model.{key}": str(secret)})[0] == 403
    assert browser.post("/api/draft/import", text=f"train: {{model: {{path: '{secret}'}}}}")[0] == 403


def test_tables_and_links_within_the_roots_give_no_access_to_other_files(browser: Browser) -> None:
    photo = next((browser.folder / "outside").rglob("*.png"))
    photos = make_photos(browser.folder / "root" / "photos", per_class=2)
    (photos / "red" / "link.png").symlink_to(photo)
    (photos / "table.csv").write_text(f"path,label\nred/000.png,a\nblue/000.png,b\n{photo},b\n/etc/hostname,a\n")
    assert browser.post("/api/data/choose", uri=str(photos))[0] == 200
    assert browser.ask("GET", "/api/data/photo?path=red/000.png")[0] == 200
    assert browser.ask("GET", "/api/data/photo?path=red/link.png")[0] == 404
    assert browser.post("/api/data/choose", uri=str(photos / "table.csv"))[0] == 200
    assert browser.ask("GET", "/api/data/photo?path=red/000.png")[0] == 200
    for path in (str(photo), "/etc/hostname"):
        status, content = browser.ask("GET", f"/api/data/photo?path={quote(path, safe='')}")
        assert (status, b"PNG" in content) == (404, False)


def test_no_program_in_a_zip_of_photos_is_run(browser: Browser) -> None:
    """Uploads an archive, and audits it in a job, as a user would."""
    pets, mark = browser.folder / "made" / "pets", browser.folder / "ran"
    make_photos(pets, per_class=4)
    git(pets, "init", "--quiet")
    git(pets, "add", ".")
    git(pets, "commit", "--quiet", "-m", "x")
    with (pets / ".git" / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = touch {mark}; false\n")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for path in sorted(path for path in pets.rglob("*") if path.is_file()):
            file.write(path, path.relative_to(pets.parent))
    revision = json.loads(browser.ask("GET", "/api/draft")[1])["revision"]
    status, answer = browser.ask("PUT", f"/api/data/archive?name=pets.zip&revision={revision}", content.getvalue())
    assert status == 200, answer
    assert not list(Path(json.loads(answer)["uri"]).rglob(".git"))
    assert ["pets/.git", "Files of git, DVC and other tools are not unpacked."] in json.loads(
        browser.ask("GET", "/api/data")[1]
    )["data"]["rejected"]
    assert browser.ask("POST", "/api/audit", b"{}")[0] == 200
    deadline = time.monotonic() + 120
    while (view := json.loads(browser.ask("GET", "/api/audit")[1]))["state"] in ("waiting", "running"):
        assert time.monotonic() < deadline, view
        time.sleep(0.2)
    assert view["state"] == "done", view
    assert not mark.exists()
