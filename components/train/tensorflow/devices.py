"""Trains on several GPUs, or on TensorFlow's logical CPUs: each has a copy of the network and a part of every batch."""

import contextlib
import functools
import logging
from typing import Any

import tensorflow as tf

log = logging.getLogger(__name__)


def on_all_devices() -> contextlib.AbstractContextManager[Any]:
    """Within the block, networks and optimizers are created for all devices; if there is only one, nothing changes."""
    strategy = _strategy()
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def num_devices() -> int:
    """The number of devices among which a batch is divided."""
    strategy = _strategy()
    return 1 if strategy is None else int(strategy.num_replicas_in_sync)


@functools.cache
def _strategy() -> Any:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) == 1:
        return None
    log.info("Each batch is split over %d devices.", len(devices))
    return tf.distribute.MirroredStrategy([device.name for device in devices])
