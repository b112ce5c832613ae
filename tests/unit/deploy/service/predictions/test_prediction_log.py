"""Logged predictions can be read back, and a full or failing disk loses only whole lines."""

import base64
import random
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from components.contract.errors import DataError
from components.deploy.service.predictions import prediction_log
from components.deploy.service.predictions.prediction_id import new_id, parse_id
from components.deploy.service.predictions.prediction_log import (
    LoggedPrediction,
    PredictionLog,
    brightness,
    find,
    pack,
    read_log,
)
from tests.support.small_disk import remount, small_disk

EMBEDDING = np.array([0.5, -2.0, 1e9, 0.001], np.float32)


def entry(number: int, day: int = 1) -> LoggedPrediction:
    return LoggedPrediction(
        id=f"bento-{number}",
        time=datetime(2026, 1, day, 12, tzinfo=UTC),
        bento="pets:1",
        label="cat",
        confidence=0.75,
        abstained=False,
        unfamiliar=None,
        brightness=100.5,
        embedding=pack(EMBEDDING),
    )


def write(folder: Path, *entries: LoggedPrediction) -> None:
    log = PredictionLog(folder, 1.0)
    for prediction in entries:
        log.add(prediction)
    log.close()


def test_logged_predictions_can_be_read_back(tmp_path: Path) -> None:
    write(tmp_path / "new" / "log", *(entry(number) for number in range(100)))
    predictions = list(read_log(tmp_path / "new" / "log"))
    assert [prediction.id for prediction in predictions] == [f"bento-{number}" for number in range(100)]
    assert np.allclose(predictions[0].vector, np.minimum(EMBEDDING, 65504), rtol=1e-3)
    assert find(tmp_path / "new" / "log", "bento-7") == entry(7)
    assert find(tmp_path / "new" / "log", "bento-1000") is None


def test_each_day_has_its_own_file_and_earlier_days_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, entry(1, day=1), entry(2, day=2), entry(3, day=3))
    assert len(list(tmp_path.glob("*.jsonl"))) == 3
    assert [prediction.id for prediction in read_log(tmp_path, since=date(2026, 1, 2))] == ["bento-2", "bento-3"]


def test_only_the_configured_share_of_predictions_is_logged(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, 0.2, random.Random(0))
    assert 150 < sum(log.wants_next() for _ in range(1000)) < 250
    log.close()


def test_a_failing_disk_loses_lines_and_causes_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = PredictionLog(tmp_path / "log", 1.0)
    (tmp_path / "log").rmdir()
    (tmp_path / "log").write_text("in the way")
    for number in range(5):
        log.add(entry(number))
    log.close()
    assert caplog.text.count("predictions are not logged") == 1


def test_a_full_disk_loses_whole_lines_and_leaves_no_partial_line(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        log = PredictionLog(disk, 1.0)
        for number in range(500):
            log.add(entry(number))
        log.close()
        num_kept = len(list(read_log(disk)))
        assert 0 < num_kept < 500
        remount(disk, "size=256k")
        write(disk, entry(1000))
        assert len(list(read_log(disk))) == num_kept + 1


def test_a_full_log_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "MAX_BYTES", 1000)
    write(tmp_path, *(entry(number) for number in range(50)))
    assert 0 < len(list(read_log(tmp_path))) < 50
    assert "it has reached" in caplog.text


@pytest.mark.parametrize(
    ("files", "message"),
    [(None, "There is no prediction log at"), ({}, r"has no \.jsonl files"), ({"a.jsonl": "{}\n"}, "line 1 of")],
)
def test_an_unreadable_log_is_reported(tmp_path: Path, files: dict[str, str] | None, message: str) -> None:
    folder = tmp_path / "log"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    with pytest.raises(DataError, match=message):
        list(read_log(folder))


def test_the_brightness_of_a_photo_is_the_mean_of_its_pixels() -> None:
    assert brightness(np.full((4, 4, 3), 200, np.uint8)) == 200


@pytest.mark.parametrize("num_bytes", [1, 3])
def test_an_embedding_that_is_not_float16_is_refused(tmp_path: Path, num_bytes: int) -> None:
    line = entry(0).model_copy(update={"embedding": base64.b64encode(bytes(num_bytes)).decode()}).model_dump_json()
    (tmp_path / "20260101-1.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match="line 1 of"):
        list(read_log(tmp_path))


def test_a_prediction_id_contains_the_bento_version_and_the_time() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    prediction_id = parse_id(new_id("4c1f0a9b2d3e"))
    assert prediction_id is not None
    assert prediction_id.bento_version == "4c1f0a9b2d3e"
    assert before <= prediction_id.created_at <= datetime.now(UTC)
    assert len({new_id("v") for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "text", ["", "colors:4c1f0a9b2d3e", "20261121-091520-47ff", "a-b-c", "v-ffffffffffff-5f6a7b8c9d0e"]
)
def test_an_invalid_id_is_parsed_as_none(text: str) -> None:
    assert parse_id(text) is None
