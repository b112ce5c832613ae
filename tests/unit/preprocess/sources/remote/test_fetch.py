"""Fetching data from web servers and buckets by their addresses."""

import base64
import hashlib
import http.server
import importlib
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from components.contract.errors import DataError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.sources.probe import probe
from components.preprocess.step import preprocess
from tests.support.artifacts import make_photos
from tests.unit.preprocess.dataset_files import tree
from tests.unit.preprocess.sources.label_tables import write_table

PARAMS = PreprocessParams(image_size=16)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A local web server: its address, the folder that it serves, and its requests (method and path)."""
    folder, requests = tmp_path / "served", []
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            requests.append(f"{self.command} {self.path}")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}", folder, requests
        web.shutdown()
        thread.join()


def test_an_archive_is_downloaded_once(server: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, requests = server
    photos = make_photos(tmp_path / "photos", per_class=6)
    expected = preprocess(str(photos), PARAMS, tmp_path / "expected")
    shutil.make_archive(str(folder / "colors"), "zip", tmp_path, "photos")
    assert probe(f"{address}/colors.zip?raw=1").name == "colors"
    info = preprocess(f"{address}/colors.zip?raw=1", PARAMS, tmp_path / "dataset")
    assert (info.fingerprint, info.source.uri) == (expected.fingerprint, f"{address}/colors.zip?***")
    assert sum(line.startswith("GET") for line in requests) == 1
    assert tree(tmp_path / "dataset" / "golden") == tree(tmp_path / "expected" / "golden")


def test_a_table_is_downloaded_with_its_photos(server: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    address, folder, _ = server
    write_table(make_photos(folder, per_class=6))
    with (folder / "labels.csv").open("a") as file:
        file.write("red/absent.png;red\n../secret.png;red\n")
    info = preprocess(f"{address}/labels.csv", PARAMS, tmp_path / "dataset")
    assert (info.num_kept, info.rejected) == (18, {"outside_data": 1, "unreadable": 1})


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("{address}/absent.zip", "absent.zip cannot be read"),
        ("{address}/folder/", "must point to an archive or a table"),
        ("http://127.0.0.1:9/photos.zip", "cannot be read"),
        ("nonsense://photos.zip", "address nonsense://"),
        ("dvc+somewhere", "must look like dvc"),
    ],
)
def test_invalid_addresses_are_reported(
    uri: str, message: str, server: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        probe(uri.format(address=server[0]))


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Starts a fake server for Google's JSON API that lists and reads objects; returns the folder with its buckets."""
    pytest.importorskip("gcsfs", reason="the extra gs is not installed")
    root = tmp_path / "buckets"

    def object_info(bucket: str, path: Path) -> dict[str, str]:
        name = path.relative_to(root / bucket).as_posix()
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": name,
            "size": str(path.stat().st_size),
            "md5Hash": base64.b64encode(hashlib.md5(path.read_bytes()).digest()).decode(),
            "updated": "2026-01-01T00:00:00.000Z",
            "timeCreated": "2026-01-01T00:00:00.000Z",
        }

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            query = parse_qs(address.query)
            bucket, _, rest = address.path.split("/b/")[1].partition("/o")
            name = unquote(rest.lstrip("/"))
            path = root / bucket / name
            if name and not path.is_file():
                return self.answer(404, b'{"error": {"code": 404, "message": "Not Found"}}')
            if name and query.get("alt") == ["media"]:
                return self.answer(200, path.read_bytes())
            if name:
                return self.answer(200, json.dumps(object_info(bucket, path)).encode())
            prefix = query.get("prefix", [""])[0]
            items = [object_info(bucket, path) for path in sorted((root / bucket).rglob("*.*"))]
            matches = [item for item in items if item["name"].startswith(prefix)]
            return self.answer(200, json.dumps({"kind": "storage#objects", "items": matches}).encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{web.server_port}")
        threading.Thread(target=web.serve_forever).start()
        yield root
        web.shutdown()


def test_photos_in_a_google_bucket_are_fetched(google: Path, tmp_path: Path) -> None:
    photos = make_photos(google / "pets" / "sets" / "colors", per_class=5)
    expected = preprocess(str(photos), PARAMS, tmp_path / "local")
    info = preprocess("gs://pets/sets/colors", PARAMS, tmp_path / "remote")
    assert (info.name, info.fingerprint, info.rejected) == ("colors", expected.fingerprint, {})
    shutil.make_archive(str(google / "pets" / "colors"), "zip", photos)
    assert probe("gs://pets/colors.zip").native_size == (40, 32)
    with pytest.raises(DataError, match=r"gs://pets/absent\.zip cannot be read"):
        probe("gs://pets/absent.zip")


@pytest.mark.parametrize(("scheme", "module", "extra"), [("gs", "gcsfs", "gs"), ("s3", "s3fs", "preprocess")])
def test_the_error_for_a_missing_package_names_the_extra(
    scheme: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    registry = importlib.import_module("fsspec.registry")._registry  # file systems that earlier tests used
    monkeypatch.delitem(registry, scheme, raising=False)
    with pytest.raises(DataError, match=rf"{scheme}:// needs a package .* pip install 'darkroom\[{extra}\]'"):
        probe(f"{scheme}://pets/colors.zip")
