"""The baselines of the benchmark throughput.py: FastAPI around the Keras model, as in tutorials, but with our decoder.

KERAS_MODEL=model.keras KERAS_CALL=predict|function python -m uvicorn benchmarks.keras_app:app
"""

import os
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
from fastapi import FastAPI, File

from components.contract.image.decode import decode

model = keras.saving.load_model(os.environ["KERAS_MODEL"], compile=False)
height, width = model.input.shape[1:3]


@tf.function(input_signature=[tf.TensorSpec(model.input.shape, tf.uint8)])
def call(pixels: tf.Tensor) -> tf.Tensor:
    """Runs the model as one compiled function."""
    return model(pixels, training=False)


def logits_of(pixels: np.ndarray) -> np.ndarray:
    """Computes the logits of photos, float32 (batch, classes), with the method that KERAS_CALL names.

    Args:
        pixels: uint8 (batch, height, width, 3), RGB.
    """
    if os.environ["KERAS_CALL"] == "predict":
        return np.asarray(model.predict(pixels, verbose=0))
    return np.asarray(call(tf.constant(pixels)))


logits_of(np.zeros((1, height, width, 3), np.uint8))
app = FastAPI()


@app.get("/")
def ready() -> None:
    """Answers as soon as the app is ready."""


@app.post("/predict")
def predict(files: Annotated[bytes, File()]) -> list[float]:
    """Classifies one photo in one of FastAPI's threads."""
    pixels = decode(files, (height, width), "stretch").pixels
    probabilities = tf.nn.softmax(logits_of(pixels[np.newaxis])[0])
    return [float(share) for share in probabilities]
