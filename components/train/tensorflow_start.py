"""Starts TensorFlow: quietly, seeded, and on a CPU with the same result each time."""

import logging
import os

log = logging.getLogger(__name__)


def start_tensorflow(seed: int) -> None:
    """Imports TensorFlow and Keras; to be called before any other module that imports them.

    Args:
        seed: from 0 to 2³² − 1. With it, equal data and params give equal weights on the same CPU.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # its C++ part prints errors where nothing is wrong
    import keras
    import tensorflow as tf

    # A keras.json in the user's home could say otherwise.
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    tf.get_logger().setLevel("ERROR")  # a search makes one network after another, of which it warns
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if not gpus:  # some layers have no deterministic gradient on a GPU
        tf.config.experimental.enable_op_determinism()
    log.info("TensorFlow %s and Keras %s on %s.", tf.__version__, keras.__version__,
             f"{len(gpus)} GPU" if gpus else "the CPU")  # fmt: skip
