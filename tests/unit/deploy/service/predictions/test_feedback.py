"""Feedback is stored only for logged predictions, and limits stop floods of feedback."""

import threading
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from components.contract.errors import DataError
from components.deploy.service.gateway.upload import RefusedUpload
from components.deploy.service.predictions import feedback
from components.deploy.service.predictions.feedback import MAX_LABELS, FeedbackBook, read_feedback
from components.deploy.service.predictions.log_files import find_line
from components.deploy.service.predictions.prediction_log import LoggedPrediction, PredictionLog, pack
from components.deploy.service.protocol import Feedback

START = datetime(2026, 1, 1, 23, 59, 58, tzinfo=UTC)


def make_prediction(number: int) -> LoggedPrediction:
    """Predictions 0 and 1 are from the same millisecond, just before midnight; 2 and 3 are 20 ms later, and so on."""
    time = START + timedelta(milliseconds=20 * (number // 2))
    return LoggedPrediction(
        id=f"4c1f0a9b2d3e-{int(time.timestamp() * 1000):012x}-{number:012x}",
        time=time + timedelta(milliseconds=1),
        bento="pets:4c1f0a9b2d3e",
        label="cat",
        confidence=0.75,
        abstained=False,
        unfamiliar=None,
        brightness=100.5,
        embedding=pack(np.zeros(number % 5, np.float32)),
    )


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    log = PredictionLog(tmp_path, 1.0)
    for number in range(300):
        log.add(make_prediction(number))
    log.close()
    assert len(list(tmp_path.glob("*.jsonl"))) == 2, "the predictions must span midnight"
    return tmp_path


def test_all_logged_predictions_are_found_and_unknown_ids_are_not(log_dir: Path) -> None:
    for number in range(300):
        line = find_line(log_dir, make_prediction(number).id)
        assert line is not None
        assert LoggedPrediction.model_validate_json(line) == make_prediction(number)
    for number in (1000, 10**6):  # later than all logged predictions
        assert find_line(log_dir, make_prediction(number).id) is None
    same_time = make_prediction(7).id[:-1] + "f"
    assert [find_line(log_dir, text) for text in (same_time, "", "a-b-c", "../../etc/passwd", "*")] == [None] * 5


def result(future: "Future[str]") -> str:
    return future.result(10)


def test_feedback_is_stored_in_order_and_the_last_label_counts(log_dir: Path) -> None:
    log = PredictionLog(log_dir, 1.0)
    late = make_prediction(400)
    log.add(late)
    assert result(log.add_feedback(Feedback(id=late.id, label="dog"))) == "cat", "the prediction must be written first"
    first = make_prediction(1).id
    for label in ("dog", "bird", "bird"):
        assert result(log.add_feedback(Feedback(id=first, label=label))) == "cat"
    log.close()
    assert read_feedback(log_dir) == {late.id: "dog", first: "bird"}
    assert len("".join(path.read_text() for path in (log_dir / "feedback").iterdir()).splitlines()) == 3


def test_feedback_for_an_unknown_prediction_is_refused(log_dir: Path) -> None:
    log = PredictionLog(log_dir, 1.0)
    with pytest.raises(RefusedUpload, match="has no prediction with this id") as refused:
        result(log.add_feedback(Feedback(id=make_prediction(1000).id, label="dog")))
    log.close()
    assert (refused.value.status, refused.value.code) == (404, "unknown_id")
    assert not (log_dir / "feedback").exists()


def refusal(book: FeedbackBook, prediction_id: str, label: str) -> str | None:
    try:
        book.add(Feedback(id=prediction_id, label=label), "cat")
    except RefusedUpload as refused:
        return refused.code
    return None


def test_feedback_about_one_prediction_is_limited(tmp_path: Path) -> None:
    book = FeedbackBook(tmp_path)
    refusals = [refusal(book, "one", label) for label in ("cat", "dog", "bird", "cat", "bird", "dog")]
    assert refusals == [None, None, None, "too_many_labels", None, "too_many_labels"], "the last label may be repeated"
    (path,) = (tmp_path / "feedback").iterdir()
    assert len(path.read_text().splitlines()) == MAX_LABELS


def test_feedback_about_many_predictions_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "MAX_BYTES", 2000)
    monkeypatch.setattr(feedback, "MAX_REMEMBERED", 5)
    book = FeedbackBook(tmp_path)
    refusals = [refusal(book, f"id-{number}", "dog") for number in range(100)]
    assert refusals[0] is None
    assert refusals[-1] == "log_full"
    (path,) = (tmp_path / "feedback").iterdir()
    assert path.stat().st_size <= 2000


def test_feedback_fails_if_the_disk_fails_and_later_feedback_is_stored(tmp_path: Path) -> None:
    book = FeedbackBook(tmp_path)
    (tmp_path / "feedback").write_text("in the way")
    assert refusal(book, "one", "dog") == "log_failed"
    (tmp_path / "feedback").unlink()
    assert refusal(book, "one", "dog") is None
    assert read_feedback(tmp_path) == {"one": "dog"}


def test_canceled_feedback_does_not_stop_the_log(log_dir: Path) -> None:
    log = PredictionLog(log_dir, 1.0)
    is_cancelled, first = threading.Event(), make_prediction(1).id
    log._queue.put(lambda: is_cancelled.wait(10) and None)
    assert log.add_feedback(Feedback(id=first, label="dog")).cancel(), "waiting feedback must be cancelable"
    is_cancelled.set()
    assert result(log.add_feedback(Feedback(id=first, label="bird"))) == "cat"
    log.close()
    assert read_feedback(log_dir) == {first: "bird"}


def test_feedback_for_a_damaged_log_line_is_rejected(log_dir: Path) -> None:
    damaged = make_prediction(10**6)
    day = f"{damaged.time:%Y%m%d}"
    (log_dir / f"{day}-another.jsonl").write_text(f'{{"id":"{damaged.id}","label":')
    log = PredictionLog(log_dir, 1.0)
    with pytest.raises(RefusedUpload, match="could not be read"):
        result(log.add_feedback(Feedback(id=damaged.id, label="dog")))
    log.close()


def test_two_services_can_write_to_the_same_folder(log_dir: Path) -> None:
    """Like replicas on a cluster, the two services have the same process id, and their clocks differ."""
    replicas = PredictionLog(log_dir, 1.0), PredictionLog(log_dir, 1.0)
    for number in range(1000, 1040):
        replicas[number % 2].add(make_prediction(number if number % 2 else number - 400))
    for replica in replicas:
        replica.close()
    for number in range(1000, 1040):
        assert find_line(log_dir, make_prediction(number if number % 2 else number - 400).id) is not None, number


def test_a_damaged_line_is_reported_and_a_missing_folder_means_no_feedback(tmp_path: Path) -> None:
    assert read_feedback(tmp_path) == {}
    (tmp_path / "feedback").mkdir()
    (tmp_path / "feedback" / "20260101-1.jsonl").write_text('{"id": "one"}\n')
    with pytest.raises(DataError, match=r"line 1 of .*feedback"):
        read_feedback(tmp_path)
