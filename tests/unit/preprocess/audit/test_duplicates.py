"""Copies of photos: within a split, in different splits, or with different labels."""

from dataclasses import replace

import numpy as np
import pytest

from components.contract.params.audit import AuditParams
from components.preprocess.audit.duplicates import CopyAudit, audit_copies, find_links, note_shared_keys, split_keys
from components.preprocess.manifest import Record

NO_PAIRS = np.empty((0, 2), np.int64)


def record(
    path: str,
    content: str,
    split: str | None = None,
    *,
    pixels: str = "",
    reason: str | None = None,
    group: str | None = None,
) -> Record:
    return Record(
        path, path.split("/")[0], split, reason, sha256=content * 64, pixel_hash=pixels or content, group=group
    )  # type: ignore[arg-type]


def audit(*records: Record, near: list[tuple[int, int]] | None = None, **policies: str) -> CopyAudit:
    pairs = np.array(near, np.int64) if near else NO_PAIRS
    return audit_copies(records, find_links(records, pairs), AuditParams(**policies))  # type: ignore[arg-type]


def reasons(copy_audit: CopyAudit) -> dict[str, str | None]:
    return {record.path: record.reason for record in copy_audit.records}


def test_photos_without_copies_are_unchanged() -> None:
    records = [record("cats/1", "a"), record("dogs/1", "b"), record("dogs/2", "c", reason="truncated")]
    copy_audit = audit(*records)
    assert copy_audit.records == records
    assert not any(copy_audit.cases.values())


def test_of_copies_with_the_same_label_the_first_by_path_is_kept() -> None:
    copy_audit = audit(record("cats/2", "a"), record("cats/1", "a"), record("cats/3", "a"))
    assert reasons(copy_audit) == {"cats/2": "duplicate", "cats/1": None, "cats/3": "duplicate"}
    assert "cats/1" in str(copy_audit.records[0].message)
    assert copy_audit.cases["duplicates"] == [((1, 0, 2), "The same file")]


def test_if_copies_are_in_several_splits_only_the_one_in_test_is_kept() -> None:
    copy_audit = audit(
        record("cats/train/1", "a", "train"),
        record("cats/train/2", "a", "train"),
        record("cats/val/1", "a", "validation"),
        record("cats/test/1", "a", "test"),
    )
    assert reasons(copy_audit) == {
        "cats/train/1": "leakage",
        "cats/train/2": "leakage",
        "cats/val/1": "leakage",
        "cats/test/1": None,
    }
    assert copy_audit.cases["leakage"] == [((3, 2, 0, 1), "The same file")]


def test_the_same_file_with_two_labels_is_rejected() -> None:
    copy_audit = audit(record("cats/1", "a"), record("dogs/1", "a"), record("dogs/2", "a"), record("dogs/3", "b"))
    assert reasons(copy_audit) == {
        "cats/1": "contradictory_label",
        "dogs/1": "contradictory_label",
        "dogs/2": "contradictory_label",
        "dogs/3": None,
    }
    assert "dogs/1" in str(copy_audit.records[0].message)


@pytest.mark.parametrize(
    ("policy", "is_kept"), [("ignore", True), ("report", True), ("quarantine", False), ("fail", False)]
)
def test_near_duplicates_with_two_labels_follow_the_policy(policy: str, is_kept: bool) -> None:
    copy_audit = audit(record("cats/1", "a"), record("dogs/1", "b"), near=[(0, 1)], contradictory_labels=policy)
    assert [record.is_kept for record in copy_audit.records] == [is_kept, is_kept]
    assert bool(copy_audit.cases["contradictory_labels"]) == (policy != "ignore")


