"""The scan keeps or rejects each file, whatever it contains and even if it has changed since it was listed."""

import hashlib
import io
import os
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from components.contract.system.progress import log_progress
from components.contract.text import printable
from components.preprocess.manifest import Record, count_reasons, summarize_rejected
from components.preprocess.scan import FILES_AT_ONCE, scan
from components.preprocess.sources.photo_set import PhotoFile
from components.preprocess.store.pixel_cache import PixelStore


def photo_file(path: Path) -> PhotoFile:
    return PhotoFile(path, Record(path.name, "cats"))


@pytest.fixture
def store(tmp_path: Path):
    pixel_store = PixelStore(tmp_path / "store", (6, 5), "stretch")
    yield pixel_store
    pixel_store.close()


def test_records_and_pixels_keep_the_order_of_the_files(tmp_path: Path, store: PixelStore) -> None:
    files = []
    for number in range(FILES_AT_ONCE * 2 + 5):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (5, 6), (number, 2 * number, 0)).save(path)
        files.append(photo_file(path))
    files[40].location.write_bytes(b"no picture")
    threads_before = cv2.getNumThreads()
    photo_scan = scan(files, (6, 5), "stretch", store)
    records = photo_scan.records
    assert [record.path for record in records] == [file.record.path for file in files]
    kept_rows = [row for row, record in enumerate(records) if record.is_kept]
    assert len(kept_rows) == len(files) - 1
    assert np.array_equal(photo_scan.pixels(kept_rows)[:, 3, 3], [(row, 2 * row, 0) for row in kept_rows])
    assert np.array_equal(photo_scan.pixels([7, 3])[1, 0, 0], (3, 6, 0))
    assert cv2.getNumThreads() == threads_before


def test_a_record_describes_the_file(tmp_path: Path, store: PixelStore) -> None:
    path = tmp_path / "a.dat"
    Image.new("L", (30, 20)).save(path, "JPEG")
    (record,) = scan([photo_file(path)], (6, 5), "stretch", store).records
    assert record == Record(
        "a.dat",
        "cats",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        num_bytes=path.stat().st_size,
        native_height=20,
        native_width=30,
        mode="L",
        format="JPEG",
        brightness=0.0,
        sharpness=0.0,
        chroma=record.chroma,
        pixel_hash=record.pixel_hash,
        perceptual_hash="0" * 16,
    )


def test_unusable_files_are_rejected_with_a_reason(tmp_path: Path, store: PixelStore) -> None:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(content, "JPEG")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_text("<html></html>")
    (tmp_path / "half.jpg").write_bytes(content.getvalue()[:1000])
    os.mkfifo(tmp_path / "pipe.jpg")  # as if it had replaced a photo after the files were listed
    (tmp_path / "folder.jpg").mkdir()
    names = ["empty.jpg", "page.jpg", "half.jpg", "pipe.jpg", "folder.jpg", "vanished.jpg"]
    records = scan([photo_file(tmp_path / name) for name in names], (6, 5), "stretch", store).records
    assert {record.path: record.reason for record in records} == {
        "empty.jpg": "empty",
        "page.jpg": "not_an_image",
        "half.jpg": "truncated",
        "pipe.jpg": "unreadable",
        "folder.jpg": "unreadable",
        "vanished.jpg": "unreadable",
    }
    assert all(record.message for record in records)


def test_a_giant_file_is_not_read_into_memory(
    tmp_path: Path, store: PixelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "giant.jpg").open("wb") as file:
        file.truncate(10 * 2**40)
    (record,) = scan([photo_file(tmp_path / "giant.jpg")], (6, 5), "stretch", store).records
    assert record.reason == "too_large"


def test_an_internal_error_ends_the_scan_at_once(tmp_path: Path, store: PixelStore) -> None:
    Image.new("RGB", (5, 6)).save(tmp_path / "a.png")
    files = [photo_file(tmp_path / "a.png")] * (FILES_AT_ONCE * 200)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        scan([PhotoFile(Failing(), files[0].record), *files], (6, 5), "stretch", store)  # type: ignore[arg-type]
    assert threading.active_count() == before


class Failing:
    """A path that raises an unexpected error when it is used, as a bug in our own code would."""

    def __fspath__(self) -> str:
        raise ZeroDivisionError


def test_rejections_are_summarized_by_reason() -> None:
    records = [Record(f"cats/{number}", reason="empty") for number in range(5)]
    records += [Record("dogs/a\nb", reason="corrupt"), Record("dogs/fine")]
    assert count_reasons(records) == {"corrupt": 1, "empty": 5}
    assert summarize_rejected(records) == ["5 × empty: cats/0, cats/1, cats/2, …", "1 × corrupt: dogs/a\\nb"]


def test_control_characters_are_escaped() -> None:
    assert printable("a\n\x1b[31mb") == "a\\n\\x1b[31mb"
    assert printable("Ärger 照片.jpg") == "Ärger 照片.jpg"


def test_progress_shows_rate_and_time_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = [0.0]
    monkeypatch.setattr("components.contract.system.progress.time.monotonic", lambda: clock[-1])
    read = []
    with caplog.at_level("INFO"):
        for letter, seconds in zip(log_progress("abcd", 4, "files read"), (2.0, 6.0, 8.0, 12.0), strict=True):
            clock.append(seconds)
            read.append(letter)
    assert read == list("abcd")
    assert caplog.messages == [
        "2 of 4 files read, 0 per second, about 6 s left.",
        "4 of 4 files read, 0 per second, about 0 s left.",
    ]
