"""Reading photos from an object store in several tasks: only the golden photos are downloaded twice."""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from components.contract.errors import DataError
from components.contract.params.pipeline import PreprocessParams
from components.preprocess.parts import portions, work
from components.preprocess.parts.work import list_photos, read_photos
from components.preprocess.scan import scan_portion
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.sources.probe import probe
from components.preprocess.sources.remote import downloads
from components.preprocess.step import preprocess
from tests.support.artifacts import make_photos
from tests.unit.preprocess.dataset_files import add_photo, read_manifest, tree

PARAMS = PreprocessParams(image_size=(16, 12), golden_photos=4)
NUM_PARTS = 3


class Bucket:
    """A bucket on a fake S3 server (moto); it counts how often the server sends each object."""

    def __init__(self, client: Any, requests: pytest.LogCaptureFixture):
        self.uri = "s3://shop/colors"
        self._client = client
        self._requests = requests

    def put(self, photos: Path) -> None:
        for path in sorted(photos.rglob("*")):
            if path.is_file():
                self._client.upload_file(str(path), "shop", f"colors/{path.relative_to(photos)}")

    def remove(self, name: str) -> None:
        self._client.delete_object(Bucket="shop", Key=f"colors/{name}")

    def sent(self) -> Counter[str]:
        """How many times each object has been sent since the last call; list and version requests do not count."""
        texts = [record.getMessage() for record in self._requests.records if record.name == "werkzeug"]
        self._requests.clear()
        return Counter(match[1] for text in texts if (match := re.search(r"GET /shop/colors/([^ ?]+)[ ?]", text)))


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Bucket]:
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    s3fs = pytest.importorskip("s3fs")
    import boto3

    monkeypatch.setattr(portions, "PORTION_FILES", 4)
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=True)
    server.start()
    host, port = server.get_host_and_port()
    values = {"AWS_ENDPOINT_URL_S3": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "s"}
    for name, value in (values | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client("s3")
    caplog.set_level(logging.INFO, logger="werkzeug")
    client.create_bucket(Bucket="shop")
    for found in client.list_objects_v2(Bucket="shop").get("Contents", []):  # moto keeps objects until the process ends
        client.delete_object(Bucket="shop", Key=found["Key"])
    bucket = Bucket(client, caplog)
    bucket.put(make_photos(tmp_path / "colors", per_class=8))
    monkeypatch.setenv("DARKROOM_STORE", str(tmp_path / "store"))
    try:
        yield bucket
    finally:
        server.stop()


def forget_listings() -> None:
    """Clears the listings that s3fs has cached, as if a new process had started."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def use_pod(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switches to a separate cache, as on another machine."""
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "pods" / name))
    forget_listings()