@pytest.mark.parametrize("policy", ["ignore", "report"])
def test_at_most_one_of_several_identical_files_is_kept_regardless_of_the_policy(policy: str) -> None:
    everything = dict.fromkeys(("duplicates", "leakage", "contradictory_labels"), policy)
    assert reasons(audit(record("cats/1", "a"), record("cats/2", "a"), **everything))["cats/2"] == "duplicate"
    assert reasons(audit(record("cats/1", "a", "train"), record("cats/2", "a", "test"), **everything)) == {
        "cats/1": "leakage",
        "cats/2": None,
    }
    assert set(reasons(audit(record("cats/1", "a"), record("dogs/1", "a"), **everything)).values()) == {
        "contradictory_label"
    }


def test_copies_with_equal_pixels_can_be_kept_and_reported() -> None:
    copies = record("cats/1", "a", pixels="p"), record("cats/2", "b", pixels="p")
    assert [each.reason for each in audit(*copies).records] == [None, "duplicate"]
    copy_audit = audit(*copies, duplicates="report")
    assert [each.reason for each in copy_audit.records] == [None, None]
    assert copy_audit.cases["duplicates"] == [((0, 1), "The same pixels")]


def test_a_chain_of_copies_does_not_leak_between_splits() -> None:
    """Two training files are identical, and their pixels equal those of the test photo."""
    copy_audit = audit(
        record("cats/train/1", "a", "train", pixels="p"),
        record("cats/train/2", "a", "train", pixels="p"),
        record("cats/test/1", "b", "test", pixels="p"),
    )
    assert reasons(copy_audit) == {"cats/train/1": "leakage", "cats/train/2": "leakage", "cats/test/1": None}


def test_near_duplicates_across_splits_are_removed_from_train() -> None:
    records = record("cats/1", "a", "train"), record("cats/2", "b", "validation"), record("cats/3", "c", "test")
    assert reasons(audit(*records, near=[(0, 1), (1, 2)])) == {
        "cats/1": "leakage",
        "cats/2": "leakage",
        "cats/3": None,
    }
    assert reasons(audit(*records, near=[(0, 1), (1, 2)], leakage="report")) == dict.fromkeys(
        ("cats/1", "cats/2", "cats/3")
    )


def test_a_group_that_spans_several_given_splits_is_kept_only_in_test() -> None:
    records = [
        record(f"cats/{number}", str(number), split, group="anna")
        for number, split in enumerate(("train", "test", "train"))
    ]
    copy_audit = audit(*records, record("cats/9", "9", "train", group="bert"))
    assert reasons(copy_audit) == {"cats/0": "leakage", "cats/1": None, "cats/2": "leakage", "cats/9": None}
    assert "The group anna" in str(copy_audit.records[0].message)


def test_rejected_files_do_not_count_as_copies() -> None:
    copy_audit = audit(record("cats/1", "a", reason="corrupt"), record("cats/2", "a"))
    assert reasons(copy_audit) == {"cats/1": "corrupt", "cats/2": None}


def test_photos_that_belong_together_have_the_same_split_key() -> None:
    records = [record(f"cats/{number}", str(number)) for number in range(4)]
    links = find_links(records, np.array([[0, 1], [1, 2]]))
    keys = split_keys(records, links, near_together=True)
    assert keys[0] == keys[1] == keys[2] == records[0].image_id
    assert keys[3] == records[3].image_id
    assert len(set(split_keys(records, links, near_together=False))) == 4
    grouped = [replace(each, group="anna" if number in (0, 3) else None) for number, each in enumerate(records)]
    keys = split_keys(grouped, links, near_together=True)
    assert len(set(keys)) == 1
    assert "anna" in keys[0]


def test_a_removed_copy_has_the_split_key_of_the_kept_photo() -> None:
    """The id of the removed copy sorts first, so it would be the key if removed copies were considered."""
    records = [record(f"cats/{number}", str(number)) for number in range(4)]
    links = find_links(records, np.array([[0, 1]]))
    records[0] = replace(records[0], reason="near_duplicate")
    records[3] = replace(records[3], reason="truncated")
    keys = split_keys(records, links, near_together=True)
    assert keys == [records[1].image_id, records[1].image_id, records[2].image_id, ""]
    assert [each.split_key for each in note_shared_keys(records, keys)] == [keys[1], keys[1], None, None]
