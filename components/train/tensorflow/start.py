"""Starts TensorFlow with a seed, without console noise, and with deterministic results on a CPU."""

import ctypes
import logging
import os
import sys
from typing import Final

from components.contract.system.library_settings import ignore_library_settings

log = logging.getLogger(__name__)

KEEP_FREED_MEMORY: Final = {-1: 2**31 - 1, -2: 2**26, -4: 0, -8: 1}
"""Parameters and values for glibc's mallopt: M_TRIM_THRESHOLD and M_TOP_PAD in bytes, M_MMAP_MAX, M_ARENA_MAX."""


def start_tensorflow(seed: int) -> None:
    """Imports TensorFlow and Keras; must be called before any other code imports them.

    Args:
        seed: an integer from 0 to 2³² − 1. On the same CPU, the same seed, data and params produce the same weights.
    """
    _keep_freed_memory()
    ignore_library_settings()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's C++ code prints errors even when nothing is wrong
    _import_keras()
    import keras
    import tensorflow as tf

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.get_logger().setLevel("ERROR")  # TensorFlow warns when a search creates many networks
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:  # on a GPU, some layers have no deterministic gradient, and would fail
        tf.config.experimental.enable_op_determinism()
    log.info(
        "TensorFlow %s and Keras %s on %s.",
        tf.__version__,
        keras.__version__,
        f"{len(gpus)} × GPU" if gpus else "the CPU",
    )


def _import_keras() -> None:
    """Imports Keras with TensorFlow as its backend, without reading or writing keras.json in the user's home."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    home = os.environ.get("KERAS_HOME")
    os.environ["KERAS_HOME"] = os.devnull
    try:
        import keras  # noqa: F401
    finally:
        os.environ.pop("KERAS_HOME") if home is None else os.environ.update(KERAS_HOME=home)


def _keep_freed_memory() -> None:
    """Keeps freed memory in the process, so that the next training step can reuse it.

    By default, glibc's allocator (malloc) returns large arrays to the system as soon as they are freed, and requests
    them again page by page in the next step. In partial fine-tuning on a CPU, this would take a third of the time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # glibc has it; musl does not
        for parameter, value in KEEP_FREED_MEMORY.items():
            mallopt(parameter, value)
