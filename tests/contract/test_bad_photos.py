"""A scan of a data set and the service give each bad photo the same verdict, and do so quickly."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from starlette.requests import Request

from components.contract.artifacts.bundle import read_bundle
from components.contract.artifacts.dataset import DatasetInfo
from components.contract.errors import ImageError
from components.contract.params.audit import AuditParams
from components.contract.params.pipeline import PreprocessParams
from components.deploy.bento.build import lay_out
from components.deploy.client import encode_form
from components.deploy.service.classifier import Classifier
from components.deploy.service.gateway.upload import read_request
from components.preprocess import reading
from components.preprocess.manifest import Record
from components.preprocess.reading import read_photo
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.step import preprocess
from components.preprocess.store.pixel_cache import PixelStore
from tests.cases.bad_photos import BAD_PHOTOS, needs_heic
from tests.support.artifacts import make_bundle, make_dataset, make_photos

SECONDS = 2.0
"""The limit on the processor time for one file: more than any file needs, but short enough to detect a hang."""

PARAMS = PreprocessParams(image_size=64, audit=AuditParams(duplicates="report", near_duplicates="ignore"))


def kinds() -> list[str]:
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        return [name for name in BAD_PHOTOS if not needs_heic(name)]
    return list(BAD_PHOTOS)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A loaded classifier, whose graph accepts photos of 64 × 64 pixels."""
    folder = tmp_path_factory.mktemp("packed")
    make_bundle(folder / "bundle", make_dataset(folder / "dataset", per_class=1, side=64))
    lay_out(folder / "src", folder / "bundle", read_bundle(folder / "bundle"), "colors")
    return Classifier(folder / "src")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[DatasetInfo, dict[str, dict]]:
    """Preprocesses good photos of three classes and, in the class red, all bad photos; returns info and manifest."""
    folder = tmp_path_factory.mktemp("bad")
    data = make_photos(folder / "photos", per_class=6)
    names = {}
    for number, name in enumerate(kinds()):
        path = data / "red" / f"{number:03d}-bad{BAD_PHOTOS[name].suffix}"
        path.write_bytes(BAD_PHOTOS[name].make())
        names[f"red/{path.name}"] = name
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DARKROOM_CACHE", str(folder / "cache"))
        info = preprocess(str(data), PARAMS, folder / "dataset")
    rows = pq.read_table(folder / "dataset" / "manifest.parquet").to_pylist()
    return info, {names.get(row["path"], row["path"]): row for row in rows}


def test_the_table_has_enough_kinds_of_bad_photos() -> None:
    assert len(BAD_PHOTOS) >= 90
    assert len({bad.make() for name, bad in BAD_PHOTOS.items() if name in kinds()}) == len(kinds())


def test_every_file_is_kept_or_rejected(prepared: tuple[DatasetInfo, dict[str, dict]]) -> None:
    info, rows = prepared
    assert len(rows) == 18 + len(kinds())
    assert info.num_kept + info.num_rejected == len(rows)
    assert info.num_kept == 18 + sum(BAD_PHOTOS[name].verdict is None for name in kinds())
    assert info.num_kept == sum(row["reason"] is None for row in rows.values())


@pytest.mark.parametrize("name", kinds())
def test_scan_and_service_give_the_same_verdict(
    name: str, prepared: tuple[DatasetInfo, dict[str, dict]], classifier: Classifier
) -> None:
    row = prepared[1][name]
    data = BAD_PHOTOS[name].make()
    start_time = time.process_time()
    verdict, message = verdict_of_service(classifier, data)
    seconds = time.process_time() - start_time
    assert verdict == row["reason"] == BAD_PHOTOS[name].verdict
    assert message == row["message"]
    assert seconds < SECONDS
    if message is not None:
        assert message[0].isupper()
        assert message.endswith(".")
        assert " at 0x" not in message


def verdict_of_service(classifier: Classifier, data: bytes) -> tuple[str | None, str | None]:
    """Parses a request and decodes its photos as the service does."""
    content_type, body = encode_form([data])
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, object]:
        return next(messages)

    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"", "headers": headers}
    (photo,) = asyncio.run(read_request(Request(scope, receive))).photos
    assert photo == data
    try:
        classifier.open(photo)
    except ImageError as error:
        return error.code, str(error)
    return None, None


# --- folders, links, pipes and permissions ---------------------------------------------------------------------------


