"""Starts TensorFlow: quietly, seeded, and on a CPU with the same result each time."""

import ctypes
import logging
import os
import sys
from typing import Final

from components.contract.system.library_settings import ignore_library_settings

log = logging.getLogger(__name__)

KEEP_FREED_MEMORY: Final = {-1: 2**31 - 1, -2: 2**26, -4: 0, -8: 1}
"""For mallopt of glibc: M_TRIM_THRESHOLD and M_TOP_PAD in bytes, M_MMAP_MAX, M_ARENA_MAX."""


def start_tensorflow(seed: int) -> None:
    """Imports TensorFlow and Keras; to be called before any other module that imports them.

    Args:
        seed: from 0 to 2³² − 1. With it, equal data and params give equal weights on the same CPU.
    """
    _keep_freed_memory()
    ignore_library_settings()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its C++ part prints errors where nothing is wrong
    _import_keras()
    import keras
    import tensorflow as tf

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.get_logger().setLevel("ERROR")  # a search makes one network after another, of which it warns
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:  # some layers have no deterministic gradient on a GPU
        tf.config.experimental.enable_op_determinism()
    log.info(
        "TensorFlow %s and Keras %s on %s.",
        tf.__version__,
        keras.__version__,
        f"{len(gpus)} GPU" if gpus else "the CPU",
    )


def _import_keras() -> None:
    """Imports Keras with TensorFlow under it; no keras.json is read, and none is written into the user's home."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    home = os.environ.get("KERAS_HOME")
    os.environ["KERAS_HOME"] = os.devnull
    try:
        import keras  # noqa: F401
    finally:
        os.environ.pop("KERAS_HOME") if home is None else os.environ.update(KERAS_HOME=home)


def _keep_freed_memory() -> None:
    """Lets each step of a training have the memory of the step before.

    As it is, the allocator of Linux gives large arrays back to the system as soon as they are freed, and gets them
    again page by page in the next step: a third of the time of a partial fine-tuning on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # glibc has it; musl does not
        for parameter, value in KEEP_FREED_MEMORY.items():
            mallopt(parameter, value)
