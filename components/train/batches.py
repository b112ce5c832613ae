"""Batches for Keras: photos that are augmented on the way, or features that were computed before."""

import math
from typing import Protocol

import keras
import numpy as np

from components.contract.augment import augment, image_keys, photo_seeds
from components.contract.dataset import Split
from components.contract.train_params import AugmentationParams


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
    """What a frozen network made of photos.

    Attributes:
        values: float32, or float16 mapped from disk, (n, …).
    """

    def __init__(self, values: np.ndarray, labels: np.ndarray):
        self.values = values
        self.labels = labels

    def gather(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        """float32 (len(rows), …); the same in every epoch."""
        values: np.ndarray = self.values[rows].astype(np.float32, copy=False)
        return values


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """All examples once an epoch, in an order that the seed and the epoch alone decide."""

    def __init__(self, examples: Examples, batch_size: int, *, shuffle_seed: int | None = None):
        """Makes batches.

        Args:
            examples: what to draw from.
            batch_size: the last batch of an epoch may be smaller.
            shuffle_seed: None keeps the order of the examples.
        """
        super().__init__()
        self.num_examples = len(examples.labels)
        self._examples = examples
        self._batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._epoch = 0
        self._order = self._draw_order()

    def __len__(self) -> int:
        return math.ceil(self.num_examples / self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return self._examples.gather(rows, self._epoch), self._examples.labels[rows]

    def on_epoch_end(self) -> None:
        """Keras calls it when the last batch of an epoch has been taken."""
        self._epoch += 1
        self._order = self._draw_order()

    def _draw_order(self) -> np.ndarray:
        if self._shuffle_seed is None:
            return np.arange(self.num_examples)
        return np.random.default_rng([self._shuffle_seed, self._epoch]).permutation(self.num_examples)
