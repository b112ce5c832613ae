"""Ignores environment variables that were set for other projects and would change the results of numeric libraries.

Darkroom's results must depend only on the data, the params and the seed. With `ONEDNN_DEFAULT_FPMATH_MODE=BF16`, for
example, TensorFlow multiplies in bfloat16, and its probabilities differ from those of a float32 export by up to 0.06.
"""

import logging
import os
from typing import Final

log = logging.getLogger(__name__)

IGNORED: Final = (
    # The precision of multiplications in TensorFlow, OpenVINO and CUDA libraries.
    "DNNL_DEFAULT_FPMATH_MODE",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "TF_SET_ONEDNN_FPMATH_MODE",
    # Treats weights as constants, although they change during training.
    "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS",
    # Select another compiler; an unknown flag aborts the process.
    "TF_FUNCTION_JIT_COMPILE_DEFAULT",
    "TF_JIT_COMPILE_REWRITE",
    "TF_XLA_FLAGS",
    # Select another backend or version of Keras, or fewer epochs and steps than in the params.
    "KERAS_BACKEND",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "KERAS_NNX_ENABLED",
    "TF_USE_LEGACY_KERAS",
)


def ignore_library_settings() -> None:
    """Removes the variables in IGNORED from the environment, and logs them. Call it before importing the libraries."""
    settings = {name: os.environ.pop(name) for name in IGNORED if os.environ.get(name) not in (None, "", "tensorflow")}
    if settings:
        log.info(
            "Ignoring environment variables that would change results: %s.",
            ", ".join(f"{name}={value!r}" for name, value in settings.items()),
        )
