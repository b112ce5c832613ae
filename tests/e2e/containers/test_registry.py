"""Base images are pinned to the digest that a registry reports."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from pipelines.images import pins
from pipelines.images.build import EngineError

pytestmark = [pytest.mark.docker, pytest.mark.proof]


MEDIA_TYPE = "application/vnd.oci.image.index.v1+json"


class Registry(BaseHTTPRequestHandler):
    """A minimal registry with one image; it implements version 2 of the registry protocol."""

    manifest = json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPE, "manifests": []}).encode()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        digest = f"sha256:{hashlib.sha256(self.manifest).hexdigest()}"
        manifests = {f"/v2/store/manifests/{reference}": self.manifest for reference in ("3.97", digest)} | {
            "/v2/": b"{}"
        }
        body = manifests.get(self.path, b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}')
        self.send_response(200 if self.path in manifests else 404)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", MEDIA_TYPE)
        self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(body).hexdigest()}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Does not log requests."""


def test_the_engine_resolves_a_digest_at_the_registry(engine: None, tmp_path: Path) -> None:
    (tmp_path / "components").mkdir()
    (tmp_path / "k8s").mkdir()
    manifest = tmp_path / "k8s" / "store.yaml"
    with HTTPServer(("127.0.0.1", 0), Registry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        image = f"127.0.0.1:{server.server_port}/store:3.97"
        (tmp_path / "components" / "Dockerfile").write_text(f"ARG BASE_IMAGE={image}\n")
        manifest.write_text(f"image: {image}\n")
        digest = f"sha256:{hashlib.sha256(Registry.manifest).hexdigest()}"
        assert pins.pin(tmp_path) == {image: digest}
        assert manifest.read_text() == f"image: {image}@{digest}\n"
        manifest.write_text(f"image: {image.replace('store', 'absent')}\n")
        with pytest.raises(EngineError, match=r"The digest of the image .*absent.* could not be looked up .*unknown"):
            pins.pin(tmp_path)
        server.shutdown()
