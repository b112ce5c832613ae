"""Copies of the same file."""

from components.preprocess.audit import settle_copies
from components.preprocess.manifest import Record


def record(path: str, content: str, split: str | None = None, reason: str | None = None) -> Record:
    return Record(path, path.split("/")[0], split, reason, sha256=content * 64)  # type: ignore[arg-type]


def settled(*records: Record) -> dict[str, str | None]:
    return {record.path: record.reason for record in settle_copies(records)}


def test_single_photos_are_left_alone() -> None:
    records = [record("cats/1", "a"), record("dogs/1", "b"), record("dogs/2", "c", reason="truncated")]
    assert settle_copies(records) == records


def test_of_copies_under_one_label_the_first_is_kept() -> None:
    records = (record("cats/2", "a"), record("cats/1", "a"), record("cats/3", "a"))
    assert settled(*records) == {"cats/2": "duplicate", "cats/1": None, "cats/3": "duplicate"}
    assert "cats/1" in str(settle_copies(records)[0].message)


def test_of_copies_in_several_splits_the_tested_one_is_kept() -> None:
    assert settled(
        record("cats/train/1", "a", "train"),
        record("cats/val/1", "a", "validation"),
        record("cats/test/1", "a", "test"),
    ) == {"cats/train/1": "duplicate", "cats/val/1": "duplicate", "cats/test/1": None}


def test_the_same_file_under_two_labels_is_kept_under_none() -> None:
    records = (record("cats/1", "a"), record("dogs/1", "a"), record("dogs/2", "a"), record("dogs/3", "b"))
    assert settled(*records) == {
        "cats/1": "contradictory_label", "dogs/1": "contradictory_label", "dogs/2": "contradictory_label",
        "dogs/3": None,
    }  # fmt: skip
    assert "dogs/1" in str(settle_copies(records)[0].message)


def test_rejected_files_are_no_copies() -> None:
    assert settled(record("cats/1", "a", reason="corrupt"), record("cats/2", "a")) == {
        "cats/1": "corrupt", "cats/2": None,
    }  # fmt: skip
