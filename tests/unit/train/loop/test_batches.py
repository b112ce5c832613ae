"""Batches contain each example once per epoch; only the seed and the epoch determine their order and variants."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest

from components.contract.artifacts.dataset import Split, open_split
from components.contract.image.augment import augment, image_keys, photo_seeds
from components.contract.params.augmentation import AUGMENTATION_PRESETS, AugmentationParams
from components.contract.system import memory_map
from components.train.loop.batches import Batches, Features, Photos
from tests.support.artifacts import make_dataset


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    folder = tmp_path_factory.mktemp("made") / "dataset"
    make_dataset(folder, per_class=11)
    return open_split(folder, "train")


def numbered(num: int = 33) -> Features:
    """Features and labels whose values are their row numbers."""
    return Features([np.arange(num, dtype=np.float32)[:, None]], np.arange(num, dtype=np.int32))


def epoch_of(batches: Batches, epoch: int, first_batch: int = 0) -> list[int]:
    batches.begin(epoch, first_batch)
    rows: list[int] = np.concatenate([batches[index][1] for index in range(len(batches))]).tolist()
    return rows


def test_an_epoch_contains_each_example_once_in_shuffled_order() -> None:
    batches = Batches(numbered(), 8, shuffle_seed=1)
    assert [len(batches[index][1]) for index in range(len(batches))] == [8, 8, 8, 8, 1]
    first, second = epoch_of(batches, 0), epoch_of(batches, 1)
    assert sorted(first) == sorted(second) == list(range(33))
    assert first != second != list(range(33))


def test_the_order_depends_only_on_the_seed_and_the_epoch() -> None:
    first = Batches(numbered(), 8, shuffle_seed=1)
    again = Batches(numbered(), 8, shuffle_seed=1)
    assert [epoch_of(first, epoch) for epoch in range(3)] == [epoch_of(again, epoch) for epoch in range(3)]
    assert epoch_of(Batches(numbered(), 8, shuffle_seed=2), 0) != epoch_of(first, 0)


def test_an_epoch_that_starts_at_a_later_batch_contains_the_remaining_examples() -> None:
    batches = Batches(numbered(), 8, shuffle_seed=1)
    whole = epoch_of(batches, 2)
    assert epoch_of(batches, 2, first_batch=3) == whole[24:]
    assert [batches.num_seen(num) for num in range(3)] == [24, 32, 33]


@pytest.mark.parametrize(
    ("batch_size", "first_batch", "size"), [(8, 0, 2), (8, 3, 4), (8, 0, 8), (11, 1, 1), (3, 0, 4)]
)
def test_grouped_batches_equal_single_ones(batch_size: int, first_batch: int, size: int) -> None:
    batches = Batches(numbered(), batch_size, shuffle_seed=1)
    batches.begin(0, first_batch)
    grouped = batches.in_groups(size)
    assert len(grouped) == len(batches)
    assert grouped.options().autotune.enabled is False
    for epoch in range(3):
        batches.begin(epoch, first_batch)
        batches_in_groups = [(inputs.numpy(), labels.numpy()) for inputs, labels in grouped]
        assert np.all(np.diff(batches.made_at) >= 0)
        assert batches.made_at.min() > 0
        expected = [batches[index] for index in range(len(batches))]
        for actual_batch, expected_batch in zip(batches_in_groups, expected, strict=True):
            assert all(np.array_equal(*parts) for parts in zip(actual_batch, expected_batch, strict=True))


def test_features_are_released_with_their_batches() -> None:
    batches = Batches(numbered(), 8, shuffle_seed=1)
    assert len(list(batches.in_groups(2))) == 5
    reference = weakref.ref(batches)
    del batches
    gc.collect()
    assert reference() is None


def test_unused_groups_do_not_affect_the_next_epoch() -> None:
    batches = Batches(numbered(), 8, shuffle_seed=1)
    grouped = batches.in_groups(2)
    batches.begin(0)
    iterator = iter(grouped)
    next(iterator)
    batches.begin(1)
    rows = np.concatenate([labels for _, labels in grouped]).tolist()
    assert rows == epoch_of(Batches(numbered(), 8, shuffle_seed=1), 1)


def test_an_epoch_of_several_passes_equals_several_epochs() -> None:
    once, thrice = (Batches(numbered(), 8, shuffle_seed=1, passes=passes) for passes in (1, 3))
    assert (thrice.num_examples, len(thrice)) == (99, 13)
    for epoch in range(2):
        expected = [row for number in range(3) for row in epoch_of(once, 3 * epoch + number)]
        assert epoch_of(thrice, epoch) == expected
        assert epoch_of(thrice, epoch, first_batch=5) == expected[40:]
    assert thrice.num_seen(7) == 96
    assert epoch_of(Batches(numbered(), 8, passes=2), 0) == [*range(33)] * 2


@pytest.mark.parametrize("batch_size", [8, 12, 100])
def test_each_pass_of_an_epoch_has_its_own_augmented_variants(split: Split, batch_size: int) -> None:
    photos = Photos(split, AUGMENTATION_PRESETS["light"], seed=7)
    once, twice = (Batches(photos, size, shuffle_seed=1, passes=n) for size, n in ((33, 1), (batch_size, 2)))
    twice.begin(1)
    inputs = np.concatenate([twice[index][0] for index in range(len(twice))])
    for number in range(2):
        once.begin(2 + number)
        assert np.array_equal(inputs[33 * number : 33 * (number + 1)], once[0][0])


def test_full_batches_start_at_the_beginning_of_the_epoch_even_after_a_skip() -> None:
    batches = Batches(numbered(), 8, shuffle_seed=1, passes=2)
    expected = epoch_of(batches, 1)
    batches.begin(1, first_batch=3)
    full_batches = list(batches.full_batches(most=5))
    assert np.concatenate(full_batches)[:, 0].tolist() == expected[:40]
    assert [len(inputs) for inputs in batches.full_batches(most=99)] == [8] * 8
    assert [len(inputs) for inputs in Batches(numbered(), 40).full_batches(most=99)] == [33]


def test_without_a_seed_the_order_is_kept() -> None:
    batches = Batches(numbered(), 8)
    assert epoch_of(batches, 0) == epoch_of(batches, 1) == list(range(33))


def test_inputs_and_labels_stay_together() -> None:
    batches = Batches(numbered(), 8, shuffle_seed=1)
    for index in range(len(batches)):
        inputs, labels = batches[index]
        assert np.array_equal(inputs[:, 0], labels)


def test_photos_are_augmented_differently_in_each_epoch(split: Split) -> None:
    medium = AUGMENTATION_PRESETS["medium"]
    photos = Photos(split, medium, seed=7)
    rows = np.array([30, 2, 17])
    seeds = photo_seeds(image_keys(split.image_ids)[rows], seed=7, variant=4)
    assert np.array_equal(photos.gather(rows, 4), augment(split.gather(rows), medium, seeds))
    assert not np.array_equal(photos.gather(rows, 4), photos.gather(rows, 5))
    assert np.array_equal(photos.gather(rows[::-1], 4), photos.gather(rows, 4)[::-1])


def test_photos_without_augmentation_are_unchanged(split: Split) -> None:
    rows = np.arange(len(split))
    assert np.array_equal(Photos(split, AugmentationParams(), seed=7).gather(rows, 3), split.gather(rows))


@pytest.mark.parametrize("in_memory", [False, True])
def test_features_on_disk_are_always_returned_as_float32(
    in_memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_map, "MAX_MAPPED_BYTES", 4)  # memory is released after each batch
    stored = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float16, shape=(5, 2))
    stored[:] = np.arange(10).reshape(5, 2)
    features = Features([stored], np.zeros(5, np.int32), in_memory=in_memory)
    for _ in range(3):
        inputs = features.gather(np.array([4, 0]), 0)
        assert inputs.dtype == np.float32
        assert inputs.tolist() == [[8, 9], [0, 1]]


def test_oversampling_shows_all_classes_equally_often_and_loses_no_example() -> None:
    labels = np.array([0] * 7 + [1] * 3 + [4] * 2, np.int32)
    examples = Features([np.arange(12, dtype=np.float32)[:, None]], labels)
    batches = Batches(examples, 4, shuffle_seed=1, oversample=True)
    inputs, labels_seen = (
        np.concatenate(parts) for parts in zip(*(batches[index] for index in range(len(batches))), strict=True)
    )
    assert batches.num_examples == 21
    assert np.bincount(labels_seen).tolist() == [7, 7, 0, 0, 7]
    counts = np.bincount(inputs[:, 0].astype(int))
    assert counts.tolist() == [1] * 7 + [3, 2, 2] + [4, 3]


@pytest.mark.parametrize(("batch_size", "devices"), [(8, 2), (8, 3), (7, 4), (33, 2), (40, 8)])
def test_batches_for_several_devices_divide_evenly_and_every_example_counts_once(batch_size: int, devices: int) -> None:
    batches = Batches(numbered(), batch_size, shuffle_seed=1, multiple_of=devices)
    total, rows, counts = 0.0, 0, np.zeros(33)
    for index in range(len(batches)):
        inputs, labels, weights = batches[index]
        assert len(inputs) == len(labels) == len(weights)
        assert len(labels) % devices == 0
        # As in Keras: the mean over the rows of each batch, then over the batches, weighted by their numbers of rows.
        total += len(labels) * float((labels * weights).mean())
        rows += len(labels)
        counts += np.bincount(labels, weights > 0, minlength=33)
    assert counts.tolist() == [1.0] * 33
    assert total / rows == pytest.approx(np.arange(33).mean(), rel=1e-5)
