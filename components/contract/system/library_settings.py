"""Environment variables of numeric libraries from other projects, which would change results.

Darkroom's figures follow from the data, the params and the seed. `ONEDNN_DEFAULT_FPMATH_MODE=BF16`, for example, lets
TensorFlow multiply in bfloat16, so that an export in float32 disagrees with it by 0.06.
"""

import logging
import os
from typing import Final

log = logging.getLogger(__name__)

IGNORED: Final = (
    # The precision of products, in TensorFlow, OpenVINO and CUDA's libraries.
    "DNNL_DEFAULT_FPMATH_MODE",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "TF_SET_ONEDNN_FPMATH_MODE",
    # Weights change during training, so they are not constants.
    "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS",
    # Another compiler; a flag that it does not know ends the process.
    "TF_FUNCTION_JIT_COMPILE_DEFAULT",
    "TF_JIT_COMPILE_REWRITE",
    "TF_XLA_FLAGS",
    # Another Keras, or fewer epochs and steps than the params say.
    "KERAS_BACKEND",
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "KERAS_NNX_ENABLED",
    "TF_USE_LEGACY_KERAS",
)


def ignore_library_settings() -> None:
    """Removes them from the environment of this process, and logs it; to be called before a library that reads them."""
    settings = {name: os.environ.pop(name) for name in IGNORED if os.environ.get(name) not in (None, "", "tensorflow")}
    if settings:
        log.info(
            "Ignoring environment variables that would change results: %s.",
            ", ".join(f"{name}={value!r}" for name, value in settings.items()),
        )
