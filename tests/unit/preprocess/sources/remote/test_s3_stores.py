"""S3 stores other than Amazon's: endpoint, region and addressing style come from the secret darkroom-s3."""

import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.contract.errors import DataError
from components.preprocess.sources.remote.fetch import ADDRESSING_VARIABLE, fetch
from pipelines.runners.cluster.placement import SECRETS

REGION = "eu-west-3"
KEYS = {"access_key": "key", "secret_key": "secret", "region": REGION}


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for variable in (*SECRETS["preprocess"]["darkroom-s3"].values(), "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(variable, raising=False)
    s3fs = pytest.importorskip("s3fs")
    s3fs.S3FileSystem.clear_instance_cache()  # otherwise, s3fs would connect to an earlier test's server


def mount_secret(monkeypatch: pytest.MonkeyPatch, **secret: str) -> None:
    """Sets the environment variables that the preprocess task gets from a secret darkroom-s3 with this content."""
    for key, value in secret.items():
        monkeypatch.setenv(SECRETS["preprocess"]["darkroom-s3"][key], value)


@pytest.mark.parametrize("style", ["path", "auto"])
def test_photos_are_read_from_a_store_with_its_own_endpoint_and_region(
    style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        mount_secret(monkeypatch, **KEYS, endpoint=f"http://{host}:{port}", addressing_style=style)
        client = boto3.client("s3")
        bucket = f"photos-{style}"  # moto keeps its buckets until this process ends
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.put_object(Bucket=bucket, Key="shirts/red/1.jpg", Body=b"photo")
        folder = fetch(f"s3://{bucket}/shirts")
    finally:
        server.stop()
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")] == ["red/1.jpg"]
    assert next(folder.rglob("*.jpg")).read_bytes() == b"photo"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    """The endpoint of an empty store, and a list with (host, path, signing region) for each GET request."""
    requests: list[tuple[str, str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers["Host"].partition(":")[0]
            requests.append((host, self.path.partition("?")[0], self.headers["Authorization"].split("/")[2]))
            body = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    resolve = socket.getaddrinfo

    def resolve_here(host: Any, *arguments: Any, **options: Any) -> Any:
        return resolve("127.0.0.1" if str(host).endswith("store.localhost") else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_here)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://store.localhost:{server.server_port}", requests
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("style", "place"),
    [
        (None, ("store.localhost", "/photos")),
        ("path", ("store.localhost", "/photos")),
        ("virtual", ("photos.store.localhost", "/")),
    ],
)
def test_the_addressing_style_determines_whether_the_bucket_is_in_the_host_or_the_path(
    style: str | None,
    place: tuple[str, str],
    store: tuple[str, list[tuple[str, str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint, requests = store
    mount_secret(monkeypatch, **KEYS, endpoint=endpoint, **({"addressing_style": style} if style else {}))
    with pytest.raises(DataError, match="cannot be read: FileNotFoundError"):
        fetch("s3://photos/shirts")
    assert requests[0] == (*place, REGION)


def test_an_unknown_addressing_style_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mount_secret(monkeypatch, **KEYS, addressing_style="subdomain")
    with pytest.raises(DataError, match=f"{ADDRESSING_VARIABLE} must be one of auto, path, virtual; found 'subdomain'"):
        fetch("s3://photos/shirts")
