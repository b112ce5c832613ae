"""Public container images are pinned by digest in the files that name them.

The container engine in these tests is a local HTTP server that answers the necessary requests to Docker's API;
tests/e2e/containers/test_registry.py uses a real engine.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipelines.images import pins
from pipelines.images.build import PUBLIC_BASE, EngineError

ROOT = Path(__file__).parents[4]
DIGEST, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"

DOCKERFILE = "# ARG BASE_IMAGE=old:1\nARG BASE_IMAGE=python:3.11-slim\nFROM ${BASE_IMAGE} AS packages\n"
MANIFEST = f"""\
containers:
  - name: database
    image: postgres:17.5 # the same as in backup.yaml
  - image: registry.example.org:5000/team/store:3.97@{OTHER}
    imagePullPolicy: Always
  - {{name: serve, image: darkroom-serve-python:0.2.0}}
  - image: darkroom-deploy-python:0.2.0
"""


class Engine(BaseHTTPRequestHandler):
    """Returns the same digest for every image, but an error for an image whose name contains `absent`."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path.endswith("/_ping"):
            return self.answer(200, {})
        if self.path.endswith("/version"):
            return self.answer(200, {"ApiVersion": "1.44", "MinAPIVersion": "1.24"})
        assert "/distribution/" in self.path, self.path
        if "absent" in self.path:
            return self.answer(500, {"message": "lookup registry: no such host"})
        return self.answer(200, {"Descriptor": {"digest": DIGEST, "size": 1, "mediaType": "index"}, "Platforms": []})

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


@pytest.fixture
def _engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with HTTPServer(("127.0.0.1", 0), Engine) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in (("components/Dockerfile", DOCKERFILE), ("k8s/base/postgres.yaml", MANIFEST)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.usefixtures("_engine")
def test_every_third_party_image_gets_its_digest(tree: Path) -> None:
    digests = pins.pin(tree)
    assert set(digests) == {"python:3.11-slim", "postgres:17.5", "registry.example.org:5000/team/store:3.97"}
    dockerfile = (tree / "components/Dockerfile").read_text()
    assert dockerfile == DOCKERFILE.replace(
        "\nARG BASE_IMAGE=python:3.11-slim", f"\nARG BASE_IMAGE=python:3.11-slim@{DIGEST}"
    )
    manifest = (tree / "k8s/base/postgres.yaml").read_text()
    assert manifest == MANIFEST.replace("postgres:17.5", f"postgres:17.5@{DIGEST}").replace(OTHER, DIGEST)
    assert pins.pin(tree) == digests
    assert (tree / "k8s/base/postgres.yaml").read_text() == manifest


@pytest.mark.usefixtures("_engine")
def test_if_one_image_cannot_be_resolved_no_file_is_changed(tree: Path) -> None:
    path = tree / "k8s/base/postgres.yaml"
    path.write_text(MANIFEST.replace("postgres:", "absent:"))
    with pytest.raises(EngineError, match=r"digest of the image absent:17\.5.*no such host.*No file has been changed"):
        pins.pin(tree)
    assert (tree / "components/Dockerfile").read_text() == DOCKERFILE


def test_without_an_engine_nothing_is_pinned(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", "images", "pin"],
        env=os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "engine is needed for darkroom images pin; none answers" in result.stderr


def test_outside_the_source_tree_nothing_is_pinned(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Images are pinned in Darkroom's source tree"):
        pins.pin(tmp_path)


def test_the_build_uses_the_base_image_of_the_dockerfile() -> None:
    assert f"\nARG BASE_IMAGE={PUBLIC_BASE}\n" in (ROOT / "components/Dockerfile").read_text()


@pytest.mark.parametrize(
    "path",
    [*pins.list_pinned_files(ROOT), *sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"],
    ids=lambda path: path.name,
)
def test_every_image_is_named_with_a_tag_other_than_latest(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ":latest" not in text
    names = [match["image"] for match in pins.REFERENCE.finditer(text)]
    assert all(":" in name.rpartition("/")[2] for name in names)
