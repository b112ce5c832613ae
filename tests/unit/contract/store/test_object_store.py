"""The object store that tasks share: files are complete or absent, transfers resume, and lost blocks are detected."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from components.contract.errors import ArtifactError
from components.contract.store import object_store
from components.contract.store.folder_store import FolderStore
from components.contract.store.object_store import ObjectStore
from components.contract.store.shared_store import SharedStore, open_shared_store

CONTENT = os.urandom(1000)
NAME = "photos/0f/pixels.pack"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "BLOCK_BYTES", 300)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(CONTENT)
    return tmp_path / "source"


class CountingSystem:
    """Wraps fsspec's in-memory file system: records which files are read and written, and loses files on demand."""

    def __init__(self) -> None:
        self._system = fsspec.filesystem("memory")
        self._system.store.clear()
        self.written: list[str] = []
        self.read: list[str] = []
        self.loses: Callable[[str], bool] = lambda path: False

    def pipe_file(self, path: str, content: bytes) -> None:
        self.written.append(path.rsplit("/", 1)[-1][:5])
        if not self.loses(path):
            self._system.pipe_file(path, content)

    def cat_file(self, path: str) -> bytes:
        content: bytes = self._system.cat_file(path)
        self.read.append(path.rsplit("/", 1)[-1][:5])
        return content

    def find(self) -> list[str]:
        return sorted(self._system.find("/"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)


@pytest.fixture
def system() -> CountingSystem:
    return CountingSystem()


@pytest.fixture
def store(system: CountingSystem) -> ObjectStore:
    return ObjectStore("memory://darkroom", system)


@pytest.mark.parametrize("num_bytes", [0, 1, 299, 300, 301, 1000])
def test_a_file_is_returned_unchanged(num_bytes: int, store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(CONTENT[:num_bytes])
    assert not store.has(NAME)
    assert not store.fetch(NAME, tmp_path / "target")
    store.put(NAME, tmp_path / "source")
    assert store.has(NAME)
    assert store.fetch(NAME, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == CONTENT[:num_bytes]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source", "target"]


def test_an_interrupted_upload_resumes_after_the_existing_blocks(
    source: Path, store: ObjectStore, system: CountingSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "CONNECTIONS", 1)

    def fail(path: str) -> bool:
        if "/00002-" in path:
            raise PermissionError("the connection is gone")
        return False

    system.loses = fail
    with pytest.raises(ArtifactError, match="cannot be reached or written"):
        store.put(NAME, source)
    assert not store.has(NAME), "an incomplete file must count as missing"
    system.loses, system.written = lambda path: False, []
    store.put(NAME, source)
    assert sorted(system.written) == ["00002", "note."]


def test_an_interrupted_download_resumes_after_the_existing_blocks(
    source: Path, store: ObjectStore, system: CountingSystem, tmp_path: Path
) -> None:
    store.put(NAME, source)
    (tmp_path / ".target.blocks").write_bytes(CONTENT[:450])
    system.read.clear()
    assert store.fetch(NAME, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == CONTENT
    assert sorted(system.read) == ["00001", "00002", "00003", "note."]


@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_write_is_repeated_once_and_then_reported(
    times: int, source: Path, store: ObjectStore, system: CountingSystem
) -> None:
    lost: list[str] = []

    def lose(path: str) -> bool:
        if "/00001-" in path and len(lost) < times:
            lost.append(path)
            return True
        return False

    system.loses = lose
    if times == 1:
        store.put(NAME, source)
        assert store.has(NAME)
    else:
        with pytest.raises(ArtifactError, match=r"accepted .*00001-.*, but does not contain all of it"):
            store.put(NAME, source)
        assert not store.has(NAME)


def test_a_lost_list_of_blocks_is_reported(source: Path, store: ObjectStore, system: CountingSystem) -> None:
    system.loses = lambda path: path.endswith("note.json")
    with pytest.raises(ArtifactError, match="does not return the list of blocks"):
        store.put(NAME, source)


@pytest.mark.parametrize("damage", ["lost", "changed", "shorter"])
def test_a_block_that_is_lost_or_damaged_later_is_detected_and_can_be_stored_again(
    damage: str, source: Path, store: ObjectStore, system: CountingSystem, tmp_path: Path, caplog: Any
) -> None:
    store.put(NAME, source)
    (block,) = [path for path in system.find() if "/00001-" in path]
    if damage == "lost":
        system._system.rm_file(block)
    else:
        system._system.pipe_file(block, b"x" * 300 if damage == "changed" else CONTENT[300:599])
    assert not store.fetch(NAME, tmp_path / "target")
    assert f"has lost or changed {NAME}/00001-" in caplog.text
    assert not (tmp_path / "target").exists()
    assert not store.has(NAME), "the file must count as missing, so that a task creates it again"
    if damage != "changed":
        store.put(NAME, source)
        assert store.fetch(NAME, tmp_path / "target")


def test_an_error_hides_the_secret_in_the_address(source: Path, system: CountingSystem) -> None:
    def fail(path: str) -> bool:
        raise PermissionError("denied for key:topsecretword")

    system.loses = fail
    store = ObjectStore("memory://key:topsecretword@bucket/darkroom", system)
    with pytest.raises(ArtifactError) as error:
        store.put(NAME, source)
    assert "topsecretword" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "kind"), [(None, FolderStore), ("/mnt/shared", FolderStore), ("memory://darkroom", ObjectStore)]
)
def test_the_environment_determines_the_kind_of_store(
    address: str | None, kind: type[SharedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DARKROOM_STORE", raising=False)
    if address:
        monkeypatch.setenv("DARKROOM_STORE", address)
    assert isinstance(open_shared_store(), kind)


@pytest.mark.parametrize("is_own", [False, True])
def test_only_a_store_in_the_cache_discards_used_files(is_own: bool, source: Path, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", is_own=is_own)
    store.put(NAME, source)
    old = tmp_path / "store" / "photos" / "aa" / "index.sqlite"
    old.parent.mkdir()
    old.touch()
    os.utime(old, (0, 0))
    assert store.fetch(NAME, tmp_path / "target")
    store.discard(NAME)
    assert store.has(NAME) is not is_own
    assert not old.exists(), "files that are more than a week old must be removed in both cases"
    assert (tmp_path / "target").read_bytes() == CONTENT


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty bucket on a simulated S3 server."""
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    s3fs = pytest.importorskip("s3fs")
    import boto3

    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    values = {"AWS_ENDPOINT_URL_S3": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "s"}
    for name, value in (values | {"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.client("s3").create_bucket(Bucket="parts")
    try:
        yield "s3://parts/darkroom"
    finally:
        server.stop()


def test_s3_works_as_the_shared_store(s3: str, source: Path, tmp_path: Path) -> None:
    store = ObjectStore(s3)
    assert not store.has(NAME)
    store.put(NAME, source)
    assert ObjectStore(s3).has(NAME)
    assert ObjectStore(s3).fetch(NAME, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == CONTENT
