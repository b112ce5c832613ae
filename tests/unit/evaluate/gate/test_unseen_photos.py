"""The comparison omits photos that a model was trained on, and near-duplicates of them."""

from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.dataset import Split
from components.evaluate.gate.unseen_photos import find_unseen
from components.preprocess.manifest import Record, write_manifest

TEST_IDS = ("a", "b", "c")


def make_split(image_ids: tuple[str, ...] = TEST_IDS) -> Split:
    pixels = np.zeros((len(image_ids), 1, 1, 3), np.uint8)
    return Split([pixels], np.zeros(len(image_ids), np.int32), [image_id * 32 for image_id in image_ids])


def make_record(content: str, split: str | None, key: str | None = None, reason: str | None = None) -> Record:
    return Record(f"{content}.jpg", "cats", split, reason, sha256=content * 64, split_key=key)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "train_ids", "other_records", "unseen"),
    [
        ("there are no training photos", "", [make_record("x", "test", "near b")], "abc"),
        ("one test photo was trained on", "b", [], "ac"),
        ("all test photos were trained on", "abc", [], ""),
        ("the training photos are no longer in the data set", "xyz", [], "abc"),
        ("a photo with the split key of b, now in test", "x", [make_record("x", "test", "near b")], "ac"),
        ("a photo with the split key of b, now in validation", "x", [make_record("x", "validation", "near b")], "ac"),
        ("a rejected copy of b", "x", [make_record("x", None, "near b", "near_duplicate")], "ac"),
        (
            "a copy of b that was rejected from the user's own train split",
            "x",
            [make_record("x", "train", "near b", "leakage")],
            "ac",
        ),
        ("a photo with the split key of b, still in train", "x", [make_record("x", "train", "near b")], "abc"),
        ("an unrelated photo without a split key", "x", [make_record("x", "test")], "abc"),
    ],
)
def test_training_photos_and_their_near_duplicates_are_omitted(
    tmp_path: Path, case: str, train_ids: str, other_records: list[Record], unseen: str
) -> None:
    records = [make_record(content, "test", "near b" if content == "b" else None) for content in TEST_IDS]
    write_manifest(tmp_path / "manifest.parquet", [*records, *other_records])
    train_image_ids = {content * 32 for content in train_ids}
    indices = find_unseen(make_split(), train_image_ids, tmp_path / "manifest.parquet")
    assert "".join(TEST_IDS[index] for index in indices) == unseen, case


@pytest.mark.parametrize("content", [None, b"no parquet"])
def test_without_a_manifest_only_identical_photos_are_omitted(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "manifest.parquet"
    if content:
        path.write_bytes(content)
    assert find_unseen(make_split(), {"a" * 32}, path).tolist() == [1, 2]
    assert ("cannot be read" in caplog.text) == (content is not None)


def test_without_split_keys_only_identical_photos_are_omitted(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "manifest.parquet"
    pq.write_table(pa.table({"sha256": ["a" * 64], "split": ["test"], "reason": pa.nulls(1, pa.string())}), path)
    assert find_unseen(make_split(), {"a" * 32}, path).tolist() == [1, 2]