def merged(bucket: Bucket, tmp_path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    preprocess(bucket.uri, PARAMS, tmp_path / "dataset", listing_dir=tmp_path / "listing")
    files = tree(tmp_path / "dataset")
    return files, json.loads(files.pop("dataset.json")) | {"source": None}


def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files and the info (without its source) of a data set prepared from the same photos in a local folder."""
    monkeypatch.setenv("DARKROOM_CACHE", str(tmp_path / "alone"))
    preprocess(str(tmp_path / "colors"), PARAMS, tmp_path / "whole")
    files = tree(tmp_path / "whole")
    return files, json.loads(files.pop("dataset.json")) | {"source": None}


def test_each_photo_is_downloaded_once_by_one_reader(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = {path.relative_to(tmp_path / "colors").as_posix() for path in (tmp_path / "colors").rglob("*.png")}
    bucket.sent()
    use_pod("list", tmp_path, monkeypatch)
    list_photos(bucket.uri, PARAMS, tmp_path / "listing")
    assert not bucket.sent(), "listing the photos must not download any"
    sent = []
    for part in range(NUM_PARTS):
        use_pod(f"reader-{part}", tmp_path, monkeypatch)
        read_photos(bucket.uri, PARAMS, tmp_path / "listing", part, NUM_PARTS)
        sent.append(bucket.sent())
    assert all(sent)
    assert sum(sent, Counter()) == Counter(names), "each photo must be sent exactly once"
    use_pod("merge", tmp_path, monkeypatch)
    with caplog.at_level("INFO", logger="components"):
        files, info = merged(bucket, tmp_path)
    assert "Files read: none; all are in the cache: " in caplog.text
    assert sum(bucket.sent().values()) == len([name for name in files if name.startswith("golden/")])
    assert (files, info) == whole(tmp_path, monkeypatch)


@pytest.mark.parametrize("interrupted", ["decoding", "fetching"])
def test_after_an_interruption_a_reader_downloads_only_missing_photos(
    interrupted: str, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_pod("list", tmp_path, monkeypatch)
    list_photos(bucket.uri, PARAMS, tmp_path / "listing")
    use_pod("reader", tmp_path, monkeypatch)
    bucket.sent()
    calls: list[object] = []

    def fail_later(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) > 5:
            raise KeyboardInterrupt

    def scan_or_fail(files: Sequence[PhotoFile], *arguments: Any) -> None:
        for _ in files:
            fail_later()
        scan_portion(files, *arguments)

    download = downloads._download_file

    def download_or_fail(*arguments: Any) -> Any:
        fail_later()
        return download(*arguments)

    with monkeypatch.context() as patch:
        if interrupted == "decoding":
            patch.setattr(work, "scan_portion", scan_or_fail)
        else:
            patch.setattr(downloads, "CONNECTIONS", 1)
            patch.setattr(downloads, "_download_file", download_or_fail)
        with pytest.raises(KeyboardInterrupt):
            read_photos(bucket.uri, PARAMS, tmp_path / "listing", 0, 1)
    first = bucket.sent()
    assert 0 < len(first) < 24
    read_photos(bucket.uri, PARAMS, tmp_path / "listing", 0, 1)
    total = first + bucket.sent()
    assert set(total.values()) == {1}
    assert len(total) == 24
    assert merged(bucket, tmp_path) == whole(tmp_path, monkeypatch)


def test_the_final_state_of_a_changing_bucket_is_read(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo that was removed after the listing is rejected; for a changed photo, its latest version is used."""
    data = tmp_path / "colors"
    use_pod("list", tmp_path, monkeypatch)
    list_photos(bucket.uri, PARAMS, tmp_path / "listing")
    gone, before, after = (path.relative_to(data).as_posix() for path in sorted((data / "green").iterdir())[:3])
    bucket.remove(gone)
    add_photo(data / before, "green", seed=6)
    bucket.put(data)
    bucket.remove(gone)
    for part in range(NUM_PARTS):
        use_pod(f"reader-{part}", tmp_path, monkeypatch)
        read_photos(bucket.uri, PARAMS, tmp_path / "listing", part, NUM_PARTS)
    add_photo(data / after, "green", seed=7)
    bucket.put(data)
    bucket.remove(gone)
    use_pod("merge", tmp_path, monkeypatch)
    merged(bucket, tmp_path)
    rows = {row["path"]: row for row in read_manifest(tmp_path / "dataset")}
    assert rows[gone]["reason"] == "unreadable"
    whole(tmp_path, monkeypatch)
    expected = {row["path"]: row["sha256"] for row in read_manifest(tmp_path / "whole")}
    assert {name: row["sha256"] for name, row in rows.items() if name != gone} == {
        name: sha256 for name, sha256 in expected.items() if name != gone
    }


def test_a_single_task_downloads_each_new_photo_once(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_pod("alone", tmp_path, monkeypatch)
    bucket.sent()
    for output in ("first", "second"):
        preprocess(bucket.uri, PARAMS, tmp_path / output)
        forget_listings()
    assert Counter(bucket.sent().values()) == {1: 24}
    assert tree(tmp_path / "first") == tree(tmp_path / "second")


def test_a_probe_downloads_only_a_few_photos_and_the_label_file(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.preprocess.sources.probe.PROBED_PHOTOS", 3)
    data = tmp_path / "colors"
    lines = [f"{path.relative_to(data).as_posix()},{path.parent.name}" for path in data.rglob("*.png")]
    (data / "labels.csv").write_text("\n".join(["file,label", *lines]))
    bucket.put(data)
    use_pod("laptop", tmp_path, monkeypatch)
    bucket.sent()
    look = probe(bucket.uri)
    assert (look.name, look.native_size) == ("colors", (40, 32))
    sent = bucket.sent()
    assert sent.pop("labels.csv") == 1
    assert Counter(sent.values()) == {1: 3}


def test_photos_removed_from_the_bucket_are_removed_from_the_cache(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_pod("alone", tmp_path, monkeypatch)
    preprocess(bucket.uri, PARAMS, tmp_path / "dataset")
    bucket.remove("red/000.png")
    forget_listings()
    preprocess(bucket.uri, PARAMS, tmp_path / "dataset")
    cached = {path.name for path in (tmp_path / "pods" / "alone" / "downloads").rglob("*.png") if "red" in path.parts}
    assert cached == {f"{number:03d}.png" for number in range(1, 8)}


def test_an_access_error_stops_the_reader_and_rejects_no_photo(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_pod("list", tmp_path, monkeypatch)
    list_photos(bucket.uri, PARAMS, tmp_path / "listing")

    def refuse(*_: object) -> None:
        raise PermissionError("Access Denied")

    monkeypatch.setattr(downloads, "_open_stream", refuse)
    with pytest.raises(DataError, match="cannot be read: PermissionError: Access Denied"):
        read_photos(bucket.uri, PARAMS, tmp_path / "listing", 0, NUM_PARTS)
