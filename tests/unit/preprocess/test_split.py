"""Photos are split by their content: every class is in every split, and splits are stable as the data grows."""

import hashlib
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contract.artifacts.dataset import SPLITS, SplitName
from components.contract.errors import DataError
from components.preprocess.manifest import Record
from components.preprocess.split import apportion, assign_splits, divide, draw

FRACTIONS = {"validation": 0.15, "test": 0.15}
CUTS: dict[SplitName, float] = {"test": 0.15, "validation": 0.15}
SHARES: dict[SplitName, float] = {**CUTS, "train": 0.7}


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
def test_every_class_has_photos_in_every_split(
    count: int, start: int, seed: int, test: float, validation: float
) -> None:
    splits = divide({"cats": ids(count, start)}, {"test": test, "validation": validation}, seed)
    assert set(splits) == set(ids(count, start))
    assert set(splits.values()) == set(SPLITS)


@given(start=st.integers(0, 10**6), seed=st.integers(0, 2**32 - 1), more=st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_adding_photos_to_a_large_class_moves_no_other_photo(start: int, seed: int, more: int) -> None:
    """With 200 or more photos, the probability that the drawn counts are adjusted is below 1 in 10 million."""
    before = divide({"cats": ids(200, start)}, CUTS, seed)
    after = divide({"cats": ids(200 + more, start)}, CUTS, seed)
    assert {image_id: after[image_id] for image_id in before} == before
    draws = {image_id: draw(image_id, seed) for image_id in before}
    assert before == {
        image_id: "test" if value < 0.15 else "validation" if value < 0.3 else "train"
        for image_id, value in draws.items()
    }


@pytest.mark.parametrize(
    ("num_photos", "train", "validation", "test"),
    [
        (3, 1, 1, 1),
        (4, 2, 1, 1),
        (6, 4, 1, 1),
        (7, 5, 1, 1),
        (9, 7, 1, 1),
        (10, 7, 1, 2),
        (12, 8, 2, 2),
        (20, 14, 3, 3),
        (22, 16, 3, 3),
        (30, 21, 4, 5),
        (50, 35, 7, 8),
        (60, 42, 9, 9),
    ],
)
def test_the_split_of_a_small_class_is_exact(num_photos: int, train: int, validation: int, test: int) -> None:
    assert apportion(num_photos, SHARES) == {"train": train, "validation": validation, "test": test}
    for seed in range(20):
        splits = divide({"cats": ids(num_photos), "dogs": ids(num_photos, 1000)}, CUTS, seed)
        for photos in (ids(num_photos), ids(num_photos, 1000)):
            counts = Counter(splits[image_id] for image_id in photos)
            assert counts == {"train": train, "validation": validation, "test": test}


@given(num_photos=st.integers(61, 400), start=st.integers(0, 10**6), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_split_of_a_larger_class_is_approximate(num_photos: int, start: int, seed: int) -> None:
    counts = Counter(divide({"cats": ids(num_photos, start)}, CUTS, seed).values())
    exact = apportion(num_photos, SHARES)
    for split in CUTS:
        assert abs(counts[split] - exact[split]) <= (num_photos - 60) // 5


@given(start=st.integers(0, 10**6), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_one_more_photo_in_a_small_class_moves_at_most_two_others(start: int, seed: int) -> None:
    """Adding a photo moves at most one other photo between train and test, and one between train and validation.

    After all additions together, no more photos have moved than were added.
    """
    num_moved = 0
    before = divide({"cats": ids(6, start)}, CUTS, seed)
    for num_photos in range(7, 61):
        after = divide({"cats": ids(num_photos, start)}, CUTS, seed)
        moves = [{before[image_id], after[image_id]} for image_id in before if before[image_id] != after[image_id]]
        assert moves in ([], [{"train", "test"}], [{"train", "validation"}]) or (
            len(moves) == 2 and {"train", "test"} in moves and {"train", "validation"} in moves
        )
        num_moved += len(moves)
        before = after
    assert num_moved <= 54


@given(
    num_photos=st.integers(3, 3000),
    validation=st.floats(0.01, 0.49),
    test=st.floats(0.01, 0.49),
)
def test_one_more_photo_makes_no_split_smaller(num_photos: int, validation: float, test: float) -> None:
    fractions = {"test": test, "validation": validation, "train": 1 - validation - test}
    before, after = (apportion(number, fractions) for number in (num_photos, num_photos + 1))
    assert sum(before.values()) == num_photos
    assert min(before.values()) >= 1
    assert sorted(after[split] - before[split] for split in before) == [0, 0, 1]
    if num_photos * min(fractions.values()) >= 1:
        assert all(abs(before[split] - num_photos * share) < 1.000001 for split, share in fractions.items())


def test_a_small_class_next_to_a_large_one_is_split_exactly() -> None:
    splits = divide({"cats": ids(500), "dogs": ids(12, 1000)}, CUTS, 42)
    assert Counter(splits[image_id] for image_id in ids(12, 1000)) == {"train": 8, "validation": 2, "test": 2}
    alone = divide({"cats": ids(500)}, CUTS, 42)
    assert {image_id: splits[image_id] for image_id in ids(500)} == alone


@given(st.integers(0, 2**32 - 1), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_a_burst_of_near_duplicates_never_fills_the_test_split(seed: int, start: int) -> None:
    """12 of 30 photos are one group: the 5 test photos come from the other 18."""
    splits = divide({"cats": ["burst"] * 12 + ids(18, start)}, CUTS, seed)
    assert splits["burst"] == "train"
    assert Counter(splits[key] for key in ids(18, start)) == {"train": 9, "validation": 4, "test": 5}


def test_large_groups_still_fill_every_split() -> None:
    for seed in range(20):
        keys = ["a"] * 8 + ["b"] * 5 + ["c"] * 6
        assert divide({"cats": keys}, CUTS, seed)["a"] == "train", "only the smallest groups may be moved out of train"
        assert set(divide({"cats": keys}, CUTS, seed).values()) == set(SPLITS)


def test_a_group_with_photos_of_two_classes_counts_for_both_classes() -> None:
    for seed in range(20):
        groups = [f"visit {number}" for number in range(10)]
        splits = divide({"cats": groups + ids(20), "dogs": groups + ids(20, 1000)}, CUTS, seed)
        for photos in (groups + ids(20), groups + ids(20, 1000)):
            assert Counter(splits[key] for key in photos) == {"train": 21, "validation": 4, "test": 5}


def test_split_sizes_are_close_to_the_given_fractions() -> None:
    splits = list(divide({"cats": ids(20_000)}, {"test": 0.1, "validation": 0.25}, 42).values())
    assert splits.count("test") / 20_000 == pytest.approx(0.1, abs=0.01)
    assert splits.count("validation") / 20_000 == pytest.approx(0.25, abs=0.01)


def test_the_split_depends_on_the_seed_but_not_on_the_order_of_the_photos() -> None:
    cuts = {"test": 0.2, "validation": 0.2}
    splits = divide({"cats": ids(50)}, cuts, 1)
    assert divide({"cats": ids(50)[::-1]}, cuts, 1) == splits
    assert divide({"cats": ids(50)}, cuts, 2) != splits


@given(st.integers(0, 2**32 - 1), st.text("0123456789abcdef", min_size=1))
def test_a_draw_is_between_0_and_1(seed: int, image_id: str) -> None:
    assert 0 <= draw(image_id, seed) < 1


def test_given_splits_are_kept() -> None:
    records = [record(f"{number}.jpg", split=SPLITS[number % 3]) for number in range(9)]
    assert splits_of(records, given_splits=SPLITS) == {record.path: record.split for record in records}


def test_missing_splits_are_drawn_from_train() -> None:
    records = [record(f"{number}.jpg", split="train") for number in range(60)]
    records += [record(f"t{number}.jpg", split="test") for number in range(5)]
    splits = splits_of(records, given_splits=("train", "test"))
    assert all(splits[record.path] == "test" for record in records[60:])
    assert {splits[record.path] for record in records[:60]} == {"train", "validation"}
    splits = splits_of(records[:60], given_splits=("train",))
    assert set(splits.values()) == set(SPLITS)


def test_rejected_files_are_not_assigned_to_a_split() -> None:
    records = [record(f"{number}.jpg") for number in range(5)] + [record("bad.jpg", reason="truncated")]
    assert splits_of(records)["cats/bad.jpg"] is None


@pytest.mark.parametrize(
    ("records", "options", "message"),
    [
        ([], {}, r"'cats' must have at least 3 usable photos.* train, validation and test; it has 0\. Add"),
        ([record("1.jpg"), record("2.jpg")], {}, "it has 2"),
        ([record("1.jpg"), record("2.jpg", reason="empty")], {}, r"it has 1\. Rejected files: 1 × empty: cats/2\.jpg"),
        ([record("1.jpg", split="train")], {"given_splits": ("train", "test")}, "no usable photo in test"),
        (
            [record("1.jpg", split="train"), record("2.jpg", split="test")],
            {"given_splits": ("train", "test")},
            "at least 2 usable photos to be split into train and validation; it has 1",
        ),
        ([record("1.jpg", split="test"), record("2.jpg", split="validation")], {"given_splits": SPLITS}, "in train"),
    ],
)
def test_a_class_that_cannot_be_in_every_split_is_reported(
    records: list[Record], options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        splits_of(records, **options)


def test_a_renamed_photo_stays_in_its_split() -> None:
    records = [record(f"{number}.jpg") for number in range(40)]
    renamed = [replace(photo, path=f"other/{number}.jpg") for number, photo in enumerate(records)]
    assert list(splits_of(records).values()) == list(splits_of(renamed).values())


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 9), min_size=60, max_size=90))
@settings(max_examples=100, deadline=None)
def test_photos_of_one_group_are_always_in_the_same_split(seed: int, groups: list[int]) -> None:
    names = ["cats" if number % 2 else "dogs" for number in range(len(groups))]
    records = [record(f"{number}.jpg", name) for number, name in enumerate(names)]
    keys = [f"group {group}" for group in groups]
    try:
        divided_records = assign_splits(records, ["cats", "dogs"], (), FRACTIONS, seed, keys)  # type: ignore[arg-type]
    except DataError as error:
        assert "group" in str(error)  # if there are few groups with both classes, there may be no solution
        return
    assert len({(key, each.split) for key, each in zip(keys, divided_records, strict=True)}) == len(set(keys))
    assert {(each.class_name, each.split) for each in divided_records} == {
        (n, s) for n in ("cats", "dogs") for s in SPLITS
    }


def test_a_class_with_only_two_groups_cannot_fill_three_splits() -> None:
    records = [record(f"{number}.jpg") for number in range(9)]
    with pytest.raises(DataError, match=r"at least 3 independent photos; it has 2, because photos of one group"):
        assign_splits(records, ["cats"], (), FRACTIONS, 42, ["a"] * 5 + ["b"] * 4)  # type: ignore[arg-type]


def test_three_groups_that_each_have_both_classes_fill_all_splits() -> None:
    records = [record(f"{number}.jpg", name) for number, name in enumerate(("cats", "dogs") * 3)]
    keys = ["a", "a", "b", "b", "c", "c"]
    divided_records = assign_splits(records, ["cats", "dogs"], (), FRACTIONS, 42, keys)  # type: ignore[arg-type]
    assert {each.split for each in divided_records} == set(SPLITS)
