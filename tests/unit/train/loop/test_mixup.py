"""mixup and CutMix: how photos are mixed, and that labels are mixed in the same proportion."""

import numpy as np
import pytest

from components.contract.errors import ModelError
from components.train.loop.batches import Batches, Features
from components.train.loop.mixup import Mixing

LABELS = np.arange(8, dtype=np.int32) % 4


def photos_of(labels: np.ndarray) -> np.ndarray:
    """Each photo is filled with the value of its class: uint8 (n, 10, 12, 3)."""
    return np.broadcast_to(np.array([0, 50, 100, 200], np.uint8)[labels, None, None, None], (len(labels), 10, 12, 3))


def test_mixup_mixes_photos_and_labels_in_the_same_proportion() -> None:
    photos = photos_of(LABELS)
    mixed, targets = Mixing(0.4, 0, 4)(photos, LABELS, np.random.default_rng(0))
    assert mixed.dtype == np.uint8
    assert targets.dtype == np.float32
    assert np.allclose(targets.sum(axis=1), 1)
    assert ((targets > 0) & (targets < 1)).any()
    assert np.abs(mixed[:, 0, 0, 0] - targets @ np.array([0, 50, 100, 200])).max() <= 0.5
    assert np.array_equal(photos, photos_of(LABELS)), "the input must not be changed"


def test_cutmix_labels_are_the_pixel_shares_of_the_classes() -> None:
    cut, targets = Mixing(0, 1, 4)(photos_of(LABELS), LABELS, np.random.default_rng(3))
    for photo, parts in zip(cut, targets, strict=True):
        shares = [(photo[..., 0] == value).mean() for value in (0, 50, 100, 200)]
        assert np.allclose(shares, parts, atol=1e-6)
    assert ((targets > 0) & (targets < 1)).any()


def test_each_batch_uses_either_mixup_or_cutmix() -> None:
    mixing = Mixing(0.4, 1, 4)
    kinds = [
        len(np.unique(mixing(photos_of(LABELS), LABELS, np.random.default_rng(seed))[0])) > 4 for seed in range(60)
    ]
    assert 15 < sum(kinds) < 45


def test_mixup_accepts_feature_vectors_but_cutmix_needs_photos() -> None:
    features = np.eye(8, dtype=np.float32)
    mixed, targets = Mixing(1, 0, 4)(features, LABELS, np.random.default_rng(0))
    assert mixed.dtype == np.float32
    assert np.allclose(mixed.sum(axis=1), 1)
    assert targets.shape == (8, 4)
    with pytest.raises(ModelError, match=r"train\.cutmix needs photos"):
        Mixing(0, 1, 4)(features, LABELS, np.random.default_rng(0))


def test_the_mixing_of_an_epoch_is_reproducible_and_differs_between_epochs() -> None:
    batches = Batches(Features([np.eye(8, dtype=np.float32)], LABELS), 4, shuffle_seed=1, mixing=Mixing(1, 0, 4))
    epochs = []
    for epoch in (0, 1, 0):
        batches.begin(epoch)
        epochs.append(np.concatenate([batches[index][1] for index in range(len(batches))]))
    assert np.array_equal(epochs[0], epochs[2])
    assert not np.array_equal(epochs[0], epochs[1])
