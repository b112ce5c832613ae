"""Sends plain HTTP requests to a service, and provides photos for them."""

import contextlib
import http.client
import json
from typing import Any

from components.deploy.client import encode_form
from components.deploy.parity import golden_photos
from tests.e2e.service.conftest import Deployed


def photos(deployed: Deployed, number: int) -> list[bytes]:
    return [path.read_bytes() for path in golden_photos(deployed.dataset_dir)[:number]]


def request(url: str, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    """Returns the status and the answer, parsed if it is JSON."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    with contextlib.closing(connection):
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        content = response.read()
        kind = response.headers.get("content-type", "")
        return response.status, json.loads(content) if kind.startswith("application/json") else content.decode()


def post(url: str, files: list[bytes], path: str = "/predict") -> tuple[int, Any]:
    content_type, body = encode_form(files)
    return request(url, "POST", path, body, Content_Type=content_type)
