"""Batches for Keras: photos that are augmented on the fly, or precomputed features."""

import math
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from components.contract.artifacts.dataset import Split
from components.contract.image.augment import augment, image_keys, photo_seeds
from components.contract.params.augmentation import AugmentationParams
from components.contract.system.memory_map import FileMaps
from components.train.loop.mixup import Mixing


class Examples(Protocol):
    """The source of batches.

    Attributes:
        labels: the label of each example, int32 (n,).
    """

    labels: np.ndarray

    def gather(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        """Returns the inputs of these rows in this epoch: (len(rows), …)."""
        ...


class Photos:
    """The photos of a split, augmented differently in each epoch."""

    def __init__(self, split: Split, augmentation: AugmentationParams, seed: int):
        self.labels = split.labels
        self._split = split
        self._augmentation = augmentation
        self._seed = seed
        self._keys = image_keys(split.image_ids)

    def gather(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        """Returns the augmented photos of these rows: uint8 (len(rows), height, width, 3), RGB."""
        seeds = photo_seeds(self._keys[rows], seed=self._seed, variant=epoch)
        return augment(self._split.gather(rows), self._augmentation, seeds)


class Features:
    """The outputs of frozen layers; from epoch to epoch, each photo uses the next of its views, cyclically."""

    def __init__(self, views: Sequence[np.ndarray], labels: np.ndarray, *, in_memory: bool = True):
        """Stores the features.

        Args:
            views: the features of each view, float16 or float32 (n, …).
            labels: the label of each photo, int32 (n,).
            in_memory: whether to hold the features in memory as float32; otherwise they are read from the mapped files.
        """
        self.labels = labels
        self._views = [np.array(view, np.float32) for view in views] if in_memory else list(views)
        maps = [view._mmap for view in self._views if isinstance(view, np.memmap)]  # type: ignore[attr-defined]  # noqa: SLF001 - NumPy has no public name for it
        self._mapped = FileMaps(maps)

    def gather(self, rows: np.ndarray, epoch: int) -> np.ndarray:
        """Returns the features of these rows: float32 (len(rows), …)."""
        values = np.empty((len(rows), *self._views[0].shape[1:]), np.float32)
        view_numbers = (rows + epoch) % len(self._views)  # so that each epoch uses every view
        for view in np.unique(view_numbers):
            values[view_numbers == view] = self._views[view][rows[view_numbers == view]]
        self._mapped.note(values.size * self._views[0].itemsize)
        return values


class Batches(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
    """The batches of an epoch, with all examples in an order that depends only on the seed and the epoch.

    Attributes:
        num_examples: the number of examples per epoch.
        num_batches_of_epoch: the number of batches per epoch, including those before first_batch.
        first_batch: the index of the first batch; the batches before it are skipped.
        labels: the labels of all examples, int32 (n,).
        made_at: the time when each batch was ready, by `time.monotonic`, or 0 if it is not ready: float64 (batches,).
    """

    def __init__(
        self,
        examples: Examples,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        oversample: bool = False,
        passes: int = 1,
        mixing: Mixing | None = None,
        multiple_of: int = 1,
    ):
        """Creates the batches.

        Args:
            examples: the source of the batches.
            batch_size: the number of examples per batch; the last batch of an epoch may be smaller.
            shuffle_seed: the seed of the order; None keeps the order of the examples.
            oversample: whether to repeat examples of rarer classes so that all classes are equally frequent.
            passes: how often an epoch uses all examples, each time in a different order and with different variants.
            mixing: mixes each batch; requires a shuffle_seed. The labels of a mixed batch are float32 (n, k).
            multiple_of: the number of devices that share a batch. If there are several, batches include weights, and a
                batch that cannot be divided evenly is padded with examples of weight 0.
        """
        super().__init__()
        self._rows = _oversample_rows(examples.labels) if oversample else np.arange(len(examples.labels))
        self._passes = passes
        self.num_examples = passes * len(self._rows)
        self.labels = examples.labels
        self._examples = examples
        self._batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._mixing = mixing
        self._multiple_of = multiple_of
        self.num_batches_of_epoch = math.ceil(self.num_examples / batch_size)
        self._group_size = 0
        self._maker = ThreadPoolExecutor(1, "batches")
        self._coming: dict[int, Future[list[np.ndarray]]] = {}
        self.begin(0)

    def begin(self, epoch: int, first_batch: int = 0) -> None:
        """Starts an epoch, counted from 0; its first batches can be skipped."""
        self.first_batch = first_batch
        self._epoch = epoch
        self._order = self._draw_order()
        self.made_at = np.zeros(len(self))
        self._coming.clear()
        if self._group_size:
            self._make_ahead(0)

    def num_seen(self, num_batches: int) -> int:
        """Returns how many examples of the epoch are used after num_batches batches, including skipped examples."""
        return min((self.first_batch + num_batches) * self._batch_size, self.num_examples)

    @property
    def num_numbers(self) -> int:
        """The number of scalars in the inputs of one batch."""
        return self._batch_size * int(np.prod(self._examples.gather(self._rows[:1], 0).shape[1:]))

    def __len__(self) -> int:
        return self.num_batches_of_epoch - self.first_batch

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        start = (self.first_batch + index) * self._batch_size
        positions = np.arange(start, min(start + self._batch_size, self.num_examples))
        num_fill = -len(positions) % self._multiple_of
        positions = np.concatenate([positions, positions[-1:].repeat(num_fill)])
        inputs, labels = self._inputs(positions), self._examples.labels[self._order[positions]]
        if self._mixing is not None and self._shuffle_seed is not None:
            rng = np.random.default_rng([self._shuffle_seed, self._epoch, start])
            inputs, labels = self._mixing(inputs, labels, rng)
        self.made_at[index] = time.monotonic()
        return (inputs, labels) if self._multiple_of == 1 else (inputs, labels, self._weights(len(positions), num_fill))

    def full_batches(self, most: int) -> Iterator[np.ndarray]:
        """Yields the unmixed inputs of up to `most` full batches of the epoch, including batches that were skipped."""
        for number in range(min(most, max(1, self.num_examples // self._batch_size))):
            start = number * self._batch_size
            yield self._inputs(np.arange(start, min(start + self._batch_size, self.num_examples)))

    def in_groups(self, size: int) -> tf.data.Dataset:
        """Returns the batches as a TensorFlow data set; prepares them in groups, one group ahead of the training.

        For a small network, passing a batch to TensorFlow takes as long as a training step, and in deterministic mode
        TensorFlow does not prefetch from Python.

        Args:
            size: the number of batches per group. After this call, `begin` may start another epoch, but only with the
                same number of batches.
        """
        self._group_size = size
        first = self[0]
        types, shapes = [part.dtype for part in first], [(None, *part.shape[1:]) for part in first]
        group_method = weakref.WeakMethod(self._group)  # weak, as TensorFlow keeps references until the process ends

        def group(number: np.int64) -> list[np.ndarray]:
            make_group = group_method()
            assert make_group is not None, "the training loop must keep a reference to the batches"
            return make_group(int(number))

        def with_shapes(*columns: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return tuple(map(tf.ensure_shape, columns, shapes))

        groups = tf.data.Dataset.range(math.ceil(len(self) / size))
        examples = groups.map(lambda number: with_shapes(*tf.numpy_function(group, [number], types)))
        rebatched = examples.rebatch(self._batch_size).prefetch(size)
        options = tf.data.Options()
        # Autotuning has nothing to tune here, and the next epoch would wait until its thread, which sleeps for as long
        # as the epoch has taken so far, wakes up.
        options.autotune.enabled = False
        return rebatched.apply(tf.data.experimental.assert_cardinality(len(self))).with_options(options)

    def _group(self, number: int) -> list[np.ndarray]:
        group = (self._coming.pop(number, None) or self._maker.submit(self._make_group, number)).result()
        self._make_ahead(number + 1)
        return group

    def _make_ahead(self, number: int) -> None:
        if number * self._group_size < len(self):
            self._coming[number] = self._maker.submit(self._make_group, number)

    def _make_group(self, number: int) -> list[np.ndarray]:
        first = number * self._group_size
        batches = [self[index] for index in range(first, min(first + self._group_size, len(self)))]
        group = [np.concatenate(column) for column in zip(*batches, strict=True)]
        self.made_at[first : first + self._group_size] = time.monotonic()
        return group

    def _weights(self, num_rows: int, num_fill: int) -> np.ndarray:
        """Returns the weight of each row, float32 (rows,): 0 for padding.

        The other weights are scaled so that the mean over the batches is the mean over the examples.
        """
        last = self.num_examples % self._batch_size
        filled = self.num_examples // self._batch_size * (-self._batch_size % self._multiple_of)
        total = self.num_examples + filled + -last % self._multiple_of
        weights = np.full(num_rows, total / self.num_examples, np.float32)
        weights[num_rows - num_fill :] = 0
        return weights

    def _inputs(self, positions: np.ndarray) -> np.ndarray:
        """Returns the inputs at ascending positions of the epoch; each pass has different variants."""
        passes = positions // len(self._rows)
        parts = [
            self._examples.gather(self._order[positions[passes == number]], self._first_pass + number)
            for number in range(passes[0], passes[-1] + 1)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    @property
    def _first_pass(self) -> int:
        return self._epoch * self._passes

    def _draw_order(self) -> np.ndarray:
        """Returns the rows of the epoch, one pass after another."""
        if self._shuffle_seed is None:
            return np.tile(self._rows, self._passes)
        numbers = range(self._first_pass, self._first_pass + self._passes)
        return np.concatenate(
            [np.random.default_rng([self._shuffle_seed, number]).permutation(self._rows) for number in numbers]
        )


def _oversample_rows(labels: np.ndarray) -> np.ndarray:
    """Repeats rows so that all classes have as many as the largest; all rows of a class occur about equally often."""
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    most = max(map(len, classes))
    return np.concatenate([np.resize(rows, most) for rows in classes])
