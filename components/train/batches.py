"""Batches for Keras: photos that are augmented on the way, or features that were computed before."""

import math
from collections.abc import Sequence
from typing import Protocol

import keras
import numpy as np

from components.contract.augment import augment, image_keys, photo_seeds
from components.contract.dataset import Split
from components.contract.train_params import AugmentationParams
from components.train.mixing import Mixing


class Examples(Protocol):
    """What batches are drawn from.

    Attributes:
        labels: int32 (n,).
    """

    labels: np.ndarray

    def gather(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        """The inputs in these rows, as they are in this epoch: (len(rows), …)."""
        ...


class Photos:
    """Photos of a split, each epoch another variant of them."""

    def __init__(self, split: Split, augmentation: AugmentationParams, seed: int):
        self.labels = split.labels
        self._split = split
        self._augmentation = augmentation
        self._seed = seed
        self._keys = image_keys(split.image_ids)

    def gather(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        """uint8 (len(rows), height, width, 3), RGB."""
        seeds = photo_seeds(self._keys[rows], seed=self._seed, variant=epoch)
        return augment(self._split.gather(rows), self._augmentation, seeds)


class Features:
    """What a frozen network made of photos: each epoch another view of each photo, all of them in turn."""

    def __init__(self, views: Sequence[np.ndarray], labels: np.ndarray, *, in_memory: bool = True):
        """Takes features.

        Args:
            views: float16 or float32 (n, …) each.
            labels: int32 (n,).
            in_memory: whether they are held as float32; else they are read from where they are mapped.
        """
        self.labels = labels
        self._views = [view.astype(np.float32) for view in views] if in_memory else list(views)

    def gather(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        """float32 (len(rows), …)."""
        values = np.empty((len(rows), *self._views[0].shape[1:]), np.float32)
        chosen = (rows + epoch) % len(self._views)  # so that each epoch has all kinds of views
        for view in np.unique(chosen):
            values[chosen == view] = self._views[view][rows[chosen == view]]
        return values


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """All examples once an epoch, in an order that the seed and the epoch alone decide."""

    def __init__(
        self, examples: Examples, batch_size: int, *, shuffle_seed: int | None = None, oversample: bool = False,
        mixing: Mixing | None = None,
    ):  # fmt: skip
        """Makes batches.

        Args:
            examples: what to draw from.
            batch_size: the last batch of an epoch may be smaller.
            shuffle_seed: None keeps the order of the examples.
            mixing: needs a seed; the labels of a mixed batch are float32 (n, k).
            oversample: examples of rarer classes come several times an epoch, so that all classes come as often.
        """
        super().__init__()
        self._rows = _evened(examples.labels) if oversample else np.arange(len(examples.labels))
        self.num_examples = len(self._rows)
        self.labels = examples.labels
        self._examples = examples
        self._batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._mixing = mixing
        self.num_batches_of_epoch = math.ceil(self.num_examples / batch_size)
        self.first_batch = 0
        self._epoch = 0
        self._order = self._draw_order()

    def begin(self, epoch: int, first_batch: int = 0) -> None:
        """Goes to an epoch, counted from 0, of which the first batches may be left out."""
        self.first_batch = first_batch
        self._epoch = epoch
        self._order = self._draw_order()

    def num_seen(self, num_batches: int) -> int:
        """Examples of the epoch that are done after so many batches, those left out included."""
        return min((self.first_batch + num_batches) * self._batch_size, self.num_examples)

    @property
    def num_numbers(self) -> int:
        """Of the inputs of one batch."""
        return self._batch_size * int(np.prod(self._examples.gather(self._rows[:1], 0).shape[1:]))

    def __len__(self) -> int:
        return self.num_batches_of_epoch - self.first_batch

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        start = (self.first_batch + index) * self._batch_size
        rows = self._order[start : start + self._batch_size]
        inputs, labels = self._examples.gather(rows, self._epoch), self._examples.labels[rows]
        if self._mixing is None or self._shuffle_seed is None:
            return inputs, labels
        return self._mixing(inputs, labels, np.random.default_rng([self._shuffle_seed, self._epoch, start]))

    def _draw_order(self) -> np.ndarray:
        if self._shuffle_seed is None:
            return self._rows
        return np.random.default_rng([self._shuffle_seed, self._epoch]).permutation(self._rows)


def _evened(labels: np.ndarray) -> np.ndarray:
    """Rows in which each class that occurs has as many as the most frequent one, its examples about equally often."""
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    most = max(map(len, classes))
    return np.concatenate([np.resize(rows, most) for rows in classes])
