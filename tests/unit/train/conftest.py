"""TensorFlow is started once for all tests of this folder, before any of them imports Keras."""

from components.train.tensorflow.start import start_tensorflow

start_tensorflow(seed=0)
