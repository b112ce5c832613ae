"""The division into splits: by content, complete for every class, and steady as the data grow."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contract.artifacts.dataset import SPLITS
from components.contract.errors import DataError
from components.preprocess.manifest import Record
from components.preprocess.split import assign_splits, divide, draw

FRACTIONS = {"validation": 0.15, "test": 0.15}


def record(name: str, class_name: str = "cats", split: str | None = None, reason: str | None = None) -> Record:
    sha256 = hashlib.sha256(f"{class_name}/{name}".encode()).hexdigest()
    return Record(f"{class_name}/{name}", class_name, split, reason, sha256=sha256)  # type: ignore[arg-type]


def splits_of(records: list[Record], **options: object) -> dict[str, str | None]:
    arguments = {"class_names": ["cats"], "given_splits": (), "fractions": FRACTIONS, "seed": 42} | options
    return {record.path: record.split for record in assign_splits(records, **arguments)}  # type: ignore[arg-type]


def ids(count: int, start: int = 0) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(start, start + count)]


@given(
    count=st.integers(3, 60),
    start=st.integers(0, 10**6),
    seed=st.integers(0, 2**32 - 1),
    test=st.floats(0.01, 0.49),
    validation=st.floats(0.01, 0.49),
)
@settings(max_examples=200, deadline=None)
def test_split_keeps_every_class_in_every_split(
    count: int, start: int, seed: int, test: float, validation: float
) -> None:
    splits = divide({"cats": ids(count, start)}, {"test": test, "validation": validation}, seed)
    assert set(splits) == set(ids(count, start))
    assert set(splits.values()) == set(SPLITS)


@given(start=st.integers(0, 10**6), seed=st.integers(0, 2**32 - 1), more=st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_adding_photos_moves_no_other(start: int, seed: int, more: int) -> None:
    cuts = {"test": 0.15, "validation": 0.15}
    before = divide({"cats": ids(100, start)}, cuts, seed)
    after = divide({"cats": ids(100 + more, start)}, cuts, seed)
    filled = {
        "test" if value < 0.15 else "validation" if value < 0.3 else "train"
        for value in (draw(image_id, seed) for image_id in before)
    }
    if filled == set(SPLITS):  # else a photo stood in for a split that the draw had left empty
        assert {image_id: after[image_id] for image_id in before} == before


def test_sizes_come_near_their_fractions() -> None:
    splits = list(divide({"cats": ids(20_000)}, {"test": 0.1, "validation": 0.25}, 42).values())
    assert splits.count("test") / 20_000 == pytest.approx(0.1, abs=0.01)
    assert splits.count("validation") / 20_000 == pytest.approx(0.25, abs=0.01)


def test_order_and_names_play_no_part_and_the_seed_does() -> None:
    cuts = {"test": 0.2, "validation": 0.2}
    splits = divide({"cats": ids(50)}, cuts, 1)
    assert divide({"cats": ids(50)[::-1]}, cuts, 1) == splits
    assert divide({"cats": ids(50)}, cuts, 2) != splits


@given(st.integers(0, 2**32 - 1), st.text("0123456789abcdef", min_size=1))
def test_a_draw_is_a_fraction(seed: int, image_id: str) -> None:
    assert 0 <= draw(image_id, seed) < 1


def test_given_splits_are_kept() -> None:
    records = [record(f"{number}.jpg", split=SPLITS[number % 3]) for number in range(9)]
    assert splits_of(records, given_splits=SPLITS) == {record.path: record.split for record in records}


def test_missing_splits_are_cut_from_train() -> None:
    records = [record(f"{number}.jpg", split="train") for number in range(60)]
    records += [record(f"t{number}.jpg", split="test") for number in range(5)]
    splits = splits_of(records, given_splits=("train", "test"))
    assert all(splits[record.path] == "test" for record in records[60:])
    assert {splits[record.path] for record in records[:60]} == {"train", "validation"}
    splits = splits_of(records[:60], given_splits=("train",))
    assert set(splits.values()) == set(SPLITS)


def test_rejected_files_take_no_part() -> None:
    records = [record(f"{number}.jpg") for number in range(5)] + [record("bad.jpg", reason="truncated")]
    assert splits_of(records)["cats/bad.jpg"] is None


@pytest.mark.parametrize(
    ("records", "options", "message"),
    [
        ([], {}, r"'cats' must have at least 3 usable photos.* train and validation and test; it has 0\. Add"),
        ([record("1.jpg"), record("2.jpg")], {}, "it has 2"),
        ([record("1.jpg"), record("2.jpg", reason="empty")], {}, r"it has 1\. Rejected were 1 × empty: cats/2\.jpg"),
        ([record("1.jpg", split="train")], {"given_splits": ("train", "test")}, "no usable one in test"),
        (
            [record("1.jpg", split="train"), record("2.jpg", split="test")],
            {"given_splits": ("train", "test")},
            "at least 2 usable photos, to be divided into train and validation; it has 1",
        ),
        ([record("1.jpg", split="test"), record("2.jpg", split="validation")], {"given_splits": SPLITS}, "in train"),
    ],
)
def test_a_class_that_cannot_be_in_every_split_is_named(
    records: list[Record], options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        splits_of(records, **options)


def test_the_same_photo_draws_the_same_under_another_name() -> None:
    records = [record(f"{number}.jpg") for number in range(40)]
    renamed = [replace(photo, path=f"other/{number}.jpg") for number, photo in enumerate(records)]
    assert list(splits_of(records).values()) == list(splits_of(renamed).values())


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 9), min_size=60, max_size=90))
@settings(max_examples=100, deadline=None)
def test_photos_of_one_group_are_never_separated(seed: int, groups: list[int]) -> None:
    names = ["cats" if number % 2 else "dogs" for number in range(len(groups))]
    records = [record(f"{number}.jpg", name) for number, name in enumerate(names)]
    keys = [f"group {group}" for group in groups]
    try:
        divided_records = assign_splits(records, ["cats", "dogs"], (), FRACTIONS, seed, keys)  # type: ignore[arg-type]
    except DataError as error:
        assert "groups" in str(error)  # few groups over both classes may leave no way
        return
    assert len({(key, each.split) for key, each in zip(keys, divided_records, strict=True)}) == len(set(keys))
    assert {(each.class_name, each.split) for each in divided_records} == {
        (n, s) for n in ("cats", "dogs") for s in SPLITS
    }


def test_a_class_of_one_group_cannot_be_divided() -> None:
    records = [record(f"{number}.jpg") for number in range(9)]
    with pytest.raises(DataError, match=r"at least 3 photos that are independent.* its photos are 2 groups"):
        assign_splits(records, ["cats"], (), FRACTIONS, 42, ["a"] * 5 + ["b"] * 4)  # type: ignore[arg-type]


def test_groups_that_leave_no_way_are_told() -> None:
    records = [record(f"{number}.jpg", name) for number, name in enumerate(("cats", "dogs") * 3)]
    keys = ["a", "a", "b", "b", "c", "c"]
    divided_records = assign_splits(records, ["cats", "dogs"], (), FRACTIONS, 42, keys)  # type: ignore[arg-type]
    assert {each.split for each in divided_records} == set(SPLITS)
