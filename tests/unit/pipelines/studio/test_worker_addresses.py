"""Secrets in addresses, such as tokens, pass from the worker that parses them to the worker that fetches the data."""

import contextlib
import functools
import http.server
import threading
from pathlib import Path

import pytest
from PIL import Image

from components.contract.system.address import Address
from pipelines.studio.workers import Workers


class TokenHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files to clients that send the token."""

    def do_GET(self) -> None:
        if self.has_token():
            super().do_GET()

    def do_HEAD(self) -> None:
        if self.has_token():
            super().do_HEAD()

    def has_token(self) -> bool:
        """Returns whether the request has the token; responds with 403 if it does not."""
        if "token=opensesame1" not in self.path:
            self.send_error(403)
            return False
        return True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class defines the name
        """Logs nothing, to keep the test's output short."""


def test_the_secret_in_an_address_is_passed_from_worker_to_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DARKROOM_ADDRESSES", raising=False)
    table = "path,label\n" + "".join(f"{label}{number}.png,{label}\n" for label in "ab" for number in range(3))
    (tmp_path / "photos.csv").write_text(table)
    for line in table.splitlines()[1:]:
        Image.new("RGB", (24, 16)).save(tmp_path / line.split(",")[0])
    handler = functools.partial(TokenHandler, directory=str(tmp_path))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        contextlib.closing(Workers()) as parsing,
        contextlib.closing(Workers()) as probing,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_address[1]}/photos.csv?token=opensesame1"
        probing.ask(
            "parse_params", "The params", b"train: {epochs: 1}", is_command=False, roots=[]
        )  # starts this worker before the address is known
        text = f"data: {{uri: '{uri}'}}".encode()
        parsed = parsing.ask("parse_params", "The params", text, is_command=False, roots=[])
        redacted = parsed.value["data"]["uri"]
        assert "opensesame" not in redacted
        assert Address(redacted).full == uri
        probed = probing.ask("probe_data", "The data", uri=redacted)
        server.shutdown()
    assert probed.value == {
        "name": "photos",
        "native_size": [16, 24],
        "description": ["Found 6 photos in 2 classes: a 3, b 3."],
    }