def lay_traps(data: Path) -> dict[str, str | None]:
    """Puts unusual entries among the photos and returns the expected reason code of each rejected entry."""
    photo_bytes = (data / "red" / "000.png").read_bytes()
    (data / "red" / "folder.jpg").mkdir()
    (data / "red" / "loop").symlink_to(data)
    (data / "red" / "itself.jpg").symlink_to("itself.jpg")
    (data / "red" / "nowhere.jpg").symlink_to("nothing")
    os.mkfifo(data / "red" / "pipe.jpg")
    os.mkfifo(data / "red" / "hidden-pipe.jpg.part")
    shutil.copy(data / "blue" / "000.png", data / "blue" / "line\nbreak.png")
    shutil.copy(data / "blue" / "000.png", data / "blue" / ("b" * 251 + ".png"))
    shutil.copy(data / "blue" / "001.png", data / "green" / "under two labels.png")
    (data / "red" / "vanishing.png").write_bytes(photo_bytes + b"1")
    (data / "red" / "becomes a pipe.png").write_bytes(photo_bytes + b"2")
    with open(os.fsencode(data / "green") + b"/not utf-8 \xff.png", "wb") as file:  # noqa: PTH123 pathlib has no bytes
        file.write(b"")
    return {
        "red/loop": "folder_seen",
        "red/itself.jpg": "unreadable",
        "red/nowhere.jpg": "unreadable",
        "red/pipe.jpg": "not_a_file",
        "red/hidden-pipe.jpg.part": "not_a_file",
        "blue/line\nbreak.png": "duplicate",
        f"blue/{'b' * 251}.png": "duplicate",
        "green/under two labels.png": "contradictory_label",
        "blue/001.png": "contradictory_label",
        "red/vanishing.png": "unreadable",
        "red/becomes a pipe.png": "unreadable",
        "green/not utf-8 \\xff.png": "empty",
    }


def test_odd_entries_of_a_folder_are_reported_and_nothing_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_photos(tmp_path / "photos", per_class=6)
    expected = lay_traps(data)
    real = reading._read

    def read_while_files_change(photo_file: PhotoFile) -> tuple[bytes, str | None]:
        """Deletes or replaces two of the files just before they are read, as another program might."""
        if photo_file.location.name in ("vanishing.png", "becomes a pipe.png"):
            photo_file.location.unlink()
        if photo_file.location.name == "becomes a pipe.png":
            os.mkfifo(photo_file.location)
        return real(photo_file)

    monkeypatch.setattr(reading, "_read", read_while_files_change)
    start_time = time.monotonic()
    info = preprocess(str(data), PARAMS, tmp_path / "dataset")
    assert time.monotonic() - start_time < SECONDS * len(expected)
    rows = {row["path"]: row for row in pq.read_table(tmp_path / "dataset" / "manifest.parquet").to_pylist()}
    assert {path: row["reason"] for path, row in rows.items() if row["reason"]} == expected
    assert (info.num_kept, info.num_rejected, len(rows)) == (17, 12, 29)


def test_a_photo_in_several_splits_is_kept_only_in_test(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "validation", "test")):
        make_photos(tmp_path / "photos" / split, per_class=4, seed=seed)
    for name in ("train", "validation"):
        shutil.copy(tmp_path / "photos" / "test" / "red" / "000.png", tmp_path / "photos" / name / "red" / "copy.png")
    info = preprocess(str(tmp_path / "photos"), PARAMS, tmp_path / "dataset")
    rows = pq.read_table(tmp_path / "dataset" / "manifest.parquet").to_pylist()
    assert {row["path"]: row["reason"] for row in rows if row["reason"]} == {
        "train/red/copy.png": "leakage",
        "validation/red/copy.png": "leakage",
    }
    assert info.num_kept + info.num_rejected == len(rows) == 38


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Runs the block with the rights of a normal user, because root may read everything."""
    root = os.geteuid() == 0
    if root:
        try:
            os.seteuid(65534)
        except OSError:
            pytest.skip("this process is root, but is not allowed to switch to another user")
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    store = PixelStore(tmp_path / "store", (8, 8), "stretch")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "secret.jpg"
        path.write_bytes(BAD_PHOTOS["a PNG named as a JPEG"].make())
        path.chmod(0o000)
        with as_nobody():
            denied = read_photo(PhotoFile(path, Record("secret.jpg", "red")), (8, 8), "stretch", store)
    store.close()
    assert denied.fault == ("unreadable", "The file cannot be read: Permission denied.")
